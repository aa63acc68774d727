"""Arrow and Feather: compression, batches, metadata, losses, and names. All types are in ``tests/types``."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.ipc
import pytest

from polyglot_export import ExportResult, SpecError, UnsupportedValue, export
from polyglot_export.limits import ARROW_BATCH_BYTES, PAGES_PER_SEGMENT
from tests.library.helpers import copied, filled

Shared = tuple[str, psycopg.Connection]

BATCH_ROWS = 65_536


@pytest.fixture(scope="module")
def shared(module_dsn: str) -> Iterator[Shared]:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        yield module_dsn, conn


def feather(dsn: str, source: str | None = None, **what: Any) -> tuple[pa.ipc.RecordBatchFileReader, ExportResult]:
    """The file, opened, and the result of its export."""
    with export(dsn, source, format="feather", **what) as chunks:
        return pa.ipc.open_file(chunks.read()), chunks.result()


@pytest.mark.parametrize("format_", ["arrow", "feather"])
def test_compression(shared: Shared, format_: str) -> None:
    dsn, conn = shared
    query = "SELECT g AS i, 'text ' || g % 10 AS t, ARRAY[g, NULL] AS l FROM generate_series(1, 20000) AS g"
    files, tables = {}, {}
    for compression in ("none", "lz4", "zstd"):
        with export(dsn, query=query, format=format_, options={"compression": compression}) as chunks:
            files[compression] = file = chunks.read()
        opened = pa.ipc.open_file(file) if format_ == "feather" else pa.ipc.open_stream(file)
        tables[compression] = opened.read_all()
    assert len(files["zstd"]) < len(files["lz4"]) < len(files["none"])
    assert tables["none"] == tables["lz4"] == tables["zstd"]
    rows = tables["none"].to_pylist()
    assert [tuple(row.values()) for row in rows] == conn.execute(query.encode()).fetchall()


def test_batches_are_bounded_by_rows_and_by_bytes(shared: Shared) -> None:
    """A NULL takes its place too: 1,000 columns of them are not 65,536 rows."""
    dsn, _ = shared
    narrow, _ = feather(dsn, query="SELECT g FROM generate_series(1, 150000) AS g")
    rows = [narrow.get_batch(at).num_rows for at in range(narrow.num_record_batches)]
    assert rows == [BATCH_ROWS, BATCH_ROWS, 150_000 - 2 * BATCH_ROWS]
    nulls = ", ".join(f"NULL::bigint AS c{at}" for at in range(1000))
    for query in (
        f"SELECT {nulls} FROM generate_series(1, 3000)",
        "SELECT repeat('x', 100000) AS t FROM generate_series(1, 200)",
    ):
        wide, _ = feather(dsn, query=query)
        batches = [wide.get_batch(at) for at in range(wide.num_record_batches)]
        assert len(batches) > 1
        assert max(batch.nbytes for batch in batches) < 1.2 * ARROW_BATCH_BYTES


def test_buffers_are_aligned_for_readers_that_map_the_file(shared: Shared) -> None:
    dsn, _ = shared
    with export(dsn, query="SELECT 7 AS a, 'b' AS b", format="feather", options={"compression": "none"}) as chunks:
        file = pa.py_buffer(chunks.read())
    batch = pa.ipc.open_file(file).get_batch(0)
    places = [each.address - file.address for column in batch.columns for each in column.buffers() if each is not None]
    assert places
    assert [place % 64 for place in places] == [0] * len(places)


def test_a_file_tells_its_rows_and_losses(shared: Shared) -> None:
    dsn, conn = shared
    conn.execute("CREATE TABLE losses AS SELECT g, nullif(g, 2)::numeric(9,1) AS n FROM generate_series(1, 3) AS g")
    conn.execute("UPDATE losses SET n = 'NaN' WHERE g = 1")
    with pytest.raises(UnsupportedValue, match="does not fit") as caught:
        feather(dsn, "losses", order_by="g")
    assert (caught.value.row, caught.value.column) == (1, "n")
    file, result = feather(dsn, "losses", order_by="g", options={"unrepresentable": "null"})
    assert result.losses == {"n": 1}
    assert dict(file.metadata) == {b"polyglot.rows": b"3", b"polyglot.nulled.n": b"1"}
    schema = {key.decode(): value.decode() for key, value in file.schema.metadata.items()}
    assert (schema["polyglot.source"], schema["polyglot.snapshot"]) == ("public.losses", result.snapshot)
    assert file.read_all()["n"].to_pylist() == [None, None, Decimal("3.0")]


def test_decimals_of_every_precision(shared: Shared) -> None:
    dsn, conn = shared
    columns = {f"d{precision}": (precision, precision // 3) for precision in range(1, 39)}
    conn.execute(
        f"CREATE TABLE decimals ({', '.join(f'{name} numeric({p},{s})' for name, (p, s) in columns.items())})".encode()
    )
    ends = [Decimal((sign, (9,) * p, -s)) for sign in (0, 1) for p, s in columns.values()]
    places = ", ".join(["%s"] * len(columns))
    conn.execute(f"INSERT INTO decimals VALUES ({places}), ({places})".encode(), ends)
    rows = feather(dsn, "decimals")[0].read_all()
    assert rows.schema.types == [pa.decimal128(p, s) for p, s in columns.values()]
    assert [list(row.values()) for row in rows.to_pylist()] == [
        list(row) for row in conn.execute("SELECT * FROM decimals").fetchall()
    ]


def test_no_rows_and_no_columns(shared: Shared) -> None:
    dsn, conn = shared
    query = "SELECT 1::int2 AS a, ARRAY['x'] AS b, NULL::numeric(5,1) AS c WHERE false"
    file, result = feather(dsn, query=query)
    assert (result.rows, file.num_record_batches) == (0, 0)
    assert file.schema.types == [pa.int16(), pa.list_(pa.string()), pa.decimal128(5, 1)]
    conn.execute("CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES")
    with pytest.raises(SpecError, match="at least one column"):
        feather(dsn, "nothing")


def test_an_error_in_a_late_segment_names_its_row(shared: Shared) -> None:
    """Counted over the file, also with several workers."""
    dsn, conn = shared
    rows = filled(conn, "long", 3 * PAGES_PER_SEGMENT)
    conn.execute("ALTER TABLE long ADD n numeric(12,2) DEFAULT 1")
    conn.execute("UPDATE long SET n = 'NaN' WHERE id = %s", [rows - 1000])
    (first,) = conn.execute(
        "SELECT min(at) FROM (SELECT n, row_number() OVER (ORDER BY ctid) AS at FROM long) AS x WHERE n = 'NaN'"
    ).fetchall()
    for workers in (1, 3):
        with pytest.raises(UnsupportedValue) as caught:
            feather(dsn, "long", workers=workers)
        assert (caught.value.row, caught.value.column) == (first[0], "n")
    file, result = feather(dsn, "long", workers=3, options={"unrepresentable": "null"})
    assert result.losses == {"n": 1}
    ids = file.read_all()["id"].to_pylist()
    assert ids == [int(line) for line in copied(conn, "SELECT id FROM long", "HEADER false").split()]
