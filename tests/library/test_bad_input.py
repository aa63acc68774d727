"""Everything that can be wrong: a clear sentence of the right class, and no connection left behind (the fixture
looks).
"""

from __future__ import annotations

import os
import socket
import traceback
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import (
    ConnectionFailed,
    PolyglotError,
    SpecError,
    TargetFailed,
    UnknownDataset,
    export,
    export_to_file,
    open_export,
    parse_spec,
)
from tests.fixtures.process import free_port
from tests.library.helpers import exported

REQUESTS: list[tuple[dict[str, Any], type[PolyglotError], str, str]] = [
    ({"source": "nope"}, UnknownDataset, "dataset", "there is no table or view 'nope'"),
    ({"source": "nope.t"}, UnknownDataset, "dataset", "no table or view 'nope.t'"),
    ({"source": "other_db.public.t"}, UnknownDataset, "dataset", "no table or view"),
    ({"source": "t; DROP TABLE t"}, UnknownDataset, "dataset", "no table or view"),
    ({"source": 't" AS x; --'}, UnknownDataset, "dataset", "no table or view"),
    ({"source": "x" * 5000}, UnknownDataset, "dataset", "no table or view"),
    ({"source": "t_id_seq"}, UnknownDataset, "dataset", "is a sequence"),
    ({"source": "t_pkey"}, UnknownDataset, "dataset", "is an index"),
    ({"source": "pair"}, UnknownDataset, "dataset", "is a composite type"),
    ({"source": ""}, SpecError, "dataset", "at least 1 character"),
    ({"source": None}, SpecError, "dataset", "name the table, view or dataset"),
    ({"source": "t", "query": "SELECT 1"}, SpecError, "", "exclude each other"),
    (
        {"source": "t", "columns": ["nope"]},
        SpecError,
        "columns.0.source",
        "there is no column 'nope'; allowed are id, name",
    ),
    ({"source": "t", "columns": ["ctid"]}, SpecError, "columns.0.source", "there is no column 'ctid'"),
    ({"source": "t", "columns": []}, SpecError, "columns", "must not be empty"),
    ({"source": "t", "columns": {}}, SpecError, "columns", "must not be empty"),
    ({"source": "t", "columns": {"id": "x", "name": "x"}}, SpecError, "columns", "two columns have the target 'x'"),
    ({"source": "t", "format": "xls"}, SpecError, "format", "must be 'csv', 'tsv', "),
    ({"source": "t", "compression": "rar"}, SpecError, "compression", "'gzip' or 'zstd'"),
    ({"source": "t", "format": "parquet", "compression": "gzip"}, SpecError, "compression", "is for text formats"),
    ({"source": "t", "limit": -1}, SpecError, "limit", "greater than or equal to 0"),
    ({"source": "t", "workers": 0}, SpecError, "workers", "at least 1"),
    (
        {"source": "t", "options": {"delimitter": ";"}},
        SpecError,
        "options",
        "unknown member 'delimitter'; allowed are timeZone",
    ),
    (
        {"source": "t", "options": {"delimiter": ";;"}},
        SpecError,
        "options.delimiter",
        "exactly one single-byte character",
    ),
    ({"source": "t", "options": {"delimiter": "\n"}}, SpecError, "options.delimiter", "carriage return"),
    ({"source": "t", "options": {"quote": ","}}, SpecError, "options", "delimiter and quote must differ"),
    ({"source": "t", "options": {"null": "a,b"}}, SpecError, "options", "delimiter must not appear in null"),
    (
        {"source": "t", "options": {"forceQuote": ["nope"]}},
        SpecError,
        "options.forceQuote",
        "there is no column 'nope'",
    ),
    (
        {"source": "t", "options": {"timeZone": "Mars/Olympus"}},
        SpecError,
        "options.timeZone",
        "does not know the time zone",
    ),
    (
        {"source": "t", "options": {"timeZone": "x'; DROP TABLE t; --"}},
        SpecError,
        "options.timeZone",
        "does not know the time zone",
    ),
    (
        {"source": "t", "format": "json", "options": {"delimiter": ";"}},
        SpecError,
        "options",
        "allowed are timeZone, geometry, bigNumbers",
    ),
    (
        {"source": "t", "format": "parquet", "options": {"numericFallback": "decimal(39,1)"}},
        SpecError,
        "options.numericFallback",
        "1 to 38",
    ),
    ({"source": "nothing", "format": "parquet"}, SpecError, "columns", "at least one column"),
]


@pytest.fixture(scope="module")
def table(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE t (id serial PRIMARY KEY, name text); CREATE TYPE pair AS (a int); CREATE TABLE nothing ()"
        )
    return module_dsn


