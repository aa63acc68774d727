"""A condition in SQL: parsed alone, then a part of the statement, in every way that rows are read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import AccessDenied, SpecError, StatementFailed, explain, export_to_file, parse_spec, verify
from polyglot_export.access.schema import ExposedTables
from polyglot_export.execution.opening import open_moment
from polyglot_export.limits import PAGES_PER_SEGMENT
from tests.library.helpers import as_role, copied, exported, filled, new_role


def spread(conn: psycopg.Connection, name: str) -> None:
    """A table that is read in three segments, of few rows on many pages."""
    conn.execute(
        f"CREATE TABLE {name} (id int, pad text) WITH (fillfactor = 10);"
        f"INSERT INTO {name} SELECT g, repeat('x', 700) FROM generate_series(1, {PAGES_PER_SEGMENT * 5 // 2}) AS g".encode()
    )


@pytest.fixture(autouse=True)
def table(conn: psycopg.Connection) -> None:
    """Two small tables."""
    filled(conn, "t", 400)
    conn.execute(b"CREATE TABLE chosen AS SELECT g * 7 AS id FROM generate_series(1, 50) AS g")


@pytest.mark.parametrize(
    "condition",
    [
        "id % 3 = 0",
        "id < 10 OR id > 7990",
        "r.id BETWEEN 5 AND 6 OR pad LIKE '%77'",
        "true -- a comment",
        "id > /* another ( */ 7000",
        "id IN (SELECT id FROM chosen)",
        "EXISTS (SELECT FROM chosen AS c WHERE c.id = r.id)",
        "id = ANY (ARRAY[1, 2, 3])",
        "pad = 'it''s; -- no' OR id = 1",
        "NULL",
        "(id, pad) < (100, 'x')",
    ],
)
def test_the_rows_are_those_of_where(dsn: str, conn: psycopg.Connection, condition: str) -> None:
    expected = copied(conn, f"SELECT * FROM t AS r WHERE (\n{condition}\n) AND id > 3")
    assert exported(dsn, "t", sql_where=condition, where="id > 3", workers=3) == expected
    assert exported(dsn, query="TABLE t", sql_where=condition, where="id > 3") == expected


@pytest.mark.parametrize(
    "condition",
    ["now() > '2020-01-01'", "CURRENT_DATE > '2020-01-01'", "'today'::date > '2020-01-01'", "random() >= 0"],
)
def test_what_moves_is_judged_once_for_all_rows(dsn: str, conn: psycopg.Connection, condition: str) -> None:
    spread(conn, "large")
    plan = explain(dsn, "large", sql_where=condition)
    assert plan.segments == 1
    assert "in the filter is something else for each worker" in plan.notes[0]
    assert explain(dsn, "large", sql_where="pad <> 'known'").segments == 3


def test_it_joins_the_ranges_of_pages(dsn: str, conn: psycopg.Connection) -> None:
    spread(conn, "large")
    plan = explain(dsn, "large", sql_where="id % 3 = 0")
    assert plan.segments == 3
    assert "id % 3 = 0" in plan.scans[0].after
    for workers in (1, 2, 7):
        got = exported(dsn, "large", sql_where="id % 3 = 0 OR id = 4", workers=workers)
        assert got == copied(conn, "SELECT * FROM large WHERE id % 3 = 0 OR id = 4")


def test_with_order_limit_columns_and_views(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(b"CREATE VIEW v AS SELECT id AS n, pad FROM t; CREATE MATERIALIZED VIEW m AS SELECT id FROM t")
    what: dict[str, Any] = {"sql_where": "n % 7 = 0", "order_by": "n:desc", "limit": 5, "columns": ["n"]}
    assert exported(dsn, "v", **what) == copied(conn, "SELECT n FROM v WHERE n % 7 = 0 ORDER BY n DESC LIMIT 5")
    assert exported(dsn, "m", sql_where="id > 7990") == copied(conn, "SELECT * FROM m WHERE id > 7990")


def test_over_partitions(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        b"CREATE TABLE p (id int, pad text) PARTITION BY RANGE (id);"
        b"CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (4000);"
        b"CREATE TABLE p2 (pad text, id int); ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (4000) TO (9000);"
        b"INSERT INTO p SELECT * FROM t"
    )
    assert explain(dsn, "p", sql_where="id % 2 = 0").segments == 2
    assert exported(dsn, "p", sql_where="id % 2 = 0") == copied(conn, "SELECT * FROM p WHERE id % 2 = 0")
    assert exported(dsn, "p", sql_where="id > 4500") == copied(conn, "SELECT * FROM p WHERE id > 4500")


def test_columns_of_a_query_have_its_names(dsn: str, conn: psycopg.Connection) -> None:
    query = 'SELECT id AS "Order", count(*) FROM t GROUP BY 1 ORDER BY 1 -- all'
    got = exported(dsn, query=query, sql_where='"Order" < 5 AND count = 1')
    assert got == copied(conn, f'SELECT * FROM (\n{query}\n) AS q WHERE "Order" < 5')
    # Names that repeat may be read, and not be meant.
    got = exported(dsn, query="SELECT id, id, 2 AS two FROM t WHERE id < 9", sql_where="two = 2")
    assert got == copied(conn, "SELECT id, id, 2 AS two FROM t WHERE id < 9")


@pytest.mark.parametrize(
    "condition",
    [
        "true) or (true",
        "true) UNION SELECT * FROM t WHERE (true",
        "true UNION SELECT FROM t",
        "true; DROP TABLE t",
        "true;",
        "true /*",
        "true */",
        "true GROUP BY id",
        "true ORDER BY id",
        "true LIMIT 1",
        "true FOR UPDATE",
        "id",
        "SELECT true",
        "1, 2",
        "'",
        '"',
        "$$",
        "$1",
        "id = $1",
        "nothing = 1",
        "no_function()",
        "id = 'x'",
        "q.c1 = 1",
    ],
)
def test_what_is_no_condition(dsn: str, condition: str) -> None:
    for source in ({"source": "t"}, {"query": "SELECT id, pad FROM t"}):
        with pytest.raises(SpecError) as wrong:
            exported(dsn, **source, sql_where=condition)
        assert wrong.value.field == "sqlWhere"


def test_nothing_is_written(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(b"CREATE SEQUENCE s")
    with pytest.raises(StatementFailed, match="read-only transaction"):
        exported(dsn, "t", sql_where="nextval('s') > 0")


@pytest.mark.parametrize(
    "value",
    [3, Decimal("2.5"), "it's", "a\\b", "'; DROP TABLE t; --", None, True, [1, 2], date(2026, 1, 2), 0.1, b"\0x"],
)
def test_values_are_composed_by_the_driver(dsn: str, conn: psycopg.Connection, value: Any) -> None:
    conn.execute(b"CREATE TABLE held (v text)")
    cursor = psycopg.ClientCursor(conn)
    cursor.execute("INSERT INTO held SELECT (%s)::text", (value,))
    what = "v IS NOT DISTINCT FROM (%s)::text AND 'a%%' LIKE '%%'"
    assert exported(dsn, "held", sql_where=(what, [value])) == copied(conn, "SELECT * FROM held")
    named = "v IS NOT DISTINCT FROM (%(v)s)::text"
    assert exported(dsn, query="TABLE held", sql_where=(named, {"v": value})) == copied(conn, "SELECT * FROM held")


@pytest.mark.parametrize("given", [("id = %s", []), ("id = %s", [1, 2]), ("id = %(x)s", {}), ("id = %s", [object()])])
def test_values_that_do_not_fit(dsn: str, given: Any) -> None:
    with pytest.raises(SpecError, match="sqlWhere") as wrong:
        exported(dsn, "t", sql_where=given)
    assert wrong.value.field == "sqlWhere"


@pytest.mark.parametrize("given", ["", " ", "a\0", 3, ("a", "b"), ("a",), ("a", [], 1), (3, []), b"true"])
def test_what_is_not_sql(dsn: str, given: Any) -> None:
    with pytest.raises(SpecError, match=r"^sqlWhere: "):
        exported(dsn, "t", sql_where=given)


def test_what_a_sub_select_reads_is_locked(dsn: str, conn: psycopg.Connection) -> None:
    with open_moment(
        parse_spec({"format": "csv", "dataset": "t", "sqlWhere": "id IN (TABLE chosen)"}), dsn=dsn
    ) as moment:
        rows = conn.execute("SELECT oid::int FROM pg_class WHERE relname IN ('t', 'chosen')").fetchall()
        assert moment.locked == {row[0] for row in rows}


def test_the_rights_are_those_of_the_login(dsn: str, conn: psycopg.Connection) -> None:
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT (id) ON t TO {role}".encode())
        login = as_role(dsn, role)
        assert exported(login, "t", columns=["id"], sql_where="id < 3") == b"id\n1\n2\n"
        for hidden in ("pad LIKE 'x%'", "id IN (SELECT id FROM chosen)"):
            with pytest.raises(AccessDenied):
                exported(login, "t", columns=["id"], sql_where=hidden)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_worker_of_a_parallel_read_has_role_and_settings(
    dsn: str, conn: psycopg.Connection, workers: int
) -> None:
    spread(conn, "large")
    with new_role(conn, "teller") as name:
        conn.execute(f"GRANT SELECT ON large TO {name}".encode())
        what: dict[str, Any] = {
            # The second term keeps the server from knowing it before it reads.
            "sql_where": ("current_user || current_setting('app.tenant') || id = %s || id", [f"{name}7"]),
            "role": name,
            "settings": {"app.tenant": 7},
        }
        assert explain(dsn, "large", **what).segments == 3
        assert exported(dsn, "large", workers=workers, **what) == copied(conn, "SELECT * FROM large")


def test_only_where_sql_is_taken(dsn: str) -> None:
    spec = parse_spec({"format": "csv", "dataset": "t", "sqlWhere": "true"})
    with pytest.raises(SpecError, match="sqlWhere: SQL is not taken here"):
        open_moment(spec, dsn=dsn, exposure=ExposedTables.public())


def test_a_manifest_tells_of_it(dsn: str, tmp_path: Path) -> None:
    """Without it, a check against the database would count rows that were not asked for."""
    where = ("id %% 2 = %s", [0])
    export_to_file(dsn, "t", tmp_path / "t.csv", manifest=tmp_path / "t.json", fingerprints=True, sql_where=where)
    assert '"sqlWhere": "(\\nid % 2 = 0\\n)"' in (tmp_path / "t.json").read_text()
    report = verify(tmp_path / "t.json", dsn)
    assert report.faults == ()
    assert "a condition in SQL" in str(report.unchecked)
