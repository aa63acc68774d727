"""Relations of every kind: csv equals COPY, ndjson equals row_to_json, whatever the number of workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from polyglot_export import export, parse_spec
from polyglot_export.execution.opening import explain
from polyglot_export.limits import PAGES_PER_SEGMENT, PARQUET_PAGES_PER_SEGMENT
from tests.library.helpers import copied, exported, filled, ndjson

ROWS = "SELECT g AS id, 'name ' || g AS name, g * 1.25 AS value FROM generate_series(1, 3000) AS g"

SOURCES = {
    "table": f"CREATE TABLE t AS {ROWS}",
    "empty_table": f"CREATE TABLE t AS {ROWS} LIMIT 0",
    "unlogged": f"CREATE UNLOGGED TABLE t AS {ROWS}",
    "view": f"CREATE TABLE base AS {ROWS}; CREATE VIEW t AS SELECT value, id FROM base WHERE id % 7 = 0 ORDER BY id DESC",
    "materialized_view": f"CREATE MATERIALIZED VIEW t AS {ROWS}",
    "inheritance": (
        "CREATE TABLE t (id int, name text, value numeric); CREATE TABLE child () INHERITS (t);"
        f"INSERT INTO t {ROWS} LIMIT 1000; INSERT INTO child {ROWS} OFFSET 1000"
    ),
    "range_partitions": (
        "CREATE TABLE t (id int, name text, value numeric) PARTITION BY RANGE (id);"
        "CREATE TABLE late PARTITION OF t FOR VALUES FROM (2000) TO (9999);"
        "CREATE TABLE early PARTITION OF t FOR VALUES FROM (0) TO (2000) PARTITION BY LIST (id);"
        "CREATE TABLE early_one PARTITION OF early FOR VALUES IN (1, 2, 3);"
        f"CREATE TABLE early_rest PARTITION OF early DEFAULT; INSERT INTO t {ROWS}"
    ),
    "partitions_in_another_column_order": (
        "CREATE TABLE t (id int, gone int, name text, value numeric) PARTITION BY HASH (id); ALTER TABLE t DROP COLUMN gone;"
        "CREATE TABLE a (value numeric, id int, name text); ALTER TABLE t ATTACH PARTITION a FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        f"CREATE TABLE b PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1); INSERT INTO t {ROWS}"
    ),
    "no_partitions": "CREATE TABLE t (id int, name text) PARTITION BY RANGE (id)",
    "dropped_and_generated": (
        "CREATE TABLE t (id int, gone text, name text, twice int GENERATED ALWAYS AS (id * 2) STORED);"
        "INSERT INTO t SELECT g, 'x', 'n' || g FROM generate_series(1, 500) AS g; ALTER TABLE t DROP COLUMN gone"
    ),
    "hard_names": (
        'CREATE TABLE t ("r" int, "select" int, "a b" int, "Ä" int, "q""q" int, "%s" int, "{}" int, "c;--" int, '
        f'"{"n" * 63}" int); INSERT INTO t SELECT g, g, g, g, g, g, g, g, g FROM generate_series(1, 50) AS g'
    ),
    "no_columns": "CREATE TABLE t (); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES",
    "toasted": (
        "CREATE TABLE t (id int, big text, wide bytea); ALTER TABLE t ALTER big SET STORAGE EXTERNAL;"
        "INSERT INTO t SELECT g, repeat('abc' || g, 20000), decode(repeat('00ff', 5000), 'hex') FROM generate_series(1, 20) AS g"
    ),
    "holes": f"CREATE TABLE t AS {ROWS}; DELETE FROM t WHERE id < 1000 OR id BETWEEN 1500 AND 2000 OR id > 2900",
}


@pytest.mark.parametrize("kind", SOURCES)
def test_csv_is_copy_and_ndjson_is_row_to_json(dsn: str, conn: psycopg.Connection, kind: str) -> None:
    conn.execute(SOURCES[kind].encode())
    assert exported(dsn, "t") == copied(conn, "SELECT * FROM t")
    assert exported(dsn, "t", format="ndjson") == ndjson(conn, "SELECT * FROM t")


def test_catalogues_are_tables_too(dsn: str, conn: psycopg.Connection) -> None:
    for name in (
        "pg_catalog.pg_type",
        "pg_catalog.pg_operator",
        "information_schema.columns",
        "pg_catalog.pg_database",
    ):
        assert exported(dsn, name) == copied(conn, f"SELECT * FROM {name}"), name
        assert exported(dsn, name, format="ndjson") == ndjson(conn, f"SELECT * FROM {name}"), name


def test_segments_and_workers_do_not_show_in_the_bytes(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 3 * PAGES_PER_SEGMENT + 10)
    plan = explain(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn)
    assert plan.segments == 4
    expected = copied(conn, "SELECT * FROM t")
    for workers in (1, 2, 3, 8):
        assert exported(dsn, "t", workers=workers) == expected
    for format_, compression in (("json", "gzip"), ("csv", "zstd"), ("xml", None), ("parquet", None)):
        files = [_without_snapshot(dsn, format=format_, compression=compression, workers=n) for n in (1, 2, 3, 8)]
        assert [file == files[0] for file in files] == [True] * 4, format_


def _without_snapshot(dsn: str, **what: Any) -> bytes:
    """The footer of Parquet names the snapshot, which is another one each time."""
    with export(dsn, "t", **what) as chunks:
        return b"".join(chunks).replace(chunks.snapshot.encode(), b"")


def test_what_is_never_cut(dsn: str, conn: psycopg.Connection) -> None:
    """Large enough to share, but a range of pages would not be a part of the result."""
    filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    conn.execute(
        "CREATE VIEW v AS SELECT * FROM t LIMIT 1000000; CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE TABLE parent (LIKE t);"
        "INSERT INTO parent SELECT * FROM t; CREATE TABLE child () INHERITS (parent); INSERT INTO child SELECT * FROM t LIMIT 100"
    )

    def segments(dataset: str, **more: object) -> int:
        return explain(parse_spec({"format": "csv", "dataset": dataset, **more}), dsn=dsn).segments

    assert segments("t") == segments("child") + 1 == 2
    for source in ("v", "m", "parent"):
        assert segments(source) == 1, source
    assert segments("t", limit=10) == segments("t", orderBy=[{"column": "pad"}]) == 1
    assert exported(dsn, "parent", workers=3) == copied(conn, "SELECT * FROM parent")


def test_parquet_has_larger_segments(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 2 * PAGES_PER_SEGMENT + 10)
    plan = explain(parse_spec({"format": "parquet", "dataset": "t"}), dsn=dsn)
    assert (plan.segments, plan.scans[0].pages_per_segment) == (1, PARQUET_PAGES_PER_SEGMENT)


def test_a_table_too_small_to_share_takes_one_connection(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 10)
    plan = explain(parse_spec({"format": "csv", "dataset": "t"}), dsn=dsn)
    assert (plan.segments, plan.limits.workers) == (1, 1)
    with export(dsn, "t", workers=8) as chunks:
        b"".join(chunks)
        names = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'polyglot%'"
        ).fetchone()
    assert names is not None
    assert names[0] <= 2


def test_columns_are_chosen_renamed_repeated_and_ordered(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(SOURCES["table"].encode())
    chosen = [
        {"source": "value", "target": "amount"},
        {"source": "id", "target": "id"},
        {"source": "value", "target": "again"},
    ]
    assert exported(dsn, "t", columns=chosen) == copied(conn, "SELECT value AS amount, id, value AS again FROM t")
    assert exported(dsn, "t", columns={"name": "a b"}) == copied(conn, 'SELECT name AS "a b" FROM t')
    assert exported(dsn, "t", columns=["id"]) == copied(conn, "SELECT id FROM t")


def test_names_are_found_as_they_are_meant(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        'CREATE TABLE "Orders" AS SELECT 1 AS a; CREATE SCHEMA "My.Schema"; CREATE TABLE "My.Schema"."x.y" AS SELECT 2 AS a;'
        'CREATE TABLE plain AS SELECT 3 AS a; CREATE TABLE "q""q" AS SELECT 4 AS a'
    )
    names = {
        "Orders": 1,
        '"Orders"': 1,
        "public.Orders": 1,
        "My.Schema.x.y": 2,
        '"My.Schema"."x.y"': 2,
        "plain": 3,
        "PLAIN": 3,
        "Public.Plain": 3,
        '"q""q"': 4,
    }
    for name, value in names.items():
        assert exported(dsn, name) == b"a\n%d\n" % value, name


def test_a_user_s_operators_and_functions_are_not_used(dsn: str, conn: psycopg.Connection) -> None:
    """A schema in front of pg_catalog shadows what generated SQL does not qualify."""
    conn.execute(
        "CREATE SCHEMA evil; CREATE FUNCTION evil.always(tid, tid) RETURNS bool LANGUAGE sql AS 'SELECT true';"
        "CREATE FUNCTION evil.never(oid, oid) RETURNS bool LANGUAGE sql AS 'SELECT false';"
        "CREATE FUNCTION evil.never(int, int) RETURNS bool LANGUAGE sql AS 'SELECT false';"
        "CREATE FUNCTION evil.never(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';"
        "CREATE OPERATOR evil.>= (LEFTARG = tid, RIGHTARG = tid, FUNCTION = evil.always);"
        "CREATE OPERATOR evil.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = evil.never);"
        "CREATE OPERATOR evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.never);"
        "CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.never);"
        "CREATE FUNCTION evil.format(text, inet) RETURNS text LANGUAGE sql AS $$SELECT 'shadowed'$$;"
        "CREATE FUNCTION evil.to_json(inet) RETURNS json LANGUAGE sql AS $$SELECT '0'::json$$;"
    )
    filled(conn, "t", 1_500)
    conn.execute("ALTER TABLE t ADD a inet DEFAULT '10.0.0.1/8'")
    expected = copied(conn, "SELECT * FROM t WHERE id = 5")
    lines = ndjson(conn, "SELECT * FROM t")
    conn.execute(f"ALTER DATABASE {conn.info.dbname} SET search_path = evil, pg_catalog, public".encode())
    assert exported(dsn, "t", filter=[{"column": "id", "op": "=", "value": 5}]) == expected
    assert exported(dsn, "t", format="ndjson") == lines


def test_planning_asks_and_quotes_as_much_for_many_partitions_as_for_few(
    dsn: str, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement, or a name quoted, for each of thousands would take seconds."""
    counts = []
    for leaves in (3, 120):
        conn.execute(f"CREATE TABLE p{leaves} (id int, t text) PARTITION BY LIST (id)")
        for leaf in range(leaves):
            conn.execute(f'CREATE TABLE "P{leaves} ""{leaf}""" PARTITION OF p{leaves} FOR VALUES IN ({leaf})')
        conn.execute(f"INSERT INTO p{leaves} SELECT g, 'x' FROM generate_series(0, {leaves - 1}) AS g")
        asked: list[str] = []
        with monkeypatch.context() as patch:
            for class_, method in ((psycopg.Cursor, "execute"), (psycopg.sql.Identifier, "as_bytes")):
                patch.setattr(class_, method, _counted(getattr(class_, method), asked))
            with export(dsn, f"p{leaves}") as running:
                counts.append(len(asked))
                assert len(running.plan.scans) == leaves
                assert b"".join(running).count(b"x\n") == leaves
    assert counts[0] == counts[1] > 0


def _counted(genuine: Callable[..., object], calls: list[str]) -> Callable[..., object]:
    def counted(*args: object, **kwargs: object) -> object:
        calls.append(genuine.__name__)
        return genuine(*args, **kwargs)

    return counted
