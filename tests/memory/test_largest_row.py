"""What a plan says about the largest row is never less than the rows that come; the reservation rests on it."""

from __future__ import annotations

import io

import psycopg
import pyarrow.parquet as pq
import pytest

from polyglot_export.execution.opening import explain
from polyglot_export.limits import INLINE_ROW_BYTES
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.reservation import Shape, reservation
from polyglot_export.request.parse import parse_spec
from tests.library.helpers import exported


def _plan(dsn: str, dataset: str, format_: str = "csv", **more: object) -> Plan:
    return explain(parse_spec({"format": format_, "dataset": dataset, **more}), dsn=dsn)


def _largest_sent(dsn: str, statement: str) -> int:
    """Bytes of the largest row of a binary COPY."""
    with (
        psycopg.connect(dsn) as connection,
        connection.cursor().copy(f"COPY ({statement}) TO STDOUT (FORMAT binary)") as copy,
    ):
        return max(len(bytes(row)) for row in copy)


def test_types_of_a_fixed_length_bound_the_row(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE fixed (id int, at timestamptz, code varchar(10), kind char(3), flag bool, key uuid, name name)"
    )
    conn.execute(
        "INSERT INTO fixed VALUES (1, now(), repeat('ü', 10), 'äöü', true, gen_random_uuid(), repeat('x', 63))"
    )
    bound = _plan(dsn, "fixed").largest_row
    assert bound is not None
    assert _largest_sent(dsn, "SELECT * FROM fixed") <= bound < 1_000


def test_an_empty_toast_table_bounds_it_to_a_page(dsn: str, conn: psycopg.Connection) -> None:
    """Also where a row holds 150 kB, compressed."""
    conn.execute("CREATE TABLE inline (id int, note text, document jsonb)")
    conn.execute(
        """INSERT INTO inline SELECT n, repeat(md5(n::text), 50), '{"a": [1, 2]}' FROM generate_series(1, 500) AS n"""
    )
    plan = _plan(dsn, "inline")
    assert plan.largest_row is not None
    assert INLINE_ROW_BYTES <= plan.largest_row < 2 * INLINE_ROW_BYTES
    assert _largest_sent(dsn, "SELECT * FROM inline") <= plan.largest_row
    conn.execute("INSERT INTO inline VALUES (0, repeat('x', 150000), NULL)")
    inside = _plan(dsn, "inline").largest_row
    assert inside is not None
    assert _largest_sent(dsn, "SELECT * FROM inline") <= inside


@pytest.mark.parametrize("where", ["itself", "a partition", "a child"])
def test_a_large_value_anywhere_below_is_seen(dsn: str, conn: psycopg.Connection, where: str) -> None:
    if where == "itself":
        conn.execute("CREATE TABLE t (id int, payload text)")
    elif where == "a partition":
        conn.execute("CREATE TABLE t (id int, payload text) PARTITION BY RANGE (id)")
        conn.execute(
            "CREATE TABLE p1 PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF t FOR VALUES FROM (10) TO (20)"
        )
    else:
        conn.execute("CREATE TABLE t (id int, payload text); CREATE TABLE c () INHERITS (t)")
    conn.execute("ALTER TABLE t ALTER payload SET STORAGE EXTERNAL")
    if where == "a partition":  # Each has its own; a child has its parent's.
        conn.execute(
            "ALTER TABLE p1 ALTER payload SET STORAGE EXTERNAL; ALTER TABLE p2 ALTER payload SET STORAGE EXTERNAL"
        )
    target = "c" if where == "a child" else "t"
    conn.execute(f"INSERT INTO {target} VALUES (1, 'small'), (11, 'small')")
    assert _plan(dsn, "t").largest_row is not None
    conn.execute(f"INSERT INTO {target} VALUES (11, repeat('x', 3000000))")
    plan = _plan(dsn, "t")
    assert plan.largest_row is None
    assert reservation(plan) > plan.limits.row_bytes
    only = _plan(dsn, "t", columns=["id"])
    assert only.largest_row is not None, "the column with large values is not read"
    assert reservation(only) < plan.limits.row_bytes


