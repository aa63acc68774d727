"""Everything in which a partition that is read by its own name differs from the same partition read by its table's
name: what counts is what the server gives for the table.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from polyglot_export import explain
from tests.library.helpers import as_role, copied, exported, ndjson, new_role
from tests.tables.conftest import Tables

FILLED = "SELECT g % 30 AS k, 'n' || g AS n FROM generate_series(1, 300) AS g"

OWN_EXPRESSIONS = 160000
"""``server_version_num`` of the first version in which a partition or a child may have an expression of its own."""


def _has_virtual_columns(tables: Tables) -> bool:
    """PostgreSQL 18 brought generated columns that are computed as they are read."""
    return tables.conn.info.server_version >= 180000


def _scans(dsn: str, name: str, **more: Any) -> tuple[list[str], str]:
    plan = explain(dsn, name, **more)
    return [scan.relation.partition(".")[2] for scan in plan.scans], " ".join(plan.notes)


def _expressions(kind: str, name: str) -> str:
    """A table with partitions of two levels, each with an expression of its own."""
    made = f"GENERATED ALWAYS AS ('%s' || k) {kind}"
    return (
        f"CREATE TABLE {name} (k int, n text, c text {made % 'parent'}) PARTITION BY RANGE (k);"
        f"CREATE TABLE {name}_same PARTITION OF {name} FOR VALUES FROM (0) TO (10);"
        f"CREATE TABLE {name}_other PARTITION OF {name} (c {made % 'child'}) FOR VALUES FROM (10) TO (20);"
        f"CREATE TABLE {name}_below PARTITION OF {name} (c {made % 'middle'}) FOR VALUES FROM (20) TO (30)"
        " PARTITION BY RANGE (k);"
        f"CREATE TABLE {name}_leaf PARTITION OF {name}_below DEFAULT; INSERT INTO {name} (k, n) {FILLED}"
    )


def test_a_partition_with_another_virtual_column(both: Tables) -> None:
    """The table's expression is used for every row of it, that of the partition where the partition is named."""
    if not _has_virtual_columns(both):
        with pytest.raises(psycopg.errors.SyntaxError):
            both.make(_expressions("VIRTUAL", "virtually"))
        return
    both.make(_expressions("VIRTUAL", "virtually"))
    found = both.same("virtually", rows=300, workers=3)
    assert found.count(b",parent") == 300
    assert both.same("virtually_other").count(b",child") == 100
    assert both.same("virtually_below").count(b",middle") == 100
    for condition, value in (("=", "parent11"), ("like", "parent%"), ("like", "child%"), ("like", "middle%")):
        term = {"column": "c", "op": condition, "value": value}
        expected = copied(both.conn, f"SELECT * FROM virtually WHERE c {condition} '{value}'")
        assert exported(both.dsn, "virtually", filter=[term]) == expected
        only = exported(both.dsn, "virtually", filter=[term], columns=["k"])
        assert only == copied(both.conn, f"SELECT k FROM virtually WHERE c {condition} '{value}'")
    scans, notes = _scans(both.dsn, "virtually")
    assert scans == ["virtually"]
    assert 'another expression for the generated column "c"' in notes
    # Where the column is not read, nothing differs.
    assert len(_scans(both.dsn, "virtually", columns=["k", "n"])[0]) == 3


def test_partitions_with_the_same_virtual_column(both: Tables) -> None:
    """They are read one by one, whatever the order of their columns."""
    kind = "VIRTUAL" if _has_virtual_columns(both) else "STORED"
    made = f"GENERATED ALWAYS AS (k * 2) {kind}"
    both.make(
        f"CREATE TABLE alike (k int, n text, c int {made}) PARTITION BY RANGE (k);"
        f"CREATE TABLE alike_1 PARTITION OF alike FOR VALUES FROM (0) TO (10);"
        f"CREATE TABLE alike_2 (gone int, c int {made}, n text, k int); ALTER TABLE alike_2 DROP gone;"
        f"ALTER TABLE alike ATTACH PARTITION alike_2 FOR VALUES FROM (10) TO (30); INSERT INTO alike (k, n) {FILLED}"
    )
    both.same("alike", rows=300)
    assert _scans(both.dsn, "alike")[0] == ["alike_1", "alike_2"]


