"""What is dumped, for each way to ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import AccessDenied, SpecError, dump, verify
from tests.dumps.helpers import manifest_of, same
from tests.library.helpers import as_role, new_role

TABLES = """
CREATE SCHEMA sales; CREATE SCHEMA crm; CREATE SCHEMA "Odd.Name";
CREATE TABLE public.a AS SELECT g AS id FROM generate_series(1, 10) g;
CREATE TABLE sales.orders AS SELECT g AS id, 'x' AS note FROM generate_series(1, 20) g;
CREATE TABLE sales.lines (id int);
CREATE TABLE crm.people AS SELECT 1 AS id;
CREATE TABLE "Odd.Name"."t/../x" AS SELECT 1 AS id;
CREATE TABLE sales.events (id int, day date) PARTITION BY RANGE (day);
CREATE TABLE sales.events_1 PARTITION OF sales.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE sales.events_2 PARTITION OF sales.events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')
  PARTITION BY RANGE (id);
CREATE TABLE crm.events_2_1 PARTITION OF sales.events_2 FOR VALUES FROM (0) TO (100);
INSERT INTO sales.events SELECT g, date '2026-01-01' + g FROM generate_series(1, 50) g;
CREATE VIEW sales.view AS SELECT * FROM sales.orders WHERE id < 5;
CREATE MATERIALIZED VIEW sales.kept AS SELECT * FROM sales.orders WHERE id < 7;
CREATE SEQUENCE sales.numbers;
"""
EVERY_TABLE = ["Odd.Name.t/../x", "crm.people", "public.a", "sales.events", "sales.lines", "sales.orders"]


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(TABLES.encode())
    return module_dsn


@pytest.fixture
def conn(tables: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(tables, autocommit=True) as connection:
        yield connection


def names(folder: Path) -> list[str]:
    return [relation.full_name for relation in manifest_of(folder).relations]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, EVERY_TABLE),
        ({"views": True}, sorted([*EVERY_TABLE, "sales.kept", "sales.view"])),
        ({"schemas": "sales"}, ["sales.events", "sales.lines", "sales.orders"]),
        ({"schemas": ["sales", "crm"]}, ["crm.people", "sales.events", "sales.lines", "sales.orders"]),
        ({"schemas": "crm", "views": True}, ["crm.events_2_1", "crm.people"]),
        ({"schemas": '"Odd.Name"'}, ["Odd.Name.t/../x"]),
        ({"tables": "a"}, ["public.a"]),
        ({"tables": "sales.*"}, ["sales.events", "sales.lines", "sales.orders"]),
        ({"tables": ["sales.view", "a"]}, ["public.a", "sales.view"]),
        ({"tables": "sales.events_1"}, ["sales.events_1"]),
        ({"tables": "crm.*"}, ["crm.events_2_1", "crm.people"]),
        ({"tables": ["sales.events_2", "crm.events*"]}, ["sales.events_2"]),
        ({"exclude_schemas": ["sales", "public"]}, ["Odd.Name.t/../x", "crm.events_2_1", "crm.people"]),
        ({"schemas": "sales", "exclude_tables": "sales.l*"}, ["sales.events", "sales.orders"]),
        ({"tables": "sales.*", "exclude_tables": ["*.events*", "sales.lines"]}, ["sales.orders"]),
    ],
)
def test_what_is_dumped(
    conn: psycopg.Connection, tables: str, tmp_path: Path, asked: dict[str, Any], expected: list[str]
) -> None:
    dump(tables, tmp_path, format="csv", **asked)
    assert names(tmp_path) == expected
    same(conn, tmp_path)


def test_queries_alone_and_beside_tables(conn: psycopg.Connection, tables: str, tmp_path: Path) -> None:
    queries = {"few": "SELECT id FROM sales.orders WHERE id < 3 ORDER BY id", "a/b": "SELECT 1 AS one"}
    dump(tables, tmp_path / "alone", format="csv", queries=queries)
    assert names(tmp_path / "alone") == ["few", "a/b"]
    manifest = same(conn, tmp_path / "alone")
    assert [relation.kind for relation in manifest.relations] == ["query", "query"]
    assert (tmp_path / "alone" / "few" / "part-00000.csv").read_bytes() == b"id\n1\n2\n"
    assert (tmp_path / "alone" / "a%2Fb" / "part-00000.csv").read_bytes() == b"one\n1\n"
    dump(tables, tmp_path / "both", format="csv", queries=queries, tables="a")
    assert names(tmp_path / "both") == ["public.a", "few", "a/b"]


@pytest.mark.parametrize(
    ("asked", "field", "told"),
    [
        ({"tables": "nosuch"}, "table", "there is no table or view"),
        ({"tables": "no*"}, "table", "no table matches"),
        ({"tables": "sales.vi*"}, "table", "views only with --views"),
        ({"tables": "sales.numbers"}, "table", "there is no table or view"),
        ({"schemas": "nosuch"}, "schema", "no schema"),
        ({"schemas": "sales", "tables": "a"}, "schema", "no effect beside --table"),
        ({"tables": "sales.events", "exclude_tables": "sales.events_1"}, "exclude_table", "is a partition of"),
        ({"tables": "sales.events", "exclude_tables": "crm.events_2_1"}, "exclude_table", "is a partition of"),
        ({"tables": "a", "exclude_tables": "a"}, None, "nothing to dump"),
        ({"tables": 7}, "tables", "must be a pattern"),
        ({"tables": "a", "part_size": 10}, "part_size", "at least 1 MiB"),
        ({"tables": "a", "watermarks": {"b": "id"}}, "watermark", "no relation of this dump"),
        ({"tables": "a", "watermarks": {"a": "nosuch"}}, "watermark", "no column 'nosuch' in it; it has id"),
        ({"tables": "a", "format": "cvs"}, "format", "must be"),
        ({"tables": "a", "options": {"colour": 1}}, "options", "unknown member 'colour'"),
        ({"queries": {"q": "DELETE FROM a"}}, "query", "SELECT|read"),
        ({"queries": {"q": "SELECT 1; SELECT 2"}}, "query", "one"),
    ],
)
def test_what_is_refused(tables: str, tmp_path: Path, asked: dict[str, Any], field: str | None, told: str) -> None:
    with pytest.raises(SpecError, match=told) as raised:
        dump(tables, tmp_path / "out", **asked)
    assert raised.value.field == field
    assert not (tmp_path / "out").exists()


def test_what_the_login_may_not_read(conn: psycopg.Connection, tables: str, tmp_path: Path) -> None:
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT USAGE ON SCHEMA sales TO {role}; GRANT SELECT ON sales.orders, a TO {role}".encode())
        conn.execute(f"GRANT SELECT (id) ON sales.lines TO {role}".encode())
        login = as_role(tables, role)
        result = dump(login, tmp_path / "default", format="csv")
        assert names(tmp_path / "default") == ["public.a", "sales.orders"]
        assert result.complete
        assert {f"{each.schema}.{each.name}" for each in result.missing} == set(EVERY_TABLE) - {
            "public.a",
            "sales.orders",
        }
        report = verify(tmp_path / "default")
        assert report.ok
        assert "sales.lines was left out: the login may not read it" in report.remarks
        named: list[dict[str, Any]] = [{"schemas": "sales"}, {"tables": "sales.events"}, {"tables": "crm.people"}]
        for asked in named:
            with pytest.raises(AccessDenied, match="--skip-unreadable"):
                dump(login, tmp_path / "named", format="csv", **asked)
        assert not (tmp_path / "named").exists()
        dump(login, tmp_path / "skipped", format="csv", schemas="sales", skip_unreadable=True)
        assert names(tmp_path / "skipped") == ["sales.orders"]


def test_a_watermark_is_of_the_same_snapshot(conn: psycopg.Connection, tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, tables=["a", "sales.*"], watermarks={"a": "id", "sales.events": "day", "lines": "id"})
    found = {each.name: each.watermark for each in manifest_of(tmp_path).relations if each.watermark is not None}
    assert {name: (mark.column, mark.value) for name, mark in found.items()} == {
        "a": ("id", "10"),
        "events": ("day", "2026-02-20"),
        "lines": ("id", None),
    }
    assert conn.execute("SELECT max(day)::text FROM sales.events").fetchone() == ("2026-02-20",)
