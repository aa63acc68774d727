"""Parquet: every option, the file's layout, and losses counted by column. All types are in ``tests/types``."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyglot_export import ExportResult, SpecError, UnsupportedValue, export
from polyglot_export.limits import PARQUET_PAGES_PER_SEGMENT
from tests.fixtures.server import Database
from tests.library.helpers import copied, exported, filled

Shared = tuple[str, psycopg.Connection]


@pytest.fixture(scope="module")
def shared(server: Database) -> Iterator[Shared]:
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        yield dsn, conn


def parquet(dsn: str, source: str | None = None, **what: Any) -> tuple[pq.ParquetFile, ExportResult]:
    """The file, opened, and the result of its export."""
    with export(dsn, source, format="parquet", **what) as chunks:
        file = b"".join(chunks)
        return pq.ParquetFile(io.BytesIO(file)), chunks.result()


@pytest.mark.parametrize(
    ("option", "codec"),
    [("snappy", "SNAPPY"), ("zstd", "ZSTD"), ("lz4_raw", "LZ4"), ("gzip", "GZIP"), ("none", "UNCOMPRESSED")],
)
def test_compression(shared: Shared, option: str, codec: str) -> None:
    dsn, _ = shared
    query = (
        "SELECT g::bigint AS i, 'text ' || g % 10 AS t, ARRAY[g, NULL] AS l, CASE WHEN g % 2 = 0 THEN g::numeric(20,2) END AS d FROM"
        " generate_series(1, 2000) AS g"
    )
    file, _ = parquet(dsn, query=query, options={"compression": option})
    assert {file.metadata.row_group(0).column(at).compression for at in range(4)} == {codec}
    plain, _ = parquet(dsn, query=query, options={"compression": "none"})
    assert file.read().equals(plain.read())
    assert file.read()["i"].to_pylist() == list(range(1, 2001))


@pytest.mark.parametrize(
    ("option", "of_noise"),
    [("snappy", "UNCOMPRESSED"), ("lz4_raw", "UNCOMPRESSED"), ("zstd", "ZSTD"), ("gzip", "GZIP")],
)
def test_a_fast_codec_leaves_numbers_that_it_would_hardly_shrink(shared: Shared, option: str, of_noise: str) -> None:
    dsn, _ = shared
    query = (
        "SELECT hashint8extended(g, 7) AS noise, g / 1000 AS steps, 'text ' || md5(g::text) AS t, (g * 1000)::float8 AS f"
        " FROM generate_series(1::bigint, 20000) AS g"
    )
    file, _ = parquet(dsn, query=query, options={"compression": option})
    codec = {"lz4_raw": "LZ4"}.get(option, option.upper())
    assert [file.metadata.row_group(0).column(at).compression for at in range(4)] == [of_noise, codec, codec, codec]
    plain, _ = parquet(dsn, query=query, options={"compression": "none"})
    assert file.read().equals(plain.read())


NUMERICS = "SELECT v::numeric AS v, v::numeric * 2 AS twice FROM unnest(ARRAY['1.500', '-0.000001', '123456789012345678901234567890', NULL]) AS v"


def test_numeric_without_a_precision(shared: Shared) -> None:
    dsn, conn = shared
    rows = conn.execute(NUMERICS.encode()).fetchall()
    exact = [row[0] for row in rows]

    text = parquet(dsn, query=NUMERICS)[0].read()
    assert text.schema.types == [pa.string(), pa.string()]
    assert text["v"].to_pylist() == [None if value is None else f"{value:f}" for value in exact]

    double = parquet(dsn, query=NUMERICS, options={"numericFallback": "double"})[0].read()
    assert double.schema.types == [pa.float64(), pa.float64()]
    assert double["v"].to_pylist() == [None if value is None else float(value) for value in exact]

    wide = parquet(dsn, query=NUMERICS, options={"numericFallback": "decimal( 38 , 6)"})[0].read()
    assert wide.schema.types == [pa.decimal128(38, 6)] * 2
    assert wide["v"].to_pylist() == exact


@pytest.mark.parametrize(
    ("value", "fallback"),
    [
        ("0.0000001", "decimal(38,6)"),
        ("12345", "decimal(4,0)"),
        ("NaN", "decimal(4,0)"),
        ("-Infinity", "decimal(9,1)"),
        ("1e400", "double"),
        ("-1e309", "double"),
    ],
)
def test_a_numeric_that_does_not_fit_the_fallback(shared: Shared, value: str, fallback: str) -> None:
    """Never rounded, never an infinity that was a number."""
    dsn, _ = shared
    query = f"SELECT v::numeric AS v FROM unnest(ARRAY['1', '{value}', NULL]) AS v"
    with pytest.raises(UnsupportedValue, match="does not fit in D") as caught:
        parquet(dsn, query=query, options={"numericFallback": fallback})
    assert (caught.value.row, caught.value.column) == (2, "v")
    file, result = parquet(dsn, query=query, options={"numericFallback": fallback, "unrepresentable": "null"})
    assert file.read()["v"].to_pylist() == [1, None, None]
    assert result.losses == {"v": 1}


def test_infinities_and_nan_are_doubles(shared: Shared) -> None:
    dsn, _ = shared
    query = "SELECT v::numeric AS v FROM unnest(ARRAY['NaN', 'Infinity', '-Infinity', '0.1']) AS v"
    file, result = parquet(dsn, query=query, options={"numericFallback": "double"})
    assert str(file.read()["v"].to_pylist()) == "[nan, inf, -inf, 0.1]"
    assert result.losses == {}


UNREPRESENTABLE = """
CREATE TABLE losses (id int, d date, ts timestamp, tz timestamptz, n numeric(10,2), ti time, l int[], ds date[], nn numeric(30,1)[]);
INSERT INTO losses VALUES
 (1, '2000-01-01', '2000-01-01', '2000-01-01 00:00+00', 1.5, '12:00', '{1}', '{2000-01-01}', '{1.5}'),
 (2, 'infinity', '-infinity', '294270-01-01 00:00+00', 'NaN', '24:00', '{{1,2},{3,4}}', '{infinity,2000-01-02,-infinity}', '{NaN,NULL}'),
 (3, '-infinity', '294247-01-10 04:00:54.775808', 'infinity', NULL, NULL, NULL, NULL, NULL),
 (4, NULL, '294247-01-10 04:00:54.775807', NULL, 99999999.99, '23:59:59.999999', '{}', '{NULL}', '{}')