def test_a_value_that_only_the_catalogue_keeps(dsn: str, conn: psycopg.Connection) -> None:
    """The default of an added column: no row that is older than the column has it on its page."""
    conn.execute("CREATE TABLE t (id int, small text); INSERT INTO t SELECT n, 'x' FROM generate_series(1, 10) AS n")
    conn.execute("ALTER TABLE t ADD note text DEFAULT repeat('x', 500)")
    assert _plan(dsn, "t").largest_row is not None
    conn.execute("ALTER TABLE t ADD large text DEFAULT repeat('x', 500000)")
    assert _largest_sent(dsn, "SELECT * FROM t") > INLINE_ROW_BYTES
    assert _plan(dsn, "t").largest_row is None
    assert _plan(dsn, "t", columns=["id", "note"]).largest_row is not None


@pytest.mark.parametrize("kind", ["table", "child"])
def test_many_values_that_only_the_catalogue_keeps(dsn: str, conn: psycopg.Connection, kind: str) -> None:
    """Each fits a page, and all of them together are a large row."""
    conn.execute("CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 3)")
    if kind == "child":
        conn.execute("CREATE TABLE c () INHERITS (t)")
    more = ", ".join(f"ADD c{number} text DEFAULT repeat('x', 8000)" for number in range(100))
    conn.execute(f"ALTER TABLE t {more}".encode())
    assert _largest_sent(dsn, "SELECT * FROM t") > INLINE_ROW_BYTES
    assert _plan(dsn, "t").largest_row is None
    assert _plan(dsn, "t", columns=["id", "c1"]).largest_row is not None


def test_a_column_that_is_computed_as_it_is_read(dsn: str, conn: psycopg.Connection) -> None:
    kind = "VIRTUAL" if conn.info.server_version >= 180000 else "STORED"
    conn.execute(
        "CREATE TABLE t (id int, n numeric GENERATED ALWAYS AS (id) STORED,"
        f" large text GENERATED ALWAYS AS (repeat('x', 3000000)) {kind})".encode()
    )
    conn.execute("INSERT INTO t VALUES (1), (2)")
    assert _largest_sent(dsn, "SELECT * FROM t") > 3_000_000
    assert _plan(dsn, "t").largest_row is None


def test_what_is_computed_has_no_bound(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE VIEW v AS SELECT id, repeat('x', 1000000) AS made FROM t"
    )
    assert _plan(dsn, "v").largest_row is None
    query = explain(parse_spec({"format": "csv", "query": "SELECT repeat('x', 1000000) AS made"}), dsn=dsn)
    assert query.largest_row is None
    counted = explain(parse_spec({"format": "csv", "query": "SELECT 1 AS one, now() AS at"}), dsn=dsn)
    assert counted.largest_row is not None, "its types have a length"


@pytest.mark.parametrize("how", ["computed", "repeated"])
def test_row_groups_of_values_that_are_not_on_the_pages(dsn: str, conn: psycopg.Connection, how: str) -> None:
    """Fifty columns of a row that stores one number."""
    computed = how == "computed" and conn.info.server_version >= 180000
    more = "".join(f", c{n} int8 GENERATED ALWAYS AS (id * {n}::int8) VIRTUAL" for n in range(50)) if computed else ""
    conn.execute(f"CREATE TABLE t (id int8{more}); INSERT INTO t SELECT n FROM generate_series(1, 20000) AS n".encode())
    columns = None if computed else [{"source": "id", "target": f"c{n}"} for n in range(50)]
    plan = _plan(dsn, "t", "parquet", **({"columns": columns} if columns else {}))
    written = exported(dsn, "t", format="parquet", columns=columns, options={"compression": "none"})
    groups = pq.read_metadata(io.BytesIO(written))
    largest = max(groups.row_group(at).total_byte_size for at in range(groups.num_row_groups))
    assert largest > 5 * 20_000 * 24
    assert Shape.of(plan).row_group_bytes >= largest


def test_the_row_groups_of_a_small_table_are_small(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE small (id int, note text); INSERT INTO small SELECT n, 'n' FROM generate_series(1, 1000) AS n"
    )
    plan = _plan(dsn, "small", "parquet")
    assert Shape.of(plan).row_group_bytes < 1 << 20 < plan.encoder.row_group_bytes
    assert Shape.of(_plan(dsn, "small", "parquet", limit=5)).row_group_bytes == plan.encoder.row_group_bytes, (
        "a statement has no pages"
    )