def test_the_same_words_for_another_cast(both: Tables) -> None:
    """A cast without words calls the function that it had when the expression was made."""
    kind = "VIRTUAL" if _has_virtual_columns(both) else "STORED"
    both.make(
        "CREATE TYPE pair AS (a int, b int);"
        "CREATE FUNCTION first(pair) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1.a';"
        "CREATE FUNCTION second(pair) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1.b';"
    )
    made = f"c int GENERATED ALWAYS AS (p) {kind}"
    if kind == "VIRTUAL":
        # Virtual columns must not use functions of users; then a cast without words is one of the server.
        both.make("CREATE CAST (pair AS int) WITH FUNCTION first(pair) AS ASSIGNMENT")
        with pytest.raises(psycopg.errors.FeatureNotSupported, match="user-defined"):
            both.make(f"CREATE TABLE casts (k int, p pair, {made}) PARTITION BY RANGE (k)")
        return
    both.make(
        f"CREATE CAST (pair AS int) WITH FUNCTION first(pair) AS ASSIGNMENT;"
        f"CREATE TABLE casts (k int, p pair, {made}) PARTITION BY RANGE (k); DROP CAST (pair AS int);"
        f"CREATE CAST (pair AS int) WITH FUNCTION second(pair) AS ASSIGNMENT;"
        f"CREATE TABLE casts_1 (k int, p pair, {made}); ALTER TABLE casts ATTACH PARTITION casts_1 DEFAULT;"
        "INSERT INTO casts (k, p) VALUES (1, '(1,2)')"
    )
    both.same("casts", rows=1)


def test_a_partition_with_another_stored_column(both: Tables) -> None:
    """What is stored is the same by either name, so that the partitions are read one by one."""
    if both.conn.info.server_version < OWN_EXPRESSIONS:
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            both.make(_expressions("STORED", "stored"))
        return
    both.make(_expressions("STORED", "stored"))
    found = both.same("stored", rows=300)
    assert (found.count(b",parent"), found.count(b",child"), found.count(b",middle")) == (100, 100, 100)
    assert len(_scans(both.dsn, "stored")[0]) == 3
    for value in ("parent%", "child%", "middle%"):
        term = {"column": "c", "op": "like", "value": value}
        expected = copied(both.conn, f"SELECT * FROM stored WHERE c LIKE '{value}'")
        assert exported(both.dsn, "stored", filter=[term]) == expected


def test_children_with_another_virtual_column(both: Tables) -> None:
    """Tables that inherit are read by their parent's name, where its expressions count too."""
    kind = "VIRTUAL" if _has_virtual_columns(both) else "STORED"
    own = "c text GENERATED ALWAYS AS ('child')" if both.conn.info.server_version >= OWN_EXPRESSIONS else ""
    both.make(
        f"CREATE TABLE elder (k int, c text GENERATED ALWAYS AS ('parent') {kind});"
        f"CREATE TABLE younger ({own and f'{own} {kind}'}) INHERITS (elder);"
        "INSERT INTO elder VALUES (1); INSERT INTO younger VALUES (2)"
    )
    found = both.same("elder", rows=2)
    assert found.endswith(b"2,child\n" if own and kind == "STORED" else b"2,parent\n")
    assert both.same("younger", rows=1).endswith(b"2,child\n" if own else b"2,parent\n")


def test_defaults_of_added_columns(both: Tables) -> None:
    """Rows that are older than the column have the value that the catalogue keeps for their own partition."""
    both.make(
        "CREATE TABLE added (k int, n text) PARTITION BY RANGE (k); CREATE TABLE added_1 PARTITION OF added FOR VALUES"
        " FROM (0) TO (10);"
        f"CREATE TABLE added_2 (n text, k int); INSERT INTO added SELECT * FROM ({FILLED}) AS f WHERE k < 10;"
        "INSERT INTO added_2 SELECT 'x', g FROM generate_series(10, 29) AS g;"
        "ALTER TABLE added_2 ADD v text DEFAULT 'of the partition', ADD w numeric DEFAULT 2.50;"
        "ALTER TABLE added ADD v text DEFAULT 'of the table', ADD w numeric DEFAULT 1.5;"
        "ALTER TABLE added ATTACH PARTITION added_2 FOR VALUES FROM (10) TO (30);"
        "ALTER TABLE added_1 ALTER v SET DEFAULT 'another'; ALTER TABLE added ADD x int DEFAULT 7;"
        "ALTER TABLE ONLY added ALTER x SET DEFAULT 8; INSERT INTO added (k) VALUES (3), (12)"
    )
    found = both.same("added", rows=122)
    assert found.count(b",of the table,1.5,7\n") == 100
    assert found.count(b",of the partition,2.50,7\n") == 20
    assert _scans(both.dsn, "added")[0] == ["added_1", "added_2"]
    for value in ("of the table", "of the partition", "another"):
        term = {"column": "v", "op": "=", "value": value}
        expected = copied(both.conn, f"SELECT * FROM added WHERE v = '{value}'")
        assert exported(both.dsn, "added", filter=[term]) == expected


