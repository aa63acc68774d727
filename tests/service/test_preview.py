"""``GET /datasets/{name}/preview``: what it shows is what the export's file begins with, for whom, and in what time."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.process import Service
from tests.service.audited import KEY, READER, audited, of
from tests.service.client import GONE_SECONDS, Answer, assert_problem, call, post, wait_for

NARROW = new_key()
SETUP = """
CREATE TABLE "a/preview" (id int);
CREATE TABLE wide (id int, big text, doc jsonb, n numeric, f float8, at timestamptz);
INSERT INTO wide SELECT g, repeat('x', 5000), jsonb_build_object('a', repeat('y', 3000)), 1.50, 'NaN', '2026-01-01'
    FROM generate_series(1, 3) AS g;
CREATE TABLE huge AS SELECT g AS id, repeat(md5(g::text), 1000) AS big FROM generate_series(1, 40) AS g;
CREATE TABLE edge (name text, doc json, last text);
CREATE TABLE wider AS SELECT g AS id, repeat('x', CASE g WHEN 3 THEN 5000000 ELSE 1000000 END) AS big
    FROM generate_series(1, 3) AS g;
CREATE VIEW sorted AS SELECT * FROM records ORDER BY md5(name || id::text || repeat(name, 200));
ANALYZE
"""
CONFIG = "".join(
    f"[datasets.\"{name}\"]\ntable = '{table}'\n"
    for name, table in {
        "a/preview": 'public."a/preview"',
        "wide": "public.wide",
        "huge": "public.huge",
        "edge": "public.edge",
        "wider": "public.wider",
        "sorted": "public.sorted",
        "slow": "public.slow",
    }.items()
) + (
    f'[keys.narrow]\nhash = "{hash_key(NARROW)}"\ndatasets = ["records"]\ncolumns.records = ["id", "name"]\n'
    'rows.records = "id > 100"\nmask.records.name = "left(name, 3)"\n'
)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "audit.log"


@pytest.fixture(scope="module")
def service(records: str, log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with psycopg.connect(records, autocommit=True) as connection:
        for statement in SETUP.split(";\n"):
            connection.execute(statement.encode())
    with audited(records, tmp_path_factory.mktemp("preview"), log, CONFIG) as running:
        yield running


def look(service: Service, name: str, key: str = KEY, **spec: object) -> Answer:
    path = f"/datasets/{quote(name, safe='')}/preview?spec={quote(json.dumps(spec))}"
    return call(service, path, headers={"Authorization": f"Bearer {key}"})


def shown(service: Service, name: str, key: str = KEY, **spec: object) -> Any:
    answer = look(service, name, key, **spec)
    assert answer.status == 200, answer
    return answer.json()


def exported(service: Service, name: str, key: str = KEY, **spec: object) -> bytes:
    bearer = {"Authorization": f"Bearer {key}"}
    made = post(service, {"format": "csv", "dataset": name, **spec}, headers=bearer).json()
    return call(service, f"/exports/{made['exportId']}/download", headers=bearer).body


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"format": "tsv", "columns": ["name", {"source": "id", "target": "number"}]},
        {"format": "ndjson", "filter": [{"column": "id", "op": ">", "value": 599_990}]},
        {"format": "csv", "orderBy": [{"column": "id", "direction": "desc"}], "options": {"delimiter": ";"}},
        {"format": "csv", "options": {"encoding": "utf-16"}},
    ],
    ids=["csv", "tsv", "ndjson", "ordered", "utf-16"],
)
def test_it_is_the_beginning_of_the_file(service: Service, spec: dict[str, Any]) -> None:
    found = shown(service, "records", **spec)
    whole = exported(service, "records", **spec).decode(spec.get("options", {}).get("encoding", "utf-8"))
    whole = whole.removeprefix("\ufeff")
    lines = found["written"].splitlines()
    assert whole.splitlines()[: len(lines)] == lines
    assert len(found["rows"]) == (10 if "filter" in spec else 20)
    assert found["complete"] is ("filter" in spec)
    names = [column["name"] for column in found["columns"]]
    as_json = exported(service, "records", **{**spec, "format": "ndjson", "options": {}}).splitlines()
    for row, line in zip(found["rows"], as_json, strict=False):
        assert dict(zip(names, row, strict=True)) == json.loads(line)


def test_the_zone_of_the_options_is_that_of_rows_and_filter(service: Service) -> None:
    """A day of a filter begins there, and a time is shown there."""
    spec: dict[str, Any] = {
        "filter": [{"column": "created_at", "op": "<", "value": "2030-01-01 09:00:03"}],
        "options": {"timeZone": "Asia/Tokyo"},
    }
    found = shown(service, "records", **spec)
    assert len(found["rows"]) == 2
    as_json = exported(service, "records", **{**spec, "format": "ndjson"}).splitlines()
    for row, line in zip(found["rows"], as_json, strict=True):
        assert row == list(json.loads(line).values())
    assert "+09:00" in found["rows"][0][3]
    assert found["written"].encode() == exported(service, "records", **spec)


@pytest.mark.parametrize("encoding", ["windows-874", "x-mac-cyrillic", "shift_jis"])
def test_encodings_that_python_calls_otherwise(service: Service, encoding: str) -> None:
    found = shown(service, "small", options={"encoding": encoding})
    assert found["written"].startswith("id,name")


def test_formats_that_are_no_text(service: Service) -> None:
    found = shown(service, "small", format="parquet")
    assert (found["written"], found["complete"], len(found["rows"])) == (None, True, 3)
    assert found["columns"][0] == {"name": "id", "type": "integer"}
    assert found["estimate"] == {"rows": 3, "bytes": None, "seconds": found["estimate"]["seconds"]}


def test_estimates_are_those_of_the_planner(service: Service, records: str) -> None:
    with psycopg.connect(records) as connection:
        (row,) = connection.execute("EXPLAIN (FORMAT JSON) SELECT * FROM records WHERE id <= 300000").fetchone() or ()
    planned = row[0]["Plan"]["Plan Rows"]
    spec: dict[str, Any] = {"filter": [{"column": "id", "op": "<=", "value": 300_000}]}
    estimate = shown(service, "records", **spec)["estimate"]
    assert estimate["rows"] == planned
    size = len(exported(service, "records", **spec))
    assert size * 0.5 < estimate["bytes"] < size * 1.5
    assert estimate["seconds"] > 0
    assert shown(service, "records", **spec, limit=30)["estimate"]["rows"] == 30
    assert shown(service, "records", limit=7)["complete"] is True


def test_long_values_are_marked(service: Service) -> None:
    found = shown(service, "wide")
    assert [(each["row"], each["column"], each["length"]) for each in found["cut"][:2]] == [(0, 1, 5000), (0, 2, 3009)]
    assert found["rows"][0][1] == "x" * 1000
    assert found["rows"][0][3:5] == [1.5, "NaN"]
    huge = look(service, "huge")
    assert len(huge.body) < 256 << 10
    assert 0 < len(huge.json()["rows"]) < 20
    assert huge.json()["complete"] is False


def test_values_that_python_cannot_read_are_shown(service: Service, records: str) -> None:
    with psycopg.connect(records, autocommit=True) as connection:
        deep = "[" * 5000 + "]" * 5000
        connection.execute("TRUNCATE wide")
        connection.execute("INSERT INTO wide (id, n) VALUES (1, 10::numeric ^ 6000)")
        connection.execute("INSERT INTO wide (id, doc) VALUES (2, %s::jsonb)", [deep])
    answer = look(service, "wide")
    assert answer.status == 200
    found = json.loads(answer.body, parse_int=str)
    assert len(found["written"]) > 10_000
    assert len(found["rows"]) == 2
    assert found["rows"][0][3].startswith("1000")


def test_documents_and_numbers_at_the_edge(service: Service, records: str) -> None:
    """Each as it is, or as its text where JSON of a sensible depth and with decimals cannot have it."""
    docs = {
        "levels": "[" * 90 + "]" * 90,
        "deeper": "[" * 450 + "]" * 450,
        "far": "1e99999999999999999999",
        "inside": '{"a": [1e99999999999999999999, 1.50, "x\\"]}"], "b": null}',
        "half": '"\\ud800"',
        "word": " true ",
        "many": "[" + "[]," * 2000 + "[]]",
    }
    with psycopg.connect(records, autocommit=True) as connection:
        connection.execute("TRUNCATE edge")
        for name, doc in docs.items():
            connection.execute("INSERT INTO edge VALUES (%s, %s::json, 'end')", [name, doc])
    answer = look(service, "edge")
    assert answer.status == 200, answer
    found = json.loads(answer.body, parse_float=str)
    shown = {name: doc for name, doc, _ in found["rows"]}
    assert shown == {
        "levels": json.loads(docs["levels"]),
        "deeper": docs["deeper"],
        "far": docs["far"],
        "inside": {"a": ["1e99999999999999999999", "1.50", 'x"]}'], "b": None},
        "half": "\ud800",
        "word": True,
        "many": docs["many"][:1000],
    }
    assert {row[2] for row in found["rows"]} == {"end"}
    assert found["cut"] == [{"row": len(docs) - 1, "column": 1, "length": len(docs["many"])}]


def test_a_row_that_is_wide_is_shown(service: Service) -> None:
    found = shown(service, "wider")
    assert ([row[0] for row in found["rows"]], found["complete"]) == ([1], False)
    assert found["cut"] == [{"row": 0, "column": 1, "length": 1_000_000}]
    # The row that is shown has a million bytes, and so has each of those that are not.
    assert found["estimate"]["rows"] > 1
    assert found["estimate"]["bytes"] == pytest.approx(found["estimate"]["rows"] * 1_000_000, rel=0.01)
    assert len(found["written"]) < 66_000
    one = shown(service, "wider", limit=1, format="ndjson")
    assert (len(one["rows"]), one["complete"]) == (1, True)
    # The first row has five million.
    beyond = shown(service, "wider", orderBy=[{"column": "id", "direction": "desc"}])
    assert (beyond["rows"], beyond["complete"]) == ([], False)


def test_rights_hold(service: Service, log: Path) -> None:
    found = shown(service, "records", NARROW)
    assert [row[0] for row in found["rows"]] == list(range(101, 121))
    assert {len(row[1]) for row in found["rows"]} == {3}
    assert (found["estimate"], [column["name"] for column in found["columns"]]) == (None, ["id", "name"])
    assert_problem(look(service, "records", NARROW, columns=["value"]), 400, "bad-request", "value")
    assert_problem(look(service, "small", NARROW), 404, "not-found")
    assert_problem(look(service, "small", READER), 403, "forbidden", "export")
    assert_problem(call(service, "/datasets/small/preview"), 401, "unauthorized")
    told = of(log, "preview.read")[-1]
    assert (told["caller"], told["dataset"]["dataset"], told["format"]) == ("narrow", "records", "csv")


def test_what_is_wrong_is_named(service: Service) -> None:
    assert_problem(look(service, "records", formt="csv"), 400, "bad-request", "formt")
    assert_problem(look(service, "records", filter=[{"column": "x", "op": "=", "value": 1}]), 400, "bad-request", "x")
    bad = [{"column": "id", "op": "=", "value": "none"}]
    assert_problem(look(service, "records", filter=bad), 400, "bad-request", "filter.0")
    assert_problem(look(service, "records", datasets=["small"]), 400, "bad-request", "datasets")
    broken = call(service, "/datasets/small/preview?spec=%7B", headers={"Authorization": f"Bearer {KEY}"})
    assert_problem(broken, 400, "malformed-request", "JSON")


def test_a_dataset_that_is_called_so_is_described(service: Service) -> None:
    answer = call(service, "/datasets/a/preview", headers={"Authorization": f"Bearer {KEY}"})
    assert answer.json()["name"] == "a/preview"


def test_it_takes_a_second_at_most(service: Service, records: str) -> None:
    assert_problem(look(service, "slow"), 504, "took-too-long", "1 s")
    assert_problem(look(service, "sorted"), 504, "took-too-long", "sorts")
    wait_for(lambda: running(records) == 0, seconds=GONE_SECONDS)


def test_a_client_that_leaves_ends_it(service: Service, records: str) -> None:
    with psycopg.connect(records) as blocker:
        blocker.execute("LOCK TABLE small")
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        connection.request("GET", "/datasets/small/preview", headers={"Authorization": f"Bearer {KEY}"})
        wait_for(lambda: running(records) > 0)
        connection.close()
        wait_for(lambda: running(records) == 0, seconds=GONE_SECONDS)
    assert "never retrieved" not in service.log()


def running(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'polyglot preview'"
        (count,) = connection.execute(query).fetchone() or (0,)
    return int(count)