@pytest.mark.parametrize(
    ("request_", "error", "field", "sentence"), REQUESTS, ids=[str(case[0])[:60] for case in REQUESTS]
)
def test_a_wrong_request(
    table: str, request_: dict[str, Any], error: type[PolyglotError], field: str, sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as raised:
        exported(table, **request_)
    assert type(raised.value) is error
    assert (raised.value.field or "") == field
    assert "\n" not in str(raised.value)
    with psycopg.connect(table) as conn:
        assert conn.execute("SELECT count(*) FROM pg_class WHERE relname = 't'").fetchone() == (1,)


def test_a_temporary_table_of_another_session(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TEMPORARY TABLE passing AS SELECT 1 AS id")
    schema = conn.execute("SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'passing'").fetchone()
    assert schema is not None
    with pytest.raises(SpecError, match="temporary table of another session"):
        exported(dsn, f"{schema[0]}.passing")
    with pytest.raises(UnknownDataset):
        exported(dsn, "passing")


SECRET = "s3cr3t/pass word"


@pytest.mark.parametrize(
    "dsn_",
    [
        f"postgres//user:{SECRET}@localhost/db",
        f"host=localhost password='{SECRET}",
        f"postgresql://user:{SECRET}@[::1/db",
        f"host=localhost password='{SECRET}' nonsense",
        f"host=localhost password='{SECRET}' colour=blue",
        "postgresql://localhost:port/db",
        "host=localhost port=70000",
        "\x00",
    ],
)
def test_a_wrong_connection_string(dsn_: str) -> None:
    with pytest.raises(ConnectionFailed) as raised:
        exported(dsn_, "t")
    shown = str(raised.value) + "".join(traceback.format_exception(raised.value))
    assert SECRET not in shown
    assert "\n" not in str(raised.value)


def test_the_server_is_away(tmp_path: Path) -> None:
    for dsn_ in (f"host=127.0.0.1 port={free_port()}", f"host={tmp_path}", "host=no.such.host.invalid"):
        with pytest.raises(ConnectionFailed, match="cannot connect to the database: ") as raised:
            exported(f"{dsn_} user=u dbname=d password='{SECRET}'", "t")
        assert SECRET not in str(raised.value)


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConnectionFailed, match="timeout"):
            exported(f"host=127.0.0.1 port={port} user=u dbname=d connect_timeout=2", "t")


def test_a_wrong_database_and_a_wrong_login(dsn: str) -> None:
    with pytest.raises(ConnectionFailed, match='database "nowhere_at_all" does not exist'):
        exported(psycopg.conninfo.make_conninfo(dsn, dbname="nowhere_at_all"), "t")
    with pytest.raises(ConnectionFailed, match="nobody_at_all"):
        exported(psycopg.conninfo.make_conninfo(dsn, user="nobody_at_all", password=SECRET), "t")


def test_nothing_half_written_remains(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT g AS id, CASE WHEN g < 5000 THEN 1.5 ELSE 'NaN' END::numeric(9,4) AS n FROM generate_series(1, 6000) AS g"
    )
    target = tmp_path / "t.parquet"
    target.write_bytes(b"the old file")
    with pytest.raises(PolyglotError) as raised:
        export_to_file(dsn, "t", target)
    assert (raised.value.row, raised.value.column) == (5000, "n")
    assert target.read_bytes() == b"the old file"
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.parquet"]
    result = export_to_file(dsn, "t", tmp_path / "t.csv")
    assert (result.rows, result.bytes) == (6000, (tmp_path / "t.csv").stat().st_size)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 100000) AS g")
    with pytest.raises(TargetFailed, match="No space left"):
        export_to_file(dsn, "t", "/dev/full")


def test_a_folder_that_does_not_exist(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    with pytest.raises(TargetFailed):
        export_to_file(dsn, "t", tmp_path / "nowhere" / "t.csv")


def test_a_value_that_fails_in_the_server_fails_the_export(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT g AS id FROM generate_series(0, 10000) AS g")
    with (
        export(dsn, query="SELECT 1 / (id - 5000) AS x FROM t") as chunks,
        pytest.raises(PolyglotError, match="division by zero") as raised,
    ):
        b"".join(chunks)
    assert raised.value.sqlstate == "22012"


def test_the_environment_is_used_without_a_dsn(
    dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    for name, value in psycopg.conninfo.conninfo_to_dict(dsn).items():
        monkeypatch.setenv({"dbname": "PGDATABASE"}.get(name, f"PG{name.upper()}"), str(value))
    with open_export(parse_spec({"format": "csv", "dataset": "t"})) as chunks:
        assert b"".join(chunks) == b"id\n1\n"