"""
FIRST_LOSS = {"d": 2, "ts": 2, "tz": 2, "n": 2, "ti": 2, "l": 2, "ds": 2, "nn": 2}


def test_losses_are_errors_or_are_counted(shared: Shared) -> None:
    dsn, conn = shared
    conn.execute(UNREPRESENTABLE)
    for column, row in FIRST_LOSS.items():
        with pytest.raises(UnsupportedValue) as caught:
            parquet(dsn, "losses", columns={"id": "id", column: "renamed"})
        assert (caught.value.row, caught.value.column) == (row, column)
    targets = {"id": "id"} | {column: f"of {column}" for column in FIRST_LOSS}
    file, result = parquet(dsn, "losses", columns=targets, options={"unrepresentable": "null"})
    assert result.losses == {
        "of d": 2,
        "of ts": 2,
        "of tz": 2,
        "of n": 1,
        "of ti": 1,
        "of l": 1,
        "of ds": 2,
        "of nn": 1,
    }
    footer = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    assert {
        key.removeprefix("polyglot.nulled."): int(value) for key, value in footer.items() if "nulled" in key
    } == result.losses
    assert footer["polyglot.rows"] == "4"
    assert footer["polyglot.source"] == "public.losses"
    assert footer["polyglot.snapshot"] == result.snapshot
    rows = file.read()
    assert rows["of ds"].cast(pa.list_(pa.int32())).to_pylist() == [[10957], [None, 10958, None], None, [None]]
    assert rows["of l"].to_pylist() == [[1], None, None, []]


def test_time_of_24_hours_as_text(shared: Shared) -> None:
    dsn, conn = shared
    query = "SELECT v::time AS t, ARRAY[v]::time[] AS ts FROM unnest(ARRAY['24:00:00', '00:00:00', '12:34:56.7', NULL]) AS v"
    file, result = parquet(dsn, query=query, options={"time24": "text"})
    rows = file.read()
    assert rows.schema.types == [pa.string(), pa.list_(pa.string())]
    assert rows["t"].to_pylist() == [row[0] for row in conn.execute(f"SELECT t::text FROM ({query}) AS x".encode())]
    assert [row[0] for row in rows["ts"].to_pylist()] == rows["t"].to_pylist()
    assert result.losses == {}


def test_arrays_as_json(shared: Shared) -> None:
    """Of more than one dimension, with bounds, of composites and of types that go by text: what ``to_json`` says."""
    dsn, conn = shared
    conn.execute(
        "CREATE TYPE pair AS (a int, b text); CREATE TABLE arrays AS SELECT '{{1,2},{NULL,4}}'::int[] AS i,"
        " '[5:6]={a,\"b,c\"}'::text[] AS t, '{NaN,1.50}'::numeric[] AS n,"
        " ARRAY['(1,x)', NULL]::pair[] AS p, '{10.0.0.1/8}'::inet[] AS a, '{infinity,2000-01-01}'::date[] AS d, '{}'::jsonb[] AS e,"
        " ARRAY['{\"a\": 1}', 'null']::jsonb[] AS j, '{2000-01-01 12:00+00}'::timestamptz[] AS z, '1 2'::int2vector AS v, NULL::int[]"
        " AS none"
    )
    columns = ["i", "t", "n", "p", "a", "d", "e", "j", "z"]
    expected = conn.execute(
        f"SELECT {', '.join(f'to_json({name})::text' for name in columns)} FROM (SELECT * FROM arrays) AS x".encode()
    ).fetchone()
    file, _ = parquet(dsn, "arrays", options={"arrays": "json"})
    rows = file.read()
    assert [rows.schema.field(name).type for name in columns] == [pa.json_()] * len(columns)
    found = [rows[name].combine_chunks().storage.to_pylist()[0] for name in columns]
    assert expected is not None
    assert found == list(expected)
    assert [json.loads(text) is not None for text in found] == [True] * len(columns)
    assert rows["none"].to_pylist() == [None]


def test_time_zone_is_for_text_only(shared: Shared) -> None:
    dsn, conn = shared
    query = (
        "SELECT '2026-01-31 12:00+00'::timestamptz AS t, ARRAY['2026-01-31 12:00+00'::timestamptz] AS l, tstzrange('2026-01-31"
        " 12:00+00', NULL) AS r"
    )
    rows = parquet(dsn, query=query, options={"timeZone": "Asia/Tokyo"})[0].read()
    utc = parquet(dsn, query=query)[0].read()
    assert rows["t"].equals(utc["t"])
    assert rows["l"].equals(utc["l"])
    conn.execute("SET TimeZone = 'Asia/Tokyo'")
    (text,) = conn.execute(f"SELECT r::text FROM ({query}) AS x".encode()).fetchall()
    conn.execute("RESET TimeZone")
    assert rows["r"].to_pylist() == [text[0]]
    with pytest.raises(SpecError, match="time zone"):
        parquet(dsn, query=query, options={"timeZone": "Mars"})


def test_row_groups_statistics_and_indexes(shared: Shared) -> None:
    """Bounded row groups of which a reader can skip some; the wide text makes more than one."""
    dsn, conn = shared
    conn.execute(
        "CREATE TABLE wide AS SELECT g AS id, md5(g::text) || repeat(md5((g * 7)::text), 40) AS pad, CASE WHEN g % 3 > 0 THEN g END AS"
        " n FROM generate_series(1, 40000) AS g"
    )
    file, result = parquet(dsn, "wide", options={"compression": "none"})
    assert file.num_row_groups > 1
    assert result.rows == file.metadata.num_rows == 40_000
    start = 1
    for at in range(file.num_row_groups):
        group = file.metadata.row_group(at)
        assert group.total_byte_size < 20 << 20
        statistics = group.column(0).statistics
        assert (statistics.min, statistics.max) == (start, start + group.num_rows - 1)
        assert statistics.null_count == 0
        assert group.column(2).statistics.null_count == sum(
            1 for n in range(start, start + group.num_rows) if n % 3 == 0
        )
        assert group.column(0).has_offset_index
        assert group.column(0).has_column_index
        start += group.num_rows
    assert file.read()["pad"].to_pylist()[-1] == conn.execute("SELECT pad FROM wide WHERE id = 40000").fetchall()[0][0]


def test_dictionaries_where_they_pay(shared: Shared) -> None:
    dsn, _ = shared
    file, _ = parquet(
        dsn, query="SELECT 'label ' || g % 5 AS few, md5(g::text) AS many FROM generate_series(1, 20000) AS g"
    )
    few, many = (file.metadata.row_group(0).column(at) for at in (0, 1))
    assert few.has_dictionary_page
    assert not many.has_dictionary_page
    assert file.read()["few"].to_pylist()[:3] == ["label 1", "label 2", "label 3"]


def test_no_rows_and_no_columns(shared: Shared) -> None:
    dsn, conn = shared
    file, result = parquet(dsn, query="SELECT 1::int2 AS a, ARRAY['x'] AS b, NULL::numeric(5,1) AS c WHERE false")
    assert (result.rows, file.num_row_groups, file.metadata.num_rows) == (0, 0, 0)
    assert file.schema_arrow.types == [pa.int16(), pa.list_(pa.string()), pa.decimal128(5, 1)]
    conn.execute("CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES")
    with pytest.raises(SpecError, match="at least one column"):
        parquet(dsn, "nothing")


def test_names_of_any_kind(shared: Shared) -> None:
    dsn, conn = shared
    names = ["a.b", "list.element", "é 😀", 'q"q', "x" * 63, "\x01", "select", " "]
    conn.execute(
        f"CREATE TABLE named ({', '.join(chr(34) + name.replace(chr(34), chr(34) * 2) + chr(34) + ' int[]' for name in names)})".encode()
    )
    conn.execute(f"INSERT INTO named VALUES ({', '.join(f'ARRAY[{at}]' for at in range(len(names)))})".encode())
    rows = parquet(dsn, "named")[0].read()
    assert rows.to_pylist() == [{name: [at] for at, name in enumerate(names)}]


def test_an_error_in_a_late_segment_names_its_row(shared: Shared) -> None:
    """Counted over the file, the first of two, also with several workers; losses of all segments are added up."""
    dsn, conn = shared
    rows = filled(conn, "long", 2 * PARQUET_PAGES_PER_SEGMENT + 50)
    conn.execute("ALTER TABLE long ADD n numeric(12,2) DEFAULT 1")
    conn.execute("UPDATE long SET n = 'NaN' WHERE id IN (%s, %s)", [rows - 1000, rows // 2 + 7])
    (first,) = conn.execute(
        "SELECT min(at) FROM (SELECT n, row_number() OVER (ORDER BY ctid) AS at FROM long) AS x WHERE n = 'NaN'"
    ).fetchall()
    for workers in (1, 3):
        with pytest.raises(UnsupportedValue) as caught:
            parquet(dsn, "long", workers=workers)
        assert (caught.value.row, caught.value.column) == (first[0], "n")
        file, result = parquet(dsn, "long", workers=workers, options={"unrepresentable": "null"})
        assert result.losses == {"n": 2}
        assert file.num_row_groups > 1
        ids = file.read(["id"])["id"].to_pylist()
        assert ids == [int(line) for line in copied(conn, "SELECT id FROM long", "HEADER false").split()]
    assert exported(dsn, "long", format="csv").count(b"NaN") == 2


def test_decimals_of_every_precision(shared: Shared) -> None:
    """INT32, INT64 and FIXED_LEN_BYTE_ARRAY of each length, at both ends."""
    dsn, conn = shared
    columns = {f"d{precision}": (precision, precision // 3) for precision in range(1, 39)}
    conn.execute(
        f"CREATE TABLE decimals ({', '.join(f'{name} numeric({p},{s})' for name, (p, s) in columns.items())})".encode()
    )
    ends = [Decimal((sign, (9,) * p, -s)) for sign in (0, 1) for p, s in columns.values()]
    places = ", ".join(["%s"] * len(columns))
    conn.execute(f"INSERT INTO decimals VALUES ({places}), ({places})".encode(), ends)
    file, _ = parquet(dsn, "decimals")
    physical = [file.schema.column(at).physical_type for at in range(len(columns))]
    assert physical == ["INT32"] * 9 + ["INT64"] * 9 + ["FIXED_LEN_BYTE_ARRAY"] * 20
    rows = file.read()
    assert rows.schema.types == [pa.decimal128(p, s) for p, s in columns.values()]
    assert [list(row.values()) for row in rows.to_pylist()] == [
        list(row) for row in conn.execute("SELECT * FROM decimals").fetchall()
    ]
