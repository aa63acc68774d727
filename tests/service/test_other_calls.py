"""The calls beside the exports: datasets, health, benchmark."""

from __future__ import annotations

import socket

import psycopg
import pytest

from tests.fixtures.process import Service, serve
from tests.service.client import assert_problem, call, create, post, wait_for


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


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health(service: Service, path: str) -> None:
    assert call(service, path).json() == {"status": "healthy"}
    assert call(service, path, method="HEAD").status == 200


def test_without_the_database(records: str) -> None:
    dsn = psycopg.conninfo.make_conninfo(records, port="1", password="hush")
    with serve(dsn) as lonely:
        for path in ("/health", "/health/ready", "/datasets", "/exports/benchmark"):
            answer = call(lonely, path)
            assert_problem(answer, 503, "database-away", "cannot be reached")
            assert answer.headers["retry-after"]
        assert_problem(post(lonely, {"format": "csv"}), 503, "database-away")
        assert call(lonely, "/health/live").status == 200
        wait_for(lambda: "database out of reach" in lonely.log())
        assert "hush" not in lonely.log()


def test_benchmark(records: str) -> None:
    with serve(records, benchmark_rows=20_000) as bounded:
        body = call(bounded, "/exports/benchmark").json()
        assert body["datasetRowCount"] == 20_000
        assert [result["format"] for result in body["results"]] == ["csv", "json", "xml", "parquet"]
        with psycopg.connect(records) as connection:
            assert connection.execute("SELECT count(*) FROM records").fetchone() == (600_000,)
        csv_id = create(bounded, limit=20_000)
        assert body["results"][0]["fileSizeBytes"] == len(call(bounded, f"/exports/{csv_id}/download").body)
        for result in body["results"]:
            assert result["durationSeconds"] > 0
            assert 30 < result["peakMemoryMB"] < 300
        assert len(call(bounded, "/exports").json()["exports"]) == 1, "nothing is stored"


def test_one_benchmark_at_a_time(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as first:
        first.sendall(b"GET /exports/benchmark HTTP/1.1\r\nHost: localhost\r\n\r\n")

        def refused() -> bool:
            answer = call(service, "/exports/benchmark")
            return answer.status == 503 and "running already" in answer.json()["error"]

        wait_for(refused)
