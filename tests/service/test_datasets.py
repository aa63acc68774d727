"""``/datasets``: what a caller may export, as the catalogue shows it."""

from __future__ import annotations

import psycopg

from tests.fixtures.process import Service
from tests.service.client import assert_problem, call, post


def test_datasets(records: str, service: Service) -> None:
    with psycopg.connect(records) as connection:
        types = connection.execute(
            "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute"
            " WHERE attrelid = 'records'::regclass AND attnum > 0 ORDER BY attnum"
        ).fetchall()
    listed = {dataset["name"]: dataset for dataset in call(service, "/datasets").json()["datasets"]}
    assert set(listed) == {"records", "small", "slow"}
    shown = call(service, "/datasets/records").json()
    assert shown == listed["records"]
    assert [(column["name"], column["type"], column["nullable"]) for column in shown["columns"]] == types
    assert shown["kind"] == "table"
    assert 500_000 < shown["estimatedRows"] < 700_000
    assert shown["estimatedBytes"] > 10 << 20
    assert listed["slow"]["kind"] == "view"
    assert_problem(call(service, "/datasets/nope"), 404, "not-found", "'nope'")
    assert_problem(call(service, "/datasets/public/small"), 404, "not-found")


def test_a_locked_table_does_not_hang_the_catalogue(records: str, service: Service) -> None:
    """Asking PostgreSQL for its size would wait for the lock, until the server's own limit ends that with a 504."""
    with psycopg.connect(records) as blocker:
        blocker.execute("LOCK TABLE small IN ACCESS EXCLUSIVE MODE")
        assert post(service, {"format": "csv", "dataset": "small"}).status == 201
        shown = call(service, "/datasets/small")
        assert shown.status == 200
        assert shown.json()["estimatedBytes"] > 0, "the size of the last ANALYZE stands in"


def test_the_list_says_what_each_one_says(service: Service) -> None:
    """Tables are looked up together there, and one by one here; comments of columns are only here."""
    listed = call(service, "/datasets").json()["datasets"]
    assert {each["name"] for each in listed} == {"records", "small", "slow"}
    for each in listed:
        assert each == call(service, f"/datasets/{each['name']}").json()


def test_a_list_without_columns_and_a_packed_one(service: Service) -> None:
    plain = call(service, "/datasets?columns=false")
    whole = call(service, "/datasets").json()["datasets"]
    assert plain.json()["datasets"] == [{**each, "columns": None} for each in whole]
    assert "Content-Encoding" not in plain.headers, "small, and not asked for"
