"""``datasets`` and ``explain``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import ITEMS, complaint, succeeded
from tests.fixtures.process import Cli


@pytest.fixture
def items(dsn: str, conn: psycopg.Connection) -> str:
    conn.execute(ITEMS)
    conn.execute(
        "CREATE SCHEMA sales; CREATE VIEW sales.dear AS SELECT id, value FROM items WHERE value > 1000; ANALYZE items"
    )
    return dsn


def test_datasets(cli: Cli, items: str) -> None:
    lines = succeeded(cli("datasets", dsn=items)).decode().splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["NAME", "KIND", "COLUMNS"],
        ["public.items", "table", "4"],
        ["sales.dear", "view", "2"],
    ]
    assert "~1,000" in lines[1]
    assert re.search(r"\d+\.\d kB$", lines[1])


def test_datasets_of_an_empty_database(cli: Cli, dsn: str) -> None:
    done = cli("datasets", dsn=dsn)
    assert len(succeeded(done).splitlines()) == 1


def test_columns_of_a_dataset(cli: Cli, items: str, conn: psycopg.Connection) -> None:
    columns = conn.execute(
        "SELECT attname, format_type(atttypid, atttypmod), CASE WHEN attnotnull THEN 'no' ELSE 'yes' END FROM pg_attribute"
        " WHERE attrelid = 'items'::regclass AND attnum > 0 ORDER BY attnum"
    ).fetchall()
    lines = succeeded(cli("datasets", "items", dsn=items)).decode().splitlines()
    assert [tuple(re.split(r"  +", line)) for line in lines[:-2]] == [("COLUMN", "TYPE", "NULL"), *columns]
    assert lines[-2:] == ["", "primary key: id"]


def test_datasets_as_json(cli: Cli, items: str, conn: psycopg.Connection) -> None:
    datasets = json.loads(succeeded(cli("datasets", "--json", dsn=items)))
    assert [dataset["name"] for dataset in datasets] == ["public.items", "sales.dear"]
    assert datasets[0]["estimatedRows"] == 1000
    assert datasets[0]["estimatedBytes"] == conn.execute("SELECT pg_table_size('items')").fetchone()[0]  # type: ignore[index]
    assert datasets[0]["columns"][0] == {"name": "id", "type": "integer", "nullable": False}
    alone = json.loads(succeeded(cli("datasets", "items", "--json", dsn=items)))[0]
    assert [{**column, "comment": None} for column in datasets[0]["columns"]] == alone["columns"]


def test_datasets_of_a_schema(cli: Cli, items: str, conn: psycopg.Connection) -> None:
    lines = succeeded(cli("datasets", "sales", dsn=items)).decode().splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", "sales.dear"]
    conn.execute("CREATE TABLE sales (id int)")
    shown = succeeded(cli("datasets", "sales", dsn=items)).decode()
    assert shown.startswith("COLUMN"), "a table of that name comes first"


def test_comments_and_key_of_a_dataset(cli: Cli, dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t (b int, a text, c int, PRIMARY KEY (a, b)); COMMENT ON TABLE t IS E'of\x1b[31m all';"
        "COMMENT ON COLUMN t.c IS 'the third'; COMMENT ON CONSTRAINT t_pkey ON t IS 'of a key'"
    )
    lines = succeeded(cli("datasets", "t", dsn=dsn)).decode().splitlines()
    assert [re.split(r"  +", line) for line in lines[:4]] == [
        ["COLUMN", "TYPE", "NULL", "COMMENT"],
        ["b", "integer", "no"],
        ["a", "text", "no"],
        ["c", "integer", "yes", "the third"],
    ]
    assert lines[4:] == ["", "primary key: a, b", r"comment: of\x1b[31m all"]
    told = json.loads(succeeded(cli("datasets", "t", "--json", dsn=dsn)))[0]
    assert told["key"] == ["a", "b"]
    assert told["comment"] == "of\x1b[31m all"
    assert [column["comment"] for column in told["columns"]] == [None, None, "the third"]


def test_what_belongs_to_an_extension_only_when_asked_for(cli: Cli, items: str, conn: psycopg.Connection) -> None:
    conn.execute("ALTER EXTENSION plpgsql ADD TABLE items")
    try:
        assert b"items" not in succeeded(cli("datasets", dsn=items))
        assert b"public.items" in succeeded(cli("datasets", "--all", dsn=items))
        assert succeeded(cli("datasets", "items", dsn=items)).startswith(b"COLUMN"), "asked for by its name"
    finally:
        conn.execute("ALTER EXTENSION plpgsql DROP TABLE items")


def test_explain_shows_the_plan_and_reads_nothing(cli: Cli, items: str, conn: psycopg.Connection) -> None:
    conn.execute("SELECT pg_stat_reset()")
    text = succeeded(cli("explain", "items", "--columns", "id,value=amount", "--where", "id <= 10", dsn=items)).decode()
    for part in ("public.items", "amount", "numeric(10,2)", "COPY (SELECT"):
        assert part in text
    assert conn.execute("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'items'").fetchone() == (0,)


def test_explain_takes_the_line_of_an_export(cli: Cli, items: str, tmp_path: Path) -> None:
    line = ("items", "-o", "items.csv.gz", "--workers", "1", "--rate-limit", "20MB", "--quiet", "--limit", "3")
    text = succeeded(cli("explain", *line, dsn=items, cwd=tmp_path)).decode()
    assert "csv" in text
    assert "gzip" in text
    assert list(tmp_path.iterdir()) == []
    assert "does not say which format" in complaint(cli("explain", "items", "-o", "x.data", dsn=items), 2)


def test_explain_a_query(cli: Cli, items: str) -> None:
    assert "one" in succeeded(cli("explain", "--query", "SELECT 1 AS one", "-f", "parquet", dsn=items)).decode()
