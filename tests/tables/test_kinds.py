"""Relations of every kind: partitions of partitions, foreign ones, inheritance, views with rules. Rights are in
``test_access.py``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from polyglot_export import SpecError, export, parse_spec
from polyglot_export.execution.opening import explain
from polyglot_export.limits import PAGES_PER_SEGMENT
from tests.library.helpers import copied, exported, filled
from tests.tables.conftest import Tables

ROWS = "SELECT g AS id, 'name ' || g AS name, g * 1.25 AS value FROM generate_series(1, 3000) AS g"


def test_partitions_of_partitions(both: Tables) -> None:
    """Other column orders, dropped columns, a default, empty leaves, leaves in another schema, and leaves of several
    segments.
    """
    both.make(
        "CREATE SCHEMA other; CREATE TABLE tree (id int, gone int, name text, value numeric) PARTITION BY RANGE (id); ALTER TABLE tree"
        " DROP gone;"
        "CREATE TABLE low PARTITION OF tree FOR VALUES FROM (0) TO (1000) PARTITION BY LIST ((id % 3));"
        "CREATE TABLE low_0 PARTITION OF low FOR VALUES IN (0); CREATE TABLE low_1 PARTITION OF low FOR VALUES IN (1) PARTITION BY"
        " HASH (name);"
        "CREATE TABLE low_1a PARTITION OF low_1 FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE low_1b PARTITION OF low_1 FOR"
        " VALUES WITH (MODULUS 2, REMAINDER 1);"
        "CREATE TABLE low_2 PARTITION OF low DEFAULT; CREATE TABLE other.middle (value numeric, extra int, id int, name text); ALTER"
        " TABLE other.middle DROP extra;"
        "ALTER TABLE tree ATTACH PARTITION other.middle FOR VALUES FROM (1000) TO (2000); CREATE TABLE never PARTITION OF tree FOR"
        " VALUES FROM (5000) TO (6000);"
        f"CREATE TABLE rest PARTITION OF tree DEFAULT; INSERT INTO tree {ROWS}; INSERT INTO tree SELECT 2500, repeat('x', 400), g FROM"
        f" generate_series(1, {25 * PAGES_PER_SEGMENT}) AS g"
    )
    assert explain(parse_spec({"format": "csv", "dataset": "tree"}), dsn=both.dsn).segments > 6
    both.same("tree", workers=3, rows=3000 + 25 * PAGES_PER_SEGMENT)
    assert exported(both.dsn, "low", workers=2) == copied(both.conn, "SELECT * FROM low")
    assert exported(both.dsn, "other.middle") == copied(both.conn, "SELECT * FROM other.middle")
    term = {"column": "id", "op": "<", "value": 500}
    assert exported(both.dsn, "tree", filter=[term]) == copied(both.conn, "SELECT * FROM tree WHERE id < 500")


def test_a_partition_attached_meanwhile(both: Tables) -> None:
    """The file is the moment in which the export was opened."""
    tables = both
    tables.make(
        f"CREATE TABLE grown (id int, name text, value numeric) PARTITION BY RANGE (id); CREATE TABLE grown_1 PARTITION OF grown"
        f" DEFAULT; INSERT INTO grown {ROWS}"
    )
    tables.make(
        "CREATE TABLE more (id int, name text, value numeric); INSERT INTO more SELECT 9000, 'new', 1 FROM generate_series(1, 10)"
    )
    expected = copied(tables.conn, "SELECT * FROM grown")
    with export(tables.dsn, "grown", workers=2) as chunks:
        with psycopg.connect(tables.dsn, autocommit=True) as other, pytest.raises(psycopg.errors.LockNotAvailable):
            # A default partition has to be locked and looked through for it.
            other.execute(
                "SET lock_timeout = '300ms'; ALTER TABLE grown ATTACH PARTITION more FOR VALUES FROM (9000) TO (9999)"
            )
        assert b"".join(chunks) == expected
    tables.make("ALTER TABLE grown ATTACH PARTITION more FOR VALUES FROM (9000) TO (9999)")
    assert tables.same("grown", rows=3010) != expected


@pytest.fixture
def servers_folder() -> Iterator[Path]:
    """A folder that the server's account can read."""
    with tempfile.TemporaryDirectory(prefix="polyglot-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_foreign_tables_and_partitions(debian_tables: Tables, servers_folder: Path) -> None:
    """A csv file by file_fdw, the same server by postgres_fdw, and a partitioned table over both and a table of its
    own.
    """
    tables = debian_tables
    file = servers_folder / "rows.csv"
    file.write_bytes(
        copied(tables.conn, "SELECT g AS id, 'from \"file\", ' || g AS name FROM generate_series(1000, 1999) AS g")
    )
    target = conninfo_to_dict(tables.dsn)
    tables.make(
        "CREATE EXTENSION file_fdw; CREATE EXTENSION postgres_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;"
        f"CREATE SERVER self FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{target['host']}', port '{target['port']}', dbname"
        f" '{target['dbname']}');"
        f"CREATE USER MAPPING FOR CURRENT_USER SERVER self OPTIONS (user '{target['user']}', password '{target['password']}');"
        "CREATE TABLE far AS SELECT g AS id, 'far ' || g AS name FROM generate_series(2000, 2999) AS g; CREATE TABLE mixed (id int,"
        " name text) PARTITION BY RANGE (id);"
        "CREATE TABLE near PARTITION OF mixed FOR VALUES FROM (0) TO (1000); INSERT INTO near SELECT g, 'near ' || g FROM"
        " generate_series(1, 999) AS g;"
        f"CREATE FOREIGN TABLE of_file PARTITION OF mixed FOR VALUES FROM (1000) TO (2000) SERVER files OPTIONS (filename '{file}',"
        f" format 'csv', header 'true');"
        "CREATE FOREIGN TABLE of_self PARTITION OF mixed FOR VALUES FROM (2000) TO (3000) SERVER self OPTIONS (table_name 'far');"
        "CREATE FOREIGN TABLE broken (id int) SERVER self OPTIONS (table_name 'nowhere')"
    )
    tables.same("of_file", rows=1000)
    tables.same("of_self", rows=1000)
    tables.same("mixed", rows=2999, workers=3)
    with pytest.raises(Exception, match="nowhere"):
        exported(tables.dsn, "broken")


def test_inheritance(both: Tables) -> None:
    """Children of children, of two parents, with more columns; and the parent's own rows among them."""
    both.make(
        "CREATE TABLE parent (id int, name text); CREATE TABLE second (id int, note text); CREATE TABLE child (extra int) INHERITS"
        " (parent);"
        "CREATE TABLE grandchild () INHERITS (child, second); INSERT INTO parent SELECT g, 'p' FROM generate_series(1, 1000) AS g;"
        "INSERT INTO child SELECT g, 'c', g FROM generate_series(1, 1000) AS g; INSERT INTO grandchild SELECT g, 'g', g, 'n' FROM"
        " generate_series(1, 1000) AS g"
    )
    both.same("parent", rows=3000, workers=3)
    both.same("child", rows=2000)
    both.same("second", rows=1000)
    both.make(
        "CREATE TABLE lonely (id int); CREATE TABLE once () INHERITS (lonely); DROP TABLE once; INSERT INTO lonely VALUES (1)"
    )
    both.same("lonely", rows=1)


def test_temporary_tables(both: Tables) -> None:
    """An export has sessions of its own: one of another session is refused, and its rows are no part of a parent."""
    both.make(
        f"CREATE TABLE lasting AS {ROWS}; CREATE TEMP TABLE passing AS {ROWS}; CREATE TEMP TABLE heir () INHERITS (lasting)"
    )
    both.make("INSERT INTO heir SELECT * FROM passing")
    with psycopg.connect(both.dsn, autocommit=True) as other:
        (schema,) = both.conn.execute(
            "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'passing'"
        ).fetchone() or ("",)
        for name in ("heir", "passing"):
            with pytest.raises(SpecError, match="temporary table of another session"):
                exported(both.dsn, f"{schema}.{name}")
        expected = copied(other, "SELECT * FROM lasting")
        assert expected.count(b"\n") == 3001
        assert copied(both.conn, "SELECT * FROM lasting") != expected
        assert exported(both.dsn, "lasting", workers=3) == expected
    both.make("DROP TABLE heir, passing")


def test_unlogged_tables_and_materialized_views(both: Tables) -> None:
    both.make(
        f"CREATE UNLOGGED TABLE unlogged AS {ROWS}; CREATE MATERIALIZED VIEW stored AS {ROWS}; CREATE MATERIALIZED VIEW not_yet AS"
        f" {ROWS} WITH NO DATA"
    )
    both.same("unlogged", rows=3000)
    both.same("stored", rows=3000)
    with pytest.raises(Exception, match="not been populated"):
        exported(both.dsn, "not_yet")


def test_views(both: Tables) -> None:
    """Plain, over views, with a rule, with INSTEAD OF, security barrier, recursive, with a function that sets its own
    columns.
    """
    both.make(
        f"CREATE TABLE base AS {ROWS}; CREATE VIEW simple AS SELECT value, id FROM base WHERE id % 7 = 0 ORDER BY id DESC; CREATE VIEW"
        f" over AS SELECT id + 1 AS next, * FROM simple;"
        "CREATE VIEW ruled AS SELECT id, name FROM base WHERE id < 10; CREATE RULE no_delete AS ON DELETE TO ruled DO INSTEAD NOTHING;"
        "CREATE RULE also AS ON INSERT TO base DO ALSO NOTHING; CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM base"
        " WHERE id BETWEEN 5 AND 50;"
        "CREATE RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 100; CREATE VIEW nothing AS"
        " SELECT FROM base WHERE id < 3;"
        "CREATE VIEW typed AS SELECT NULL AS unknown, 'x' AS literal, 1.5 AS n, '{}'::json AS j FROM generate_series(1, 2)"
    )
    for name, rows in (("simple", 428), ("over", 428), ("ruled", 9), ("barrier", 46), ("counted", 100), ("typed", 2)):
        both.same(name, rows=rows)
    both.same("nothing", rows=2, parquet=False)


def test_workers_do_not_show(both: Tables) -> None:
    """Every format, with compression too, over a table of several segments."""
    tables = both
    filled(tables.conn, "cut", 3 * PAGES_PER_SEGMENT + 7)
    tables.make("DELETE FROM cut WHERE id % 11 = 0")
    for what in (
        {"format": "csv"},
        {"format": "json", "compression": "zstd"},
        {"format": "xml"},
        {"format": "ndjson", "compression": "gzip"},
    ):
        one, two, five = (exported(tables.dsn, "cut", workers=workers, **what) for workers in (1, 2, 5))
        assert len(one) == len(two) == len(five), what
        assert one == two == five, what
