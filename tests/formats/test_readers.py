"""Readers that nobody here wrote read the files back: each gives the rows that the server has."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import ijson
import polars as pl
import psycopg
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import zstandard
from lxml import etree

from polyglot_export import export_to_file
from polyglot_export.limits import PAGES_PER_SEGMENT
from tests.fixtures.process import Serve
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported, filled, ndjson

FILL = r"""
CREATE TYPE mood AS ENUM ('sad', 'glad "x"');
CREATE TABLE t (id int PRIMARY KEY, name text, note varchar(40), price numeric(12,2), ratio float8,
  small int2, big int8, ok bool, born date, at timestamp, seen timestamptz,
  raw bytea, doc jsonb, tags text[], nums int[], key uuid, feeling mood, span interval, addr inet, exact numeric);
INSERT INTO t SELECT g, (ARRAY['plain', 'a,b', E'q"uote', E'line\nfeed', E'cr\r\nlf', E'tab\t', '', NULL, 'é😀', '\.', ' x ',
  '<a>&amp;'])[1 + g % 12], CASE WHEN g % 3 = 0 THEN 'n' || g END,
  CASE WHEN g % 5 > 0 THEN g * 1.25 END, g / 7.0, g % 100, g * 9007199254740993, g % 2 = 0,
  date '1970-01-01' + g, timestamp '2000-01-01' + g * interval '1.000001 s',
  timestamptz '2000-01-01 00:00+00' - g * interval '1 day', decode(lpad(to_hex(g), 8, '0'), 'hex'),
  jsonb_build_object('a', g, 'b', ARRAY['x', NULL], 'q"', E'\n'),
  CASE WHEN g % 4 > 0 THEN ARRAY['t' || g, NULL, 'c"d,'] END, ARRAY[g, NULL], md5(g::text)::uuid,
  (ARRAY['sad', 'glad "x"', NULL])[1 + g % 3]::mood, g * interval '1 hour', '10.0.0.1/8', g * 1.10
