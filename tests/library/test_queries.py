"""SQL queries: parsed alone, wrapped, and refused where they are more than one reading statement."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from polyglot_export import (
    AccessDenied,
    Format,
    SpecError,
    UnknownDataset,
    explain,
    export,
    open_export,
    parse_spec,
)
from polyglot_export.access.configured import ConfiguredDatasets, Dataset
from polyglot_export.sources.query import trim
from tests.library.helpers import as_role, copied, exported, exported_rows, ndjson, new_role


@pytest.fixture
def anyones_folder() -> Iterator[Path]:
    """A folder that the server's user can write to; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="polyglot-test-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


GOOD = {
    "simple": "SELECT g AS id, 'x' || g AS name FROM generate_series(1, 100) AS g",
    "semicolon": "SELECT 1 AS a;",
    "semicolons_and_comment": "SELECT 1 AS a ; ; -- the end; really\n /* and; /* nested */ more */ ",
    "trailing_comment": "SELECT 1 AS a -- nothing follows",
    "semicolon_in_strings": "SELECT ';' AS a, $$;--$$ AS b, $x$ $$;$x$ AS c, E'\\';' AS d, ';''' AS \";\"",
    "values": "VALUES (1, 'a'), (2, NULL)",
    "table": "TABLE t",
    "with": "WITH x AS (SELECT 1 AS a) SELECT a, a + 1 AS b FROM x",
    "with_recursive": "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x WHERE n < 10) SELECT * FROM x",
    "union_and_order": "SELECT 2 AS a UNION ALL SELECT 1 ORDER BY a LIMIT 5",
    "parenthesised": "((SELECT 1 AS a))",
    "record": "SELECT ROW(1, NULL, 'x') AS r, ARRAY[ROW(1, 2)] AS rs",
    "void": "SELECT pg_sleep(0) AS v",
    "untyped": "SELECT 'x' AS a, NULL AS b",
}


@pytest.mark.parametrize("name", GOOD)
def test_a_query_gives_what_the_server_gives(dsn: str, conn: psycopg.Connection, name: str) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    oracle = GOOD[name].replace("; ; -- the end; really\n /* and; /* nested */ more */ ", "").rstrip(";") + "\n"
    assert exported(dsn, query=GOOD[name]) == copied(conn, oracle)
    assert exported(dsn, query=GOOD[name], format="ndjson") == ndjson(conn, oracle)


