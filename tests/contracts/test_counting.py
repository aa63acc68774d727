"""Every format counts the rows of its own files, compressed or not, and sees where one was cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from polyglot_export import MalformedData
from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format
from tests.library.helpers import exported, filled
from tests.manifest.counting import counted

ODD = r"""
CREATE TABLE odd (id int, note text, tags text[], grid int[][], document json, raw bytea);
INSERT INTO odd SELECT g, repeat(E'"\n<>&,{}[]''\\\t', g % 5), CASE WHEN g % 4 > 0 THEN array_fill('a,"{}'::text, ARRAY[g % 4]) END,
    NULL, (ARRAY['{"a": [1, {"b": "}"}]}', E'[\n1\n,\n2]', '"]}"', 'null', NULL])[1 + g % 5]::json, '\x00' FROM generate_series(1, 333) AS g;
CREATE TABLE empty (LIKE odd);
CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE nulls (a text, b text[]); INSERT INTO nulls VALUES (NULL, NULL), (NULL, '{}'), ('', '{NULL}'), (NULL, NULL);
CREATE TABLE single (a text); INSERT INTO single VALUES (NULL), (''), (E'\n'), ('"');
"""
ROWS = {"odd": 333, "empty": 0, "nothing": 2, "nulls": 4, "single": 4}


@pytest.fixture(scope="module")
def dsn(module_dsn: str) -> Iterator[str]:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(ODD.encode())
        filled(conn, "long", 4 * max(each.record.pages_per_segment for each in Format) // 3)
        yield module_dsn


def files() -> list[Any]:
    """Each table in each format, by itself and compressed."""
    return [
        pytest.param(format_, compression, table, id=f"{format_}-{compression}-{table}")
        for format_ in Format
        for table in ROWS
        for compression in (None, *Compression)
        if format_.record.is_text or not (compression or table == "nothing")
    ]


@pytest.mark.parametrize(("format_", "compression", "table"), files())
def test_rows_are_counted_wherever_the_file_is_cut(
    format_: Format, compression: Compression | None, table: str, dsn: str
) -> None:
    file = exported(dsn, table, format=format_, compression=compression)
    for cut in (1, 7, 64, 1000, len(file) or 1):
        assert counted(file, format_, compression, cut=cut) == ROWS[table]


@pytest.mark.parametrize(("format_", "compression", "table"), files())
def test_a_file_that_was_cut_does_not_count_as_whole(
    format_: Format, compression: Compression | None, table: str, dsn: str
) -> None:
    """At every byte of a small file. Of a format that consists of lines whole lines can be missing; then fewer count."""
    file = exported(dsn, table, format=format_, compression=compression)
    # A line break after the last bracket says nothing.
    end = len(file.rstrip(b"\n")) if format_ in (Format.JSON, Format.XML) and not compression else len(file)
    for length in range(0, end, max(1, end // 500)):
        try:
            rows = counted(file[:length], format_, compression)
        except MalformedData:
            continue
        assert rows < ROWS[table]
        assert not compression


@pytest.mark.parametrize("format_", list(Format))
def test_many_segments_are_counted(format_: Format, dsn: str) -> None:
    with psycopg.connect(dsn) as conn:
        row = conn.execute("SELECT count(*) FROM long").fetchone()
    assert row is not None
    assert counted(exported(dsn, "long", format=format_), format_) == row[0]


@pytest.mark.parametrize(
    "options",
    [
        {"delimiter": ";", "quote": "'"},
        {"delimiter": "\t", "quote": '"', "escape": "\\"},
        {"quote": "|", "escape": '"', "null": "NULL", "header": False},
        {"force_quote": "*", "line_end": "crlf", "bom": True},
        {"profile": "excel", "delimiter": ";"},
        {"delimiter": "a", "quote": "e", "escape": "o", "force_quote": "*"},
        {"delimiter": "0", "quote": "1", "header": False},
        {"encoding": "utf-16le", "quote": "'", "line_end": "crlf"},
        {"encoding": "utf-16be", "profile": "excel-de", "header": False},
        {"encoding": "gb18030", "force_quote": "*"},
        {"bom": True, "header": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("table", ROWS)
def test_csv_with_any_options(options: dict[str, Any], table: str, dsn: str) -> None:
    file = exported(dsn, table, format=Format.CSV, options=options)
    for cut in (1, 5, len(file) or 1):
        assert counted(file, Format.CSV, cut=cut, **options) == ROWS[table]


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "lz4_raw"])
@pytest.mark.parametrize("table", ["odd", "empty", "nulls", "long"])
def test_parquet_with_any_codec(codec: str, table: str, dsn: str) -> None:
    file = exported(dsn, table, format=Format.PARQUET, options={"compression": codec})
    with psycopg.connect(dsn) as conn:
        row = conn.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    assert counted(file, Format.PARQUET, cut=50_000) == row[0]