FROM generate_series(1, 500) AS g;
"""


@pytest.fixture(scope="module")
def shared(server: Database) -> Iterator[tuple[str, psycopg.Connection]]:
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(FILL)
        yield dsn, conn


@pytest.fixture(scope="module")
def dsn_(shared: tuple[str, psycopg.Connection]) -> str:
    return shared[0]


def texts(conn: psycopg.Connection, query: str = "SELECT * FROM t") -> list[list[str | None]]:
    """Each value as its output function prints it."""
    with conn.transaction(force_rollback=True), conn.cursor() as cursor:
        conn.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute(query.encode())
        result = cursor.pgresult
        assert result is not None
        values = [[result.get_value(row, field) for field in range(result.nfields)] for row in range(result.ntuples)]
    return [[None if value is None else value.decode() for value in row] for row in values]


def names(conn: psycopg.Connection) -> list[str]:
    rows = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum"
    ).fetchall()
    return [row[0] for row in rows]


# --- csv ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"delimiter": ";", "quote": "'"},
        {"escape": "\\", "forceQuote": "*"},
        {"lineEnd": "crlf"},
        {"forceQuote": "*"},
        {"bom": True},
    ],
    ids=str,
)
def test_python_csv(shared: tuple[str, psycopg.Connection], options: dict[str, Any]) -> None:
    """With a null string, since this reader does not tell an empty string from nothing.

    It takes an escape for one outside of quotes too, where COPY writes none: hence ``forceQuote`` with a backslash.
    """
    dsn, conn = shared
    file = exported(dsn, "t", options={"null": "NULL", **options})
    escape = options.get("escape")
    rows = csv.reader(
        io.StringIO(file.decode("utf-8-sig"), newline=""),
        delimiter=options.get("delimiter", ","),
        quotechar=options.get("quote", '"'),
        escapechar=escape,
        doublequote=escape is None,
        strict=True,
    )
    header, *found = rows
    assert header == names(conn)
    assert [[None if value == "NULL" else value for value in row] for row in found] == texts(conn)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"delimiter": "|", "null": "NULL"},
        {"quote": "'", "escape": "\\", "header": False},
        {"forceQuote": "*"},
        {"lineEnd": "crlf"},
    ],
    ids=str,
)
def test_copy_from_loads_it_back(shared: tuple[str, psycopg.Connection], options: dict[str, Any]) -> None:
    """Into a table of the same columns; then both tables are equal, row by row, in the server."""
    dsn, conn = shared
    # A file of CRLF line ends must hold no bare line feed outside of quotes, and COPY takes it.
    file = exported(dsn, "t", options=options)
    settings = [
        f"{name} {psycopg.sql.Literal(options[name]).as_string(conn)}"
        for name in ("delimiter", "null", "quote", "escape")
        if name in options
    ]
    settings.append(f"HEADER {options.get('header', True)}")
    conn.execute("CREATE TABLE loaded (LIKE t)")
    try:
        with conn.cursor().copy(f"COPY loaded FROM STDIN (FORMAT csv, {', '.join(settings)})".encode()) as copy:
            copy.write(file)
        assert copied(conn, "SELECT * FROM loaded") == copied(conn, "SELECT * FROM t")
        (count,) = conn.execute(
            "SELECT count(*) FROM (SELECT loaded::text FROM loaded EXCEPT ALL SELECT t::text FROM t) AS x"
        ).fetchall()
        assert count == (0,)
    finally:
        conn.execute("DROP TABLE loaded")


def test_every_type_is_loaded_back(shared: tuple[str, psycopg.Connection]) -> None:
    r"""Also what a value of one column means alone, where ``\.`` and an empty line would end or skip."""
    dsn, conn = shared
    conn.execute(
        "CREATE TABLE alone AS SELECT v FROM unnest(ARRAY['', '\\.', NULL, 'x', E'\\n', '\"', ' ']) AS v; CREATE TABLE loaded (LIKE alone)"
    )
    with conn.cursor().copy(b"COPY loaded FROM STDIN (FORMAT csv, HEADER)") as copy:
        copy.write(exported(dsn, "alone"))
    assert conn.execute("SELECT v FROM loaded").fetchall() == conn.execute("SELECT v FROM alone").fetchall()
    conn.execute("DROP TABLE alone, loaded")


def test_duckdb_polars_and_pyarrow_csv(shared: tuple[str, psycopg.Connection], tmp_path: Path) -> None:
    """All as text, with a null string."""
    dsn, conn = shared
    path = tmp_path / "t.csv"
    export_to_file(dsn, "t", path, options={"null": "NULL"})
    expected = texts(conn)
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT * FROM read_csv('{path}', all_varchar=true, nullstr='NULL', header=true, delim=',', quote='\"', escape='\"',"
            f" new_line='\\n')"
        ).fetchall()
    assert [list(row) for row in found] == expected
    frame = pl.read_csv(path, infer_schema=False, null_values=["NULL"], empty_string_is_null=False)
    assert frame.columns == names(conn)
    assert [list(row) for row in frame.rows()] == expected
    convert = pyarrow.csv.ConvertOptions(
        column_types=dict.fromkeys(names(conn), pyarrow.string()), null_values=["NULL"], strings_can_be_null=True
    )
    table = pyarrow.csv.read_csv(
        path, parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True), convert_options=convert
    )
    assert [list(row.values()) for row in table.to_pylist()] == expected


# --- json --------------------------------------------------------------------------------------------------------


def test_json_by_the_standard_library_and_by_a_streaming_parser(shared: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = shared
    file = exported(dsn, "t", format="json")
    expected = [json.loads(line, parse_float=Decimal) for line in ndjson(conn, "SELECT * FROM t").splitlines()]
    assert json.loads(file, parse_float=Decimal) == expected
    assert list(ijson.items(io.BytesIO(file), "item")) == expected
    lines = exported(dsn, "t", format="ndjson").splitlines()
    assert [json.loads(line, parse_float=Decimal) for line in lines] == expected


def test_json_by_duckdb_and_polars(shared: tuple[str, psycopg.Connection], tmp_path: Path) -> None:
    dsn, conn = shared
    columns = ["id", "name", "note", "ok", "big", "tags", "feeling"]
    expected = [
        tuple(row) for row in conn.execute("SELECT id, name, note, ok, big, tags, feeling::text FROM t").fetchall()
    ]
    for format_ in ("json", "ndjson"):
        path = tmp_path / f"t.{format_}"
        export_to_file(dsn, "t", path, format=format_, columns=columns)
        layout = "array" if format_ == "json" else "newline_delimited"
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT * FROM read_json('{path}', format='{layout}')").fetchall()
        assert found == expected, format_
        frame = pl.read_json(path) if format_ == "json" else pl.read_ndjson(path)
        assert [tuple(row) for row in frame.rows()] == expected, format_


# --- xml ---------------------------------------------------------------------------------------------------------


def test_xml_by_lxml_and_xmllint(shared: tuple[str, psycopg.Connection], tmp_path: Path) -> None:
    """Every leaf that is not json or an array is the text of the output function, or has a form of XML Schema."""
    dsn, conn = shared
    path = tmp_path / "t.xml"
    plain = [name for name in names(conn) if name not in ("doc", "tags", "nums")]
    export_to_file(dsn, "t", path, format="xml", columns=plain)
    own = {
        "ok": "CASE WHEN ok THEN 'true' ELSE 'false' END",
        "at": "to_json(at) #>> '{}'",
        "seen": "to_json(seen) #>> '{}'",
        "raw": "encode(raw, 'base64')",
    }
    selected = ", ".join(own.get(name, f'"{name}"') for name in plain)
    nil = "{http://www.w3.org/2001/XMLSchema-instance}nil"
    found = [
        [None if leaf.get(nil) == "true" else leaf.text or "" for leaf in record]
        for record in etree.parse(path).getroot()
    ]
    assert found == texts(conn, f"SELECT {selected} FROM t")
    export_to_file(dsn, "t", path, format="xml")
    assert subprocess.run(["xmllint", "--noout", str(path)], capture_output=True, check=False).stderr == b""


# --- parquet -----------------------------------------------------------------------------------------------------


def test_parquet_values_and_schema(shared: tuple[str, psycopg.Connection], tmp_path: Path) -> None:
    """As a user gets them, not as bits (those are compared in tests/types): Python objects of three readers and of the
    driver.
    """
    dsn, conn = shared
    path = tmp_path / "t.parquet"
    export_to_file(dsn, "t", path, format="parquet")
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL TimeZone = 'UTC'")
        expected = conn.execute(
            "SELECT id, name, note, price, ratio, small, big, ok, born, at, seen, raw, doc::text, tags, nums, key, feeling::text,"
            " span::text, format('%s', addr), exact::text FROM t"
        ).fetchall()
    assert [tuple(row.values()) for row in pq.read_table(path).to_pylist()] == expected
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        types = dict(
            connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM '{path}')").fetchall()
        )
        columns = ", ".join("epoch_us(seen)" if name == "seen" else f'"{name}"' for name in names(conn))
        found = connection.execute(f"SELECT {columns} FROM '{path}'").fetchall()
    place = names(conn).index("seen")
    micros = [(*row[:place], round(row[place].timestamp()) * 1_000_000, *row[place + 1 :]) for row in expected]
    assert found == micros
    assert types == {
        "id": "INTEGER", "name": "VARCHAR", "note": "VARCHAR", "price": "DECIMAL(12,2)", "ratio": "DOUBLE", "small": "SMALLINT",
        "big": "BIGINT", "ok": "BOOLEAN",
        "born": "DATE", "at": "TIMESTAMP", "seen": "TIMESTAMP WITH TIME ZONE", "raw": "BLOB", "doc": "JSON",
        "tags": "VARCHAR[]", "nums": "INTEGER[]", "key": "UUID",
        "feeling": "VARCHAR", "span": "VARCHAR", "addr": "VARCHAR", "exact": "VARCHAR",
    }  # fmt: skip
    frame = pl.read_parquet(path).drop("doc", "key")  # polars shows both as bytes
    kept = [at for at, name in enumerate(names(conn)) if name not in ("doc", "key")]
    assert [tuple(row) for row in frame.rows()] == [tuple(row[at] for at in kept) for row in expected]


# --- compression -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long(shared: tuple[str, psycopg.Connection]) -> bytes:
    """A table of several segments, so that the file has several gzip members or zstd frames; its csv."""
    _, conn = shared
    filled(conn, "long", 3 * PAGES_PER_SEGMENT + 10)
    return copied(conn, "SELECT * FROM long")


def _tool(*command: str) -> Callable[[bytes], bytes]:
    return lambda file: subprocess.run(command, input=file, capture_output=True, check=True).stdout


def _zstd_stream(file: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(file), read_across_frames=True).read()


DECODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip tool": ("gzip", _tool("gzip", "-dc")),
    "gzip one-shot": ("gzip", gzip.decompress),
    "gzip stream": ("gzip", lambda file: gzip.GzipFile(fileobj=io.BytesIO(file)).read()),
    "zstd tool": ("zstd", _tool("zstd", "-dcq")),
    "zstd stream": ("zstd", _zstd_stream),
}


@pytest.mark.parametrize("decoder", DECODERS)
def test_compressed_files(dsn_: str, long: bytes, decoder: str) -> None:
    compression, decode = DECODERS[decoder]
    file = exported(dsn_, "long", compression=compression, workers=2)
    assert len(file) < len(long) / 4
    assert decode(file) == long


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_curl_decodes_a_download(serve: Serve, dsn_: str, long: bytes, tmp_path: Path, compression: str) -> None:
    """A download of the service, by the request of a shell script."""
    body, headers = tmp_path / "body", tmp_path / "headers"
    request = json.dumps({"format": "csv", "dataset": "long", "compression": compression})
    with serve(dsn_) as served:
        created = subprocess.run(
            ["curl", "-sSf", "-H", "Content-Type: application/json", "-d", request, f"{served.url}/exports"],
            check=True,
            capture_output=True,
        )
        url = f"{served.url}/exports/{json.loads(created.stdout)['exportId']}/download"
        subprocess.run(
            ["curl", "-sSf", "--compressed", "-D", str(headers), "-o", str(body), url], check=True, capture_output=True
        )
    assert f"content-encoding: {compression}" in headers.read_text().lower()
    assert body.read_bytes() == long
