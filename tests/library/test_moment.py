"""What a moment holds before there is a plan, so that no plan can meet anything else."""

from __future__ import annotations

import psycopg
import pytest

from polyglot_export import AccessDenied, ExportSpec, SourceChanged, StatementTimeout, parse_spec
from polyglot_export.cancel import CancelToken
from polyglot_export.execution.export import start
from polyglot_export.execution.opening import open_export, open_moment
from polyglot_export.execution.run import RunSettings
from polyglot_export.limits import PAGES_PER_SEGMENT, Limits
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.planner import plan
from tests.library.helpers import as_role, copied, filled, new_role

PARTITIONS = (
    "CREATE TABLE p (id int, pad text) PARTITION BY RANGE (id);"
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50);"
    "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (100);"
    "INSERT INTO p SELECT g, 'x' FROM generate_series(0, 99) AS g;"
    "CREATE TABLE late AS SELECT 100 AS id, 'late' AS pad"
)
ATTACH = "ALTER TABLE p ATTACH PARTITION late FOR VALUES FROM (100) TO (200)"


def spec(**what: object) -> ExportSpec:
    return parse_spec({"format": "csv", **what})


def read(made: Plan, moment: Moment, asked: ExportSpec) -> bytes:
    with start(made, moment, spec=asked, token=CancelToken(), started=0.0) as export:
        return b"".join(export)


def held(conn: psycopg.Connection, moment: Moment) -> set[str]:
    """The names of what is locked."""
    rows = conn.execute("SELECT oid::regclass::text FROM pg_class WHERE oid = ANY (%s)", [list(moment.locked)])
    return {row[0] for row in rows.fetchall()}


def test_a_partition_attached_before_the_plan_is_left_out(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(PARTITIONS.encode())
    expected = copied(conn, "SELECT * FROM p")
    asked = spec(dataset="p")
    with open_moment(asked, dsn=dsn) as moment:
        conn.execute(ATTACH.encode())
        made = plan(moment, asked, Limits())
        assert [scan.relation for scan in made.scans] == ["public.p1", "public.p2"]
        assert read(made, moment, asked) == expected


@pytest.mark.parametrize(
    "what",
    [
        {"dataset": "p", "limit": 1000},
        {"dataset": "v"},
        {"query": "SELECT * FROM p"},
        {"query": "SELECT * FROM p", "filter": [{"column": "id", "op": ">", "value": 0}]},
    ],
)
def test_a_partition_attached_before_the_plan_fails_a_whole_statement(
    dsn: str, conn: psycopg.Connection, what: dict[str, object]
) -> None:
    """Its worker would read rows that did not belong to the table when the snapshot was taken."""
    conn.execute(f"{PARTITIONS}; CREATE VIEW v AS SELECT * FROM p".encode())
    asked = spec(**what)
    with open_moment(asked, dsn=dsn) as moment:
        conn.execute(ATTACH.encode())
        made = plan(moment, asked, Limits())
        with pytest.raises(SourceChanged, match="a partition or child table was added"):
            read(made, moment, asked)


def test_what_only_some_plans_read_is_held_too(dsn: str, conn: psycopg.Connection) -> None:
    """The planner leaves out what serves only columns that nobody asks for; a later plan may ask for them."""
    conn.execute(
        f"{PARTITIONS}; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);"
        "CREATE VIEW v AS SELECT t.id, (SELECT max(p.id) FROM p) AS highest FROM t".encode()
    )
    asked = spec(dataset="v", columns=["id"])
    with open_moment(asked, dsn=dsn) as moment:
        assert held(conn, moment) == {"v", "t", "p", "p1", "p2"}
        assert read(plan(moment, asked, Limits()), moment, asked) == b"id\n1\n"


def test_what_a_policy_reads_is_held(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE allowed AS SELECT 7 AS id; CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 9) AS g;"
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY those ON t USING (id IN (SELECT id FROM allowed))"
    )
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT ON t, allowed TO {role}".encode())
        asked = spec(dataset="t")
        with open_moment(asked, dsn=as_role(dsn, role)) as moment:
            assert held(conn, moment) == {"t", "allowed"}
            with pytest.raises(psycopg.errors.LockNotAvailable):
                conn.execute("SET lock_timeout = '10ms'; TRUNCATE allowed")
            assert read(plan(moment, asked, Limits()), moment, asked) == b"id\n7\n"


def test_only_what_the_login_may_read_is_asked_for(dsn: str, conn: psycopg.Connection) -> None:
    """A moment is taken for the columns that can be read; a plan that asks for others is refused."""
    conn.execute("CREATE TABLE t AS SELECT 1 AS id, 'x' AS secret; CREATE VIEW v AS SELECT * FROM t")
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT (id) ON t, v TO {role}".encode())
        for name in ("t", "v"):
            with open_moment(spec(dataset=name), dsn=as_role(dsn, role)) as moment:
                with pytest.raises(AccessDenied, match="permission denied") as raised:
                    plan(moment, spec(dataset=name), Limits())
                assert raised.value.hint == "this login may read only: id"


