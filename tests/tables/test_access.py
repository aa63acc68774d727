"""Row-level security, grants on columns and views that guard: each login gets what COPY gives to it, on each server.

What is asked of the planner beside it (which relations are read, and whether they are cut) is in
``tests/library/test_rights.py``.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pyarrow.parquet as pq
import pytest

from polyglot_export import AccessDenied, parse_spec
from polyglot_export.execution.opening import explain
from polyglot_export.limits import PAGES_PER_SEGMENT
from tests.library.helpers import as_role, copied, exported, ndjson, new_role
from tests.tables.conftest import Tables

ROWS = "SELECT g AS id, 'o' || g % 3 AS owner, g * 1.25 AS value FROM generate_series(1, 1000) AS g"


class Login:
    """A login that owns nothing and may do nothing yet, compared with what the server gives to it."""

    def __init__(self, dsn: str, role: str, conn: psycopg.Connection) -> None:
        self.dsn = dsn
        self.role = role
        self.conn = conn

    def gets(self, name: str, rows: int, *columns: str) -> None:
        """The rows of COPY in every format, and as many as the test means."""
        query = f"SELECT {', '.join(columns) or '*'} FROM {name}"
        chosen = {"columns": list(columns)} if columns else {}
        expected = copied(self.conn, query)
        assert expected.count(b"\n") - 1 == rows, f"the test means another number of rows of {name}"
        assert exported(self.dsn, name, workers=3, **chosen) == expected, name
        assert exported(self.dsn, name, format="ndjson", workers=2, **chosen) == ndjson(self.conn, query), name
        file = exported(self.dsn, name, format="parquet", workers=2, **chosen)
        assert pq.read_metadata(io.BytesIO(file)).num_rows == rows, name

    def is_refused(self, name: str, *columns: str) -> None:
        """Neither COPY nor the export gives anything."""
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            copied(self.conn, f"SELECT {', '.join(columns) or '*'} FROM {name}")
        with pytest.raises(AccessDenied):
            exported(self.dsn, name, **({"columns": list(columns)} if columns else {}))


@contextmanager
def _login(tables: Tables, name: str, attributes: str = "") -> Iterator[Login]:
    with new_role(tables.conn, name, attributes) as role:
        dsn = as_role(tables.dsn, role)
        with psycopg.connect(dsn, autocommit=True) as conn:
            yield Login(dsn, role, conn)


@pytest.fixture(scope="module")
def guarded(both: Tables) -> Tables:
    """A tree with a policy on the root and one on a leaf; a leaf of several segments; a table of rows without any
    policy.
    """
    both.make(
        f"CREATE TABLE guarded (id int, owner text, value numeric) PARTITION BY RANGE (id);"
        f"CREATE TABLE guarded_low PARTITION OF guarded FOR VALUES FROM (0) TO (500) WITH (fillfactor = 10);"
        f"CREATE TABLE guarded_rest PARTITION OF guarded DEFAULT PARTITION BY LIST (owner);"
        f"CREATE TABLE guarded_2 PARTITION OF guarded_rest FOR VALUES IN ('o2');"
        f"CREATE TABLE guarded_others PARTITION OF guarded_rest DEFAULT; INSERT INTO guarded {ROWS};"
        f"INSERT INTO guarded SELECT 0, 'o' || g % 3, g FROM generate_series(1, {20 * PAGES_PER_SEGMENT}) AS g;"
        f"CREATE VIEW through AS SELECT * FROM guarded;"
        f"ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON guarded FOR SELECT USING (owner = 'o1' OR id = 5);"
        f"ALTER TABLE guarded_2 ENABLE ROW LEVEL SECURITY; CREATE POLICY high ON guarded_2 FOR SELECT USING (id > 900)"
    )
    return both


def test_policies_of_parent_and_leaf(guarded: Tables) -> None:
    """Those of the relation that is named apply, and no others: a leaf read directly has its own only, as with
    SELECT.
    """
    low = 20 * PAGES_PER_SEGMENT
    with _login(guarded, "reader") as login:
        guarded.make(
            f"GRANT SELECT ON guarded, guarded_low, guarded_rest, guarded_2, guarded_others, through TO {login.role}"
        )
        login.gets("guarded", 1 + 334 + (low + 2) // 3)
        login.gets("guarded_low", 499 + low)
        login.gets("guarded_rest", 501)
        login.gets("guarded_2", 33)
        login.gets("guarded_others", 334)
        login.gets("through", 1000 + low)
        plan = explain(parse_spec({"format": "csv", "dataset": "guarded"}), dsn=login.dsn)
        assert [scan.relation for scan in plan.scans] == ["public.guarded"]
        assert plan.segments == 1
    assert explain(parse_spec({"format": "csv", "dataset": "guarded_low"}), dsn=guarded.dsn).segments > 1, (
        "there is something to cut"
    )
    guarded.same("guarded", workers=3, rows=1000 + low)
    with _login(guarded, "exempt", "BYPASSRLS") as login:
        guarded.make(f"GRANT SELECT ON guarded, guarded_low, guarded_2 TO {login.role}")
        login.gets("guarded", 1000 + low)
        login.gets("guarded_2", 167)


def test_a_leaf_cannot_be_read_by_a_grant_on_its_parent(guarded: Tables) -> None:
    with _login(guarded, "outer") as login:
        guarded.make(f"GRANT SELECT ON guarded TO {login.role}")
        login.gets("guarded", 1 + 334 + (20 * PAGES_PER_SEGMENT + 2) // 3)
        login.is_refused("guarded_low")


def test_policies_of_every_kind(both: Tables) -> None:
    """None at all, for another role, restrictive, by the login's name, by another table, forced on the owner, on an
    inheritance parent.
    """
    with _login(both, "clerk") as login, _login(both, "holder") as holder:
        both.make(
            f"CREATE TABLE no_policy AS {ROWS}; ALTER TABLE no_policy ENABLE ROW LEVEL SECURITY; CREATE TABLE restricted AS {ROWS};"
            f"ALTER TABLE restricted ENABLE ROW LEVEL SECURITY; CREATE POLICY a ON restricted USING (owner = 'o1');"
            f"CREATE POLICY b ON restricted USING (owner = 'o2'); CREATE POLICY c ON restricted AS RESTRICTIVE USING (id <= 300);"
            f"CREATE POLICY d ON restricted TO {holder.role} USING (true);"
            f"CREATE TABLE named AS SELECT g AS id, CASE g % 2 WHEN 0 THEN '{login.role}' END AS owner FROM generate_series(1, 9) AS g;"
            f"ALTER TABLE named ENABLE ROW LEVEL SECURITY; CREATE POLICY me ON named USING (owner = current_user);"
            f"CREATE TABLE allowed AS SELECT 7 AS id; CREATE TABLE looked_up AS {ROWS}; ALTER TABLE looked_up ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY those ON looked_up USING (id IN (SELECT id FROM allowed));"
            f"CREATE TABLE owned AS {ROWS}; ALTER TABLE owned OWNER TO {holder.role}; ALTER TABLE owned ENABLE ROW LEVEL SECURITY;"
            f"CREATE TABLE forced AS {ROWS}; ALTER TABLE forced OWNER TO {holder.role}; ALTER TABLE forced ENABLE ROW LEVEL SECURITY,"
            f" FORCE ROW LEVEL SECURITY; CREATE POLICY few ON forced USING (id < 10);"
            f"CREATE TABLE parent AS {ROWS}; CREATE TABLE child () INHERITS (parent); INSERT INTO child {ROWS};"
            f"ALTER TABLE parent ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON parent USING (owner = 'o1');"
            f"ALTER TABLE child ENABLE ROW LEVEL SECURITY; CREATE POLICY two ON child USING (owner = 'o2');"
            f"GRANT SELECT ON no_policy, restricted, named, allowed, looked_up, owned, forced, parent, child TO {login.role}"
        )
        login.gets("no_policy", 0)
        login.gets("restricted", 200)
        login.gets("named", 4)
        login.gets("looked_up", 1)
        login.gets("owned", 0)
        login.gets("parent", 668)
        login.gets("child", 333)
        holder.gets("owned", 1000)
        holder.gets("forced", 9)


def test_grants_on_some_columns(both: Tables) -> None:
    """Of a table, of a partitioned table (no grant on its leaves, or on some), of a parent, of a view, beside a dropped
    column.
    """
    both.make(
        f"CREATE TABLE plain AS SELECT 1 AS gone, * FROM ({ROWS}) AS rows; ALTER TABLE plain DROP gone;"
        f"CREATE TABLE tree (id int, owner text, value numeric) PARTITION BY LIST (owner); CREATE TABLE tree_0 PARTITION OF tree FOR"
        f" VALUES IN ('o0'); CREATE TABLE tree_1 (value numeric, owner text, id int); ALTER TABLE tree ATTACH PARTITION tree_1 DEFAULT;"
        f"INSERT INTO tree {ROWS}; CREATE TABLE elder AS {ROWS}; CREATE TABLE younger (more int) INHERITS (elder);"
        f"INSERT INTO younger {ROWS}; CREATE VIEW seen AS SELECT * FROM plain; CREATE MATERIALIZED VIEW stored AS SELECT * FROM plain"
    )
    rows = {"plain": 1000, "tree": 1000, "elder": 2000, "seen": 1000, "stored": 1000}
    with _login(both, "clerk") as login:
        for name, count in rows.items():
            both.make(f"GRANT SELECT (id, value) ON {name} TO {login.role}")
            login.gets(name, count, "value", "id")
            login.gets(name, count, "id")
            login.is_refused(name)
            login.is_refused(name, "id", "owner")
            for what in ({"filter": [{"column": "owner", "op": "=", "value": "o1"}]}, {"order_by": ["owner"]}):
                with pytest.raises(AccessDenied):
                    exported(login.dsn, name, columns=["id"], **what)
        login.is_refused("tree_1", "id")
        login.is_refused("younger", "id")
        both.make(f"GRANT SELECT ON tree_0 TO {login.role}; GRANT SELECT (owner) ON tree_1 TO {login.role}")
        login.gets("tree", 1000, "value", "id")
        login.gets("tree_0", 333)
        login.gets("tree_1", 667, "owner")
        login.is_refused("tree_1", "id")


def test_grants_that_are_revoked(both: Tables) -> None:
    """A column's REVOKE takes nothing from a grant on the table; a table's REVOKE takes the grants on its columns
    too.
    """
    both.make(f"CREATE TABLE revoked AS {ROWS}; CREATE SCHEMA closed; CREATE TABLE closed.inside AS {ROWS}")
    with _login(both, "clerk") as login:
        login.is_refused("revoked")
        both.make(f"GRANT SELECT ON revoked TO {login.role}; REVOKE SELECT (owner) ON revoked FROM {login.role}")
        login.gets("revoked", 1000)
        both.make(f"GRANT SELECT (id) ON revoked TO {login.role}; REVOKE SELECT ON revoked FROM {login.role}")
        login.is_refused("revoked")
        login.is_refused("revoked", "id")
        both.make(f"GRANT SELECT ON closed.inside TO {login.role}; GRANT USAGE ON SCHEMA closed TO {login.role}")
        login.gets("closed.inside", 1000)
        both.make(f"REVOKE USAGE ON SCHEMA closed FROM {login.role}")
        login.is_refused("closed.inside")
        both.make("GRANT SELECT ON revoked TO PUBLIC")
        login.gets("revoked", 1000)


def test_views_that_guard(both: Tables) -> None:
    """A barrier, a view of another owner (whose policies count), one with the rights of who reads it, and that inside
    another.
    """
    if both.conn.info.server_version < 150000:
        pytest.skip("views with the rights of who reads them came with 15")
    both.make(
        f"CREATE TABLE secrets AS {ROWS}; CREATE VIEW barrier WITH (security_barrier) AS SELECT id, value FROM secrets WHERE owner = 'o1';"
        f"CREATE VIEW invoked WITH (security_invoker) AS SELECT id, owner FROM secrets;"
        f"CREATE VIEW outer_barrier WITH (security_barrier) AS SELECT id FROM invoked WHERE id <= 500"
    )
    with _login(both, "reader") as login, _login(both, "holder") as holder:
        both.make(
            f"CREATE VIEW of_holder AS SELECT * FROM secrets; ALTER VIEW of_holder OWNER TO {holder.role};"
            f"ALTER TABLE secrets ENABLE ROW LEVEL SECURITY; CREATE POLICY held ON secrets TO {holder.role} USING (owner = 'o2');"
            f"CREATE POLICY early ON secrets TO {login.role} USING (id <= 100);"
            f"GRANT SELECT ON barrier, of_holder, invoked, outer_barrier TO {login.role}"
        )
        login.gets("barrier", 334)
        login.is_refused("of_holder")
        login.is_refused("invoked")
        login.is_refused("secrets")
        both.make(f"GRANT SELECT ON secrets TO {holder.role}; GRANT SELECT (id, owner) ON secrets TO {login.role}")
        login.gets("of_holder", 333)
        login.gets("invoked", 100)
        login.gets("secrets", 100, "owner", "id")
        login.is_refused("secrets")
        login.gets("outer_barrier", 100)
        term = {"column": "id", "op": "<=", "value": 10}
        expected = copied(login.conn, "SELECT * FROM barrier WHERE id <= 10")
        assert expected.count(b"\n") == 5
        assert exported(login.dsn, "barrier", filter=[term]) == expected
