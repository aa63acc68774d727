"""All that PostgreSQL says about itself: every relation of pg_catalog and information_schema, csv as COPY, ndjson as
row_to_json.

They hold what tables of users seldom hold: arrays with bounds, ``"char"``, ``pg_node_tree``, ``aclitem[]``,
``anyarray``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.fixtures.server import Database
from tests.library.helpers import copied, exported, ndjson

CHANGING = (
    r"^pg_(stat|statio)_",  # counters
    r"^pg_(locks|cursors|prepared_statements|prepared_xacts)$",  # what this moment's sessions do
    r"^pg_(settings|file_settings)$",  # SET LOCAL is the export's own
    r"_(contexts|allocations|allocations_numa|numa|aios)$",  # memory of the process that reads, and of all
)
"""Relations that change while one looks at them, or that say something else to each connection."""
FEWEST = 155
"""Relations that are compared on each server, at least."""
TRIES = 3

LIST = """
SELECT c.oid::regclass::text, format('%%I.%%I', n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('pg_catalog', 'information_schema') AND c.relkind IN ('r', 'v', 'm')
  AND has_table_privilege(c.oid, 'SELECT') AND NOT c.relname ~ ANY (%s) ORDER BY 1
"""
SOMETHING_TO_SAY = """
CREATE TABLE customer (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x' CHECK (name <> ''), price numeric(10,2), tags text[]);
CREATE VIEW cheap AS SELECT id, name FROM customer WHERE price < 10; CREATE INDEX ON customer (lower(name)) WHERE price > 1;
COMMENT ON TABLE customer IS E'with "quotes", commas\\nand lines'; CREATE SEQUENCE numbers; CREATE DOMAIN small AS int CHECK (VALUE < 10);
CREATE FUNCTION double(int) RETURNS int LANGUAGE sql AS 'SELECT $1 * 2'; GRANT SELECT (id) ON customer TO PUBLIC;
INSERT INTO customer SELECT g, 'n,' || g, g, ARRAY['a', NULL] FROM generate_series(1, 200) AS g; SELECT lo_create(0);
CREATE STATISTICS related ON id, price FROM customer; ANALYZE customer; ANALYZE pg_class
"""


@pytest.fixture(params=["server", "debian"])
def filled_dsn(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database on each server, with something for the catalogues to say."""
    database = request.getfixturevalue(request.param)
    assert isinstance(database, Database)
    with database.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute(SOMETHING_TO_SAY)
        yield dsn


def test_all_relations_of_the_catalogues(filled_dsn: str) -> None:
    with psycopg.connect(filled_dsn, autocommit=True) as conn:
        names = [name for _, name in conn.execute(LIST, [list(CHANGING)]).fetchall()]
    assert len(names) >= FEWEST
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda half: _deviations(filled_dsn, half), [names[::2], names[1::2]]))
    assert [line for lines in results for line in lines] == []


def _deviations(dsn: str, names: list[str]) -> list[str]:
    oracles: dict[str, Callable[[psycopg.Connection, str], bytes]] = {"csv": copied, "ndjson": ndjson}
    with psycopg.connect(dsn, autocommit=True) as conn:
        # As an export reads: compiling takes longer than running here.
        conn.execute("SET jit = off")
        return [
            line
            for name in names
            for format_, oracle in oracles.items()
            if (line := _deviation(dsn, conn, name, format_, oracle)) is not None
        ]


def _deviation(
    dsn: str, conn: psycopg.Connection, name: str, format_: str, oracle: Callable[[psycopg.Connection, str], bytes]
) -> str | None:
    """Autovacuum may write in between: what counts is a comparison around which the server said the same twice."""
    query = f"SELECT * FROM {name}"
    before = oracle(conn, query)
    for _ in range(TRIES):
        actual = exported(dsn, name, format=format_)
        after = oracle(conn, query)
        if actual == after:
            return None
        if before == after:
            return f"{name} as {format_}: {len(actual)} bytes, the server says {len(after)}"
        before = after
    return f"{name} as {format_}: changed {TRIES} times while it was compared"
