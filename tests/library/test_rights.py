"""Rights: what a login may not read does not get into a file by way of segments, leaves or views. On each server."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from polyglot_export import AccessDenied, Plan, SpecError, UnknownDataset, open_export, parse_spec
from polyglot_export.access.configured import ConfiguredDatasets, load_datasets
from polyglot_export.access.schema import ExposedTables
from polyglot_export.execution.opening import explain
from polyglot_export.limits import PAGES_PER_SEGMENT
from tests.fixtures.server import Database
from tests.library.helpers import as_role, copied, exported, filled, new_role

PARTITIONS = (
    "CREATE TABLE p (id int, owner text, pad text) PARTITION BY RANGE (id);"
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (101);"
    "INSERT INTO p SELECT g, CASE WHEN g % 2 = 0 THEN 'even' ELSE 'odd' END, repeat('x', 100) FROM generate_series(0, 100) AS g;"
)


@pytest.fixture(params=["server", "debian"])
def dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh database on each of them in turn."""
    database = request.getfixturevalue(request.param)
    assert isinstance(database, Database)
    with database.database() as fresh:
        yield fresh


def planned(dsn: str, dataset: str, **more: object) -> Plan:
    return explain(parse_spec({"format": "csv", "dataset": dataset, **more}), dsn=dsn)