BAD = {
    # It reads what it is given: one that has ended before the server writes to it would break the pipe.
    "a program": "select 1) to program 'cat > {path}' --",
    "a program behind a semicolon": "select 1; copy (select 1) to program 'touch {path}'",
    "a program in a second line": "select 1)\nto program 'touch {path}'; --",
    "a comment left open": "select 1) to program 'touch {path}' /*",
    "a string left open": "select 1) to program 'touch {path}' where '",
    "two statements": "SELECT 1; SELECT 2",
    "two statements, one empty": "SELECT 1; DROP TABLE t; ",
    "a parameter": "SELECT $1::int",
    "no columns": "SELECT FROM t",
    "nothing": "",
    "only a comment": "-- nothing",
    "insert": "INSERT INTO t VALUES (2)",
    "insert returning": "INSERT INTO t VALUES (2) RETURNING id",
    "update returning": "UPDATE t SET id = 2 RETURNING id",
    "delete returning": "DELETE FROM t RETURNING id",
    "a data-modifying CTE": "WITH x AS (DELETE FROM t RETURNING id) SELECT * FROM x",
    "for update": "SELECT * FROM t FOR UPDATE",
    "for share in a subquery": "SELECT * FROM (SELECT * FROM t FOR SHARE) AS x",
    "select into": "SELECT 1 AS a INTO other",
    "create table as": "CREATE TABLE other AS SELECT 1",
    "explain": "EXPLAIN SELECT 1",
    "show": "SHOW search_path",
    "copy": "COPY t TO PROGRAM 'touch {path}'",
    "do": "DO $$BEGIN DELETE FROM t; END$$",
    "commit": "COMMIT",
    "transaction": "BEGIN; SELECT 1; COMMIT",
    "call": "CALL p()",
    "set": "SET ROLE postgres",
    "a syntax error": "SELEC 1",
    "a division by zero": "SELECT 1 WHERE 'x'::int = 1",
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused_and_nothing_ran(
    dsn: str, conn: psycopg.Connection, anyones_folder: Path, name: str
) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id; CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM t'")
    ran = anyones_folder / "ran"
    with pytest.raises(SpecError) as raised:
        exported(dsn, query=BAD[name].format(path=ran) or None)
    assert raised.value.field in {"query", "dataset"}
    assert "\n" not in str(raised.value)
    assert not ran.exists()
    tables = conn.execute(
        "SELECT string_agg(relname, ',') FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    ).fetchone()
    assert tables == ("t",)
    assert conn.execute("SELECT id FROM t").fetchall() == [(1,)]


def test_the_attack_would_work_where_text_is_pasted(conn: psycopg.Connection, anyones_folder: Path) -> None:
    """The test above can fail: pasted into COPY unseen, the first query does run its program."""
    ran = anyones_folder / "ran"
    pasted = BAD["a program"].format(path=ran)
    conn.execute(f"COPY ({pasted}) TO STDOUT".encode())
    assert ran.exists()


def test_sentences_for_people(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    sentences = {
        "SELECT 1; SELECT 2": "one statement",
        "SELECT $1::int": "parameters",
        "WITH x AS (DELETE FROM t RETURNING id) SELECT * FROM x": "writes",
        "INSERT INTO t VALUES (2) RETURNING id": "only reads",
        "SELECT * FROM t FOR UPDATE": "only read",
        "SELECT FROM t": "no columns",
        "SELECT nope FROM t": 'column "nope" does not exist',
    }
    for query, sentence in sentences.items():
        with pytest.raises(SpecError, match=sentence):
            exported(dsn, query=query)
    with pytest.raises(UnknownDataset, match='relation "nowhere" does not exist'):
        exported(dsn, query="SELECT * FROM nowhere")


def test_a_query_can_be_narrowed_like_a_table(dsn: str, conn: psycopg.Connection) -> None:
    query = "SELECT g AS id, g % 3 AS rest, g AS id2 FROM generate_series(1, 100) AS g"
    got = exported(
        dsn,
        query=query,
        columns={"id": "number", "rest": "rest"},
        filter=[{"column": "rest", "op": "=", "value": 1}],
        order_by=[{"column": "id", "direction": "desc"}],
        limit=5,
    )
    assert got == copied(conn, f"SELECT id AS number, rest FROM ({query}) AS q WHERE rest = 1 ORDER BY id DESC LIMIT 5")


REPEATED = {
    "a star of each": "SELECT x.*, y.* FROM (SELECT 1 AS id, 'a' AS name) AS x JOIN (SELECT 1 AS id, 'b' AS b) AS y USING (id)"
    " JOIN (SELECT 1 AS id, 2 AS c) AS z USING (id)",
    "names that nobody gave": "SELECT 1, 'x', NULL",
    "one name for three types": "SELECT 1 AS a, DATE '2020-01-02' AS a, ARRAY[1, NULL] AS a, 2 AS b",
}


@pytest.mark.parametrize("name", REPEATED)
def test_columns_of_the_same_name_are_written_as_copy_does(dsn: str, conn: psycopg.Connection, name: str) -> None:
    query = REPEATED[name]
    assert exported(dsn, query=query) == copied(conn, query)
    assert exported(dsn, query=query, format="tsv") == copied(conn, query, "HEADER, DELIMITER E'\\t'")
    limited = f"SELECT * FROM ({query}) AS q LIMIT 1"
    assert exported(dsn, query=query, limit=1, compression=None) == copied(conn, limited)


@pytest.mark.parametrize("format_", [format_ for format_ in Format if not format_.record.repeated_names])
def test_columns_of_the_same_name_are_refused_where_values_have_names(dsn: str, format_: Format) -> None:
    with pytest.raises(SpecError) as raised:
        exported(dsn, query="SELECT 1 AS b, 2 AS a, 3 AS a", format=format_)
    assert raised.value.field == "query"
    assert raised.value.reason == (
        f"two columns are called 'a', and {format_.record.title} needs another name for each;"
        " rename one with AS, or choose columns and rename them"
    )


def test_a_configured_query_with_columns_of_the_same_name(dsn: str) -> None:
    exposure = ConfiguredDatasets({"twice": Dataset(query="SELECT 1 AS a, 2 AS a")})
    with open_export(parse_spec({"format": "csv", "dataset": "twice"}), dsn=dsn, exposure=exposure) as chunks:
        assert b"".join(chunks) == b"a,a\n1,2\n"
    with pytest.raises(SpecError, match=r"^dataset: two columns are called 'a'"):
        open_export(parse_spec({"format": "json", "dataset": "twice"}), dsn=dsn, exposure=exposure)


def test_columns_of_the_same_name_can_still_be_told_apart(dsn: str) -> None:
    query = "SELECT 1 AS a, 2 AS a, 3 AS b"
    assert exported_rows(dsn, query=query, columns=["b"]) == [{"b": 3}]
    for what in (
        {"columns": ["a"]},
        {"filter": [{"column": "a", "op": "=", "value": 1}]},
        {"order_by": ["a"]},
    ):
        with pytest.raises(SpecError, match="two columns are called 'a'"):
            exported(dsn, query=query, **what)


def test_a_function_that_writes_fails_visibly(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE t AS SELECT 1 AS id; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'DELETE FROM t RETURNING id'"
    )
    with export(dsn, query="SELECT f() AS a") as chunks, pytest.raises(Exception, match="read-only transaction"):
        b"".join(chunks)
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_a_query_asks_for_the_login_s_rights(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE secret AS SELECT 1 AS id")
    with new_role(conn, "reader") as role, pytest.raises(AccessDenied) as raised:
        exported(as_role(dsn, role), query="SELECT * FROM secret")
    assert raised.value.sqlstate == "42501"


def test_a_query_over_partitions_and_views_is_one_segment(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(
        "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (101); INSERT INTO p SELECT generate_series(0, 100);"
        "CREATE VIEW v AS SELECT * FROM p"
    )
    plan = explain(dsn, query="SELECT * FROM v")
    assert plan.segments == 1
    assert exported(dsn, query="SELECT * FROM v") == copied(conn, "SELECT * FROM v")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("select 1", "select 1"),
        ("select 1;", "select 1"),
        ("select 1 ; ; ", "select 1 "),
        ("select 1; -- x", "select 1"),
        ("select 1; /* x */ /* /* y */ z */", "select 1"),
        ("select ';'", "select ';'"),
        ("select 1 -- ;", "select 1 -- ;"),
        ("select 1 /* ; */", "select 1 /* ; */"),
        ("select $$;$$;", "select $$;$$"),
        ("select $a$;$$;$a$;", "select $a$;$$;$a$"),
        ('select ";";', 'select ";"'),
        ("select E'\\';';", "select E'\\';'"),
        ("select 1; select 2", "select 1; select 2"),
        ("select 1; select 2;", "select 1; select 2"),
        ("select 'open;", "select 'open"),
        (";", ""),
    ],
)
def test_trim(given: str, kept: str) -> None:
    assert trim(given) == kept