def test_plans_of_one_moment_have_one_snapshot(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    asked = spec(dataset="t")
    with open_moment(asked, dsn=dsn) as moment:
        first = plan(moment, asked, Limits())
        conn.execute("INSERT INTO t VALUES (2)")
        second = plan(moment, spec(dataset="t", format="ndjson"), Limits())
        assert first.snapshot == second.snapshot == moment.snapshot
        assert read(second, moment, asked) == b'{"id":1}\n'


@pytest.mark.parametrize("what", [{"dataset": "t"}, {"dataset": "t", "orderBy": [{"column": "id"}]}])
def test_a_child_that_is_added_later_is_not_read(dsn: str, conn: psycopg.Connection, what: dict[str, object]) -> None:
    """INHERIT does not wait for our locks either, and a worker would read the child once for each of its segments."""
    filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    expected = copied(conn, "SELECT * FROM t ORDER BY id")
    conn.execute("CREATE TABLE child (id int NOT NULL, pad text); INSERT INTO child VALUES (-1, 'of another table')")
    asked = spec(**what)
    with open_moment(asked, dsn=dsn) as moment:
        made = plan(moment, asked, Limits())
        conn.execute("ALTER TABLE child INHERIT t")
        assert read(made, moment, asked) == expected


@pytest.mark.parametrize("what", [{"dataset": "v"}, {"query": "SELECT * FROM t"}])
def test_a_child_that_is_added_below_a_view_or_a_query_fails_the_export(
    dsn: str, conn: psycopg.Connection, what: dict[str, object]
) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT 1 AS id; CREATE VIEW v AS SELECT * FROM t; CREATE TABLE child AS SELECT 2 AS id"
    )
    asked = spec(**what)
    with open_moment(asked, dsn=dsn) as moment:
        made = plan(moment, asked, Limits())
        conn.execute("ALTER TABLE child INHERIT t")
        with pytest.raises(SourceChanged, match="a partition or child table was added"):
            read(made, moment, asked)


def test_an_index_that_is_made_meanwhile_does_no_harm(dsn: str, conn: psycopg.Connection) -> None:
    """Its relation is newer than the snapshot, as a new partition may be, and EXPLAIN locks it."""
    conn.execute(f"{PARTITIONS}; CREATE VIEW v AS SELECT * FROM p".encode())
    asked = spec(dataset="v")
    with open_moment(asked, dsn=dsn) as moment:
        made = plan(moment, asked, Limits())
        conn.execute("CREATE INDEX ON p (id)")
        assert read(made, moment, asked) == copied(conn, "SELECT * FROM v")


def test_a_leaf_read_whole_is_no_reason_to_fail(dsn: str, conn: psycopg.Connection) -> None:
    """A plan of leaves does not become more by a new one, however each of them is read."""
    conn.execute(
        f"{PARTITIONS}; CREATE INDEX ON p2 (id); INSERT INTO p SELECT 60, 'x' FROM generate_series(1, 20000);"
        "INSERT INTO p SELECT 70, repeat('y', 900) FROM generate_series(1, 3); ANALYZE p, p1, p2".encode()
    )
    asked = spec(dataset="p", filter=[{"column": "id", "op": "=", "value": 70}])
    with open_moment(asked, dsn=dsn) as moment:
        made = plan(moment, asked, Limits())
        assert [(scan.relation, scan.pages) for scan in made.scans] == [("public.p2", None)]
        conn.execute(ATTACH.encode())
        assert read(made, moment, asked) == copied(conn, "SELECT * FROM p2 WHERE id = 70")


def test_a_parent_that_the_planner_looks_at_does_no_harm(dsn: str, conn: psycopg.Connection) -> None:
    """To know which rows a partitioned partition may hold, the planner locks the table that it is a partition of."""
    conn.execute(
        f"{PARTITIONS}; CREATE TABLE rest PARTITION OF p DEFAULT PARTITION BY RANGE (id);"
        "CREATE TABLE rest1 PARTITION OF rest FOR VALUES FROM (200) TO (300); INSERT INTO p VALUES (200, 'y')".encode()
    )
    asked = spec(dataset="rest", orderBy=[{"column": "id"}])
    with open_moment(asked, dsn=dsn) as moment:
        assert held(conn, moment) == {"rest", "rest1"}
        made = plan(moment, asked, Limits())
        assert moment.leader.held().relations > moment.locked
        assert read(made, moment, asked) == b"id,pad\n200,y\n"


def test_the_wait_for_a_lock_has_a_limit(dsn: str, conn: psycopg.Connection) -> None:
    """Of a table and of a view on it, whose locks are taken in different ways."""
    conn.execute("CREATE TABLE t (a int); CREATE VIEW v AS SELECT a FROM t")
    with psycopg.connect(dsn) as other:
        other.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        for name in ("t", "v"):
            with pytest.raises(StatementTimeout, match=f"{name} is locked by another.*0.2 seconds") as caught:
                open_export(parse_spec({"format": "csv", "dataset": name}), dsn=dsn, run=RunSettings(lock_timeout=0.2))
            assert caught.value.sqlstate == "55P03"