def test_partitions_are_read_leaf_by_leaf_where_nothing_stands_before(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(PARTITIONS.encode())
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT ON p, p1, p2 TO {role}".encode())
        login = as_role(dsn, role)
        plan = planned(login, "p")
        assert [scan.relation for scan in plan.scans] == ["public.p1", "public.p2"]
        assert exported(login, "p") == copied(conn, "SELECT * FROM p")


def test_a_grant_on_the_parent_alone_reads_through_the_parent(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(PARTITIONS.encode())
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT ON p TO {role}".encode())
        login = as_role(dsn, role)
        assert [scan.relation for scan in planned(login, "p").scans] == ["public.p"]
        assert exported(login, "p") == copied(conn, "SELECT * FROM p")
        with pytest.raises(AccessDenied):
            exported(login, "p1")


@pytest.mark.parametrize("guarded", ["p", "p1", "middle"])
def test_a_policy_on_parent_leaf_or_between_is_not_bypassed(dsn: str, conn: psycopg.Connection, guarded: str) -> None:
    conn.execute(
        "CREATE TABLE p (id int, owner text) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE middle PARTITION OF p FOR VALUES FROM (50) TO (101) PARTITION BY RANGE (id);"
        "CREATE TABLE p2 PARTITION OF middle FOR VALUES FROM (50) TO (101);"
        "INSERT INTO p SELECT g, CASE WHEN g % 2 = 0 THEN 'even' ELSE 'odd' END FROM generate_series(0, 100) AS g"
    )
    with new_role(conn, "even") as role:
        conn.execute(
            f"GRANT SELECT ON p, p1, middle, p2 TO {role}; ALTER TABLE {guarded} ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own ON {guarded} FOR SELECT TO {role} USING (owner = 'even')".encode()
        )
        login = as_role(dsn, role)
        with psycopg.connect(login, autocommit=True) as reader:
            for name in ("p", "p1", "middle", "p2"):
                assert exported(login, name, workers=3) == copied(reader, f"SELECT * FROM {name}"), name
        if guarded == "p":
            assert b"odd" not in exported(login, "p")
            assert [scan.relation for scan in planned(login, "p").scans] == ["public.p"]


def test_a_policy_on_a_table_holds_in_one_segment(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "t", 2 * PAGES_PER_SEGMENT)
    with new_role(conn, "reader") as role:
        conn.execute(
            f"GRANT SELECT ON t TO {role}; ALTER TABLE t ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY tens ON t FOR SELECT TO {role} USING (id % 10 = 0)".encode()
        )
        login = as_role(dsn, role)
        plan = planned(login, "t")
        assert plan.segments == 1
        assert "row-level security" in plan.notes[0]
        assert exported(login, "t") == copied(conn, "SELECT * FROM t WHERE id % 10 = 0")
    assert planned(dsn, "t").segments == 2


def test_column_grants_only(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT g AS id, 'secret' || g AS secret, g * 2 AS twice FROM generate_series(1, 50) AS g"
    )
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT (id, twice) ON t TO {role}".encode())
        login = as_role(dsn, role)
        assert exported(login, "t", columns=["twice", "id"]) == copied(conn, "SELECT twice, id FROM t")
        assert planned(login, "t", columns=["id"]).segments == 1
        with pytest.raises(AccessDenied, match="permission denied for table t") as raised:
            exported(login, "t")
        assert raised.value.hint == "this login may read only: id, twice"
        for what in ({"filter": [{"column": "secret", "op": "=", "value": "x"}]}, {"order_by": ["secret"]}):
            with pytest.raises(AccessDenied):
                exported(login, "t", columns=["id"], **what)


def test_no_right_at_all(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id; CREATE SCHEMA closed; CREATE TABLE closed.t AS SELECT 1 AS id")
    with new_role(conn, "nobody") as role:
        for name, sentence in (
            ("t", "permission denied for table t"),
            ("closed.t", "permission denied for schema closed"),
        ):
            with pytest.raises(AccessDenied, match=sentence) as raised:
                exported(as_role(dsn, role), name)
            assert raised.value.sqlstate == "42501"


def test_exposed_tables_are_those_of_one_schema(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT 1 AS id; CREATE VIEW v AS SELECT 2 AS id; CREATE SCHEMA other; CREATE TABLE other.t AS SELECT 3 AS id"
    )

    def read(login: str, name: str) -> bytes:
        with open_export(
            parse_spec({"format": "csv", "dataset": name}), dsn=login, exposure=ExposedTables.public()
        ) as chunks:
            return b"".join(chunks)

    assert read(dsn, "t") == read(dsn, "public.t") == b"id\n1\n"
    for name in ("other.t", "pg_catalog.pg_class", "pg_class", '"t"', "other.t; --", "v"):
        with pytest.raises(UnknownDataset):
            read(dsn, name)
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT ON t, v TO {role}".encode())
        assert read(as_role(dsn, role), "v") == b"id\n2\n"
    with pytest.raises(SpecError, match="SQL is not taken here"):
        open_export(parse_spec({"format": "csv", "query": "SELECT 1"}), dsn=dsn, exposure=ExposedTables.public())


def test_views_inside_are_refused_where_the_server_can(dsn: str, conn: psycopg.Connection) -> None:
    """A policy that reads a view would run it with a privileged login; superusers are exempt from policies, so ask a
    setting.
    """
    if conn.execute("SELECT current_setting('restrict_nonsystem_relation_kind', true)").fetchone() == (None,):
        pytest.fail("the test server is too old for this test")
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    spec = parse_spec({"format": "csv", "dataset": "t"})
    restricted = explain(spec, dsn=dsn, exposure=ExposedTables("public", views=False))
    assert "SET LOCAL restrict_nonsystem_relation_kind = 'view'" in restricted.session
    assert not any("restrict_nonsystem" in statement for statement in explain(spec, dsn=dsn).session)


def test_configured_datasets_and_their_columns(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id, 'x' AS name, 'secret' AS secret; CREATE VIEW v AS SELECT * FROM t")
    exposure = load_datasets(
        {
            "datasets": {
                "people": {"table": "public.t", "columns": ["name", "id"]},
                "seen": {"table": "v"},
                "asked": {"query": "SELECT id, secret FROM t", "columns": ["id"]},
            }
        }
    )

    def read(name: str, **more: object) -> bytes:
        with open_export(parse_spec({"format": "csv", "dataset": name, **more}), dsn=dsn, exposure=exposure) as chunks:
            return b"".join(chunks)

    assert read("people") == b"name,id\nx,1\n"
    assert read("seen") == b"id,name,secret\n1,x,secret\n"
    assert read("asked") == b"id\n1\n"
    for name in ("t", "public.t", "v", "nope"):
        with pytest.raises(UnknownDataset):
            read(name)
    forbidden: list[dict[str, object]] = [
        {"columns": ["secret"]},
        {"filter": [{"column": "secret", "op": "=", "value": "x"}]},
        {"orderBy": [{"column": "secret"}]},
    ]
    for name in ("people", "asked"):
        for what in forbidden:
            with pytest.raises(SpecError, match="there is no column 'secret'"):
                read(name, **what)


def test_a_wrong_configuration_says_where() -> None:
    wrong: list[tuple[dict[str, object], str]] = [
        ({"a": {"table": "t", "query": "SELECT 1"}}, "datasets.a: give either table or query"),
        ({"a": {}}, "datasets.a: give either table or query"),
        ({"a": {"table": "t", "colums": ["x"]}}, "datasets.a: unknown member 'colums'"),
        ({"a": {"table": "t", "columns": []}}, "datasets.a.columns"),
    ]
    for datasets, sentence in wrong:
        with pytest.raises(SpecError, match=sentence):
            load_datasets({"datasets": datasets})
    assert isinstance(load_datasets({}), ConfiguredDatasets)