def test_what_a_partition_must_share_with_its_table(both: Tables) -> None:
    """Types, modifiers, collations, and which columns are generated: the server lets no partition differ, so that a
    partition read by its own name gives and compares the same values.
    """
    both.make(
        'CREATE DOMAIN d AS int CHECK (VALUE > 0); CREATE TABLE must (k int, t text COLLATE "C", v varchar(5), e d,'
        " g int GENERATED ALWAYS AS (1) STORED) PARTITION BY RANGE (k)"
    )
    for differs in (
        't text COLLATE "POSIX", v varchar(5), e d, g int GENERATED ALWAYS AS (1) STORED',
        't text COLLATE "C", v varchar(6), e d, g int GENERATED ALWAYS AS (1) STORED',
        't text COLLATE "C", v varchar(5), e int, g int GENERATED ALWAYS AS (1) STORED',
        't text COLLATE "C", v varchar(5), e d, g int',
        't text COLLATE "C", v varchar(5), e d, more int, g int GENERATED ALWAYS AS (1) STORED',
    ):
        both.make(f"CREATE TABLE differs (k int, {differs})")
        with pytest.raises((psycopg.errors.DatatypeMismatch, psycopg.errors.CollationMismatch)):
            both.make("ALTER TABLE must ATTACH PARTITION differs DEFAULT")
        both.make("DROP TABLE differs")


def test_constraints_and_defaults_of_a_partition(both: Tables) -> None:
    """Constraints of one's own, not yet valid ones, rules and triggers change no row that is read."""
    both.make(
        f"CREATE TABLE ruled (k int, n text) PARTITION BY RANGE (k); CREATE TABLE ruled_1 PARTITION OF ruled FOR VALUES"
        f" FROM (0) TO (10); CREATE TABLE ruled_2 PARTITION OF ruled DEFAULT; INSERT INTO ruled {FILLED};"
        "INSERT INTO ruled VALUES (5, NULL), (15, NULL);"
        "ALTER TABLE ruled_1 ADD CONSTRAINT never CHECK (n = 'none') NOT VALID, ALTER n SET DEFAULT 'x';"
        "ALTER TABLE ruled_2 ADD CONSTRAINT not_null CHECK (n IS NOT NULL) NOT VALID;"
        "CREATE RULE nothing AS ON UPDATE TO ruled_1 DO INSTEAD NOTHING;"
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER never BEFORE UPDATE ON ruled_2 FOR EACH ROW EXECUTE FUNCTION never()"
    )
    both.same("ruled", rows=302)
    assert _scans(both.dsn, "ruled")[0] == ["ruled_1", "ruled_2"]
    for op, condition in (("isNull", "IS NULL"), ("isNotNull", "IS NOT NULL")):
        expected = copied(both.conn, f"SELECT * FROM ruled WHERE n {condition}")
        assert exported(both.dsn, "ruled", filter=[{"column": "n", "op": op}]) == expected


def test_a_security_label(both: Tables) -> None:
    """A provider of labels (one that masks columns, say) looks at the relation that a statement names."""
    both.make(
        f"CREATE TABLE labelled (k int, n text) PARTITION BY RANGE (k); CREATE TABLE labelled_1 PARTITION OF labelled"
        f" DEFAULT; INSERT INTO labelled {FILLED}"
    )
    assert _scans(both.dsn, "labelled")[0] == ["labelled_1"]
    for relation, column in (("labelled", 2), ("labelled_1", 0)):
        # There is no provider here; SECURITY LABEL would store what it accepts in this row.
        both.make(
            "SET allow_system_table_mods = on; INSERT INTO pg_catalog.pg_seclabel VALUES"
            f" ('{relation}'::regclass, 'pg_class'::regclass, {column}, 'anon', 'MASKED WITH VALUE NULL')"
        )
        scans, notes = _scans(both.dsn, "labelled")
        assert scans == ["labelled"]
        assert "security label" in notes
        both.same("labelled", rows=300)
        both.make(f"DELETE FROM pg_catalog.pg_seclabel WHERE objoid = '{relation}'::regclass")
    assert _scans(both.dsn, "labelled")[0] == ["labelled_1"]


def test_a_partition_in_a_schema_that_the_login_may_not_use(both: Tables) -> None:
    """By its table's name it can be read, by its own name it cannot."""
    both.make(
        f"CREATE SCHEMA hidden; CREATE TABLE open_table (k int, n text) PARTITION BY RANGE (k); CREATE TABLE"
        f" hidden.leaf PARTITION OF open_table DEFAULT; INSERT INTO open_table {FILLED}"
    )
    with new_role(both.conn, "outside") as role:
        both.make(f"GRANT SELECT ON open_table, hidden.leaf TO {role}")
        dsn = as_role(both.dsn, role)
        with psycopg.connect(dsn, autocommit=True) as conn:
            expected = copied(conn, "SELECT * FROM open_table")
            assert expected.count(b"\n") == 301
            assert exported(dsn, "open_table", workers=2) == expected
            assert exported(dsn, "open_table", format="ndjson") == ndjson(conn, "SELECT * FROM open_table")
