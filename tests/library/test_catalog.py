"""What may be exported, as the service and ``polyglot datasets`` list it."""

from __future__ import annotations

import psycopg
import pytest

from polyglot_export import SpecError, UnknownDataset
from polyglot_export.catalog import DatasetColumn, describe_dataset, list_datasets
from polyglot_export.policy import EVERYTHING, ExposedTables, load_datasets
from tests.library.helpers import as_role, new_role

SCRIPT = """
CREATE TABLE t (id int PRIMARY KEY, name varchar(20), gone int, value numeric(18, 4)); ALTER TABLE t DROP COLUMN gone;
INSERT INTO t SELECT g, 'n', g FROM generate_series(1, 1000) AS g; ANALYZE t;
CREATE TABLE never_analyzed (a int);
CREATE VIEW v AS SELECT id FROM t; CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p DEFAULT;
CREATE SCHEMA other; CREATE TABLE other.o (a int); CREATE SEQUENCE s; CREATE TYPE pair AS (a int)
"""


def test_everything_that_the_login_may_read(conn: psycopg.Connection) -> None:
    conn.execute(SCRIPT.encode())
    found = {dataset.name: dataset for dataset in list_datasets(conn, EVERYTHING)}
    assert {name: dataset.kind for name, dataset in found.items()} == {
        "other.o": "table",
        "public.m": "materialized view",
        "public.never_analyzed": "table",
        "public.p": "partitioned table",
        "public.t": "table",
        "public.v": "view",
    }
    table = found["public.t"]
    assert table.columns == (
        DatasetColumn("id", "integer", False),
        DatasetColumn("name", "character varying(20)", True),
        DatasetColumn("value", "numeric(18,4)", True),
    )
    size = conn.execute("SELECT pg_table_size('t')").fetchone()
    assert (table.estimated_rows, (table.estimated_bytes,)) == (1000, size)
    assert found["public.never_analyzed"].estimated_rows is None
    assert (found["public.v"].estimated_rows, found["public.v"].estimated_bytes) == (None, None)
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_grants_narrow_it(dsn: str, conn: psycopg.Connection) -> None:
    conn.execute(SCRIPT.encode())
    with new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT (id) ON t TO {role}; GRANT SELECT ON v, other.o TO {role}".encode())
        with psycopg.connect(as_role(dsn, role), autocommit=True) as reader:
            found = {dataset.name: dataset for dataset in list_datasets(reader, EVERYTHING)}
            assert set(found) == {"public.t", "public.v"}  # without USAGE on its schema, other.o cannot be read
            assert [column.name for column in found["public.t"].columns] == ["id"]
            assert [dataset.name for dataset in list_datasets(reader, ExposedTables.public())] == ["t", "v"]


def test_public_tables_without_views_for_a_privileged_login(conn: psycopg.Connection) -> None:
    conn.execute(SCRIPT.encode())
    assert [dataset.name for dataset in list_datasets(conn, ExposedTables.public())] == ["m", "never_analyzed", "p", "t"]
    assert describe_dataset(conn, ExposedTables.public(), "t").name == "t"
    for name in ("v", "other.o", "nope"):
        with pytest.raises(UnknownDataset):
            describe_dataset(conn, ExposedTables.public(), name)


def test_configured_datasets(conn: psycopg.Connection) -> None:
    conn.execute(SCRIPT.encode())
    exposure = load_datasets(
        {
            "datasets": {
                "people": {"table": "t", "columns": ["name", "id"]},
                "asked": {"query": "SELECT id, name AS n FROM t"},
                "broken": {"table": "not_there"},
                "broken_query": {"query": "SELEC"},
                "last": {"table": "other.o"},
            }
        }
    )
    found = {dataset.name: dataset for dataset in list_datasets(conn, exposure)}
    assert list(found) == ["people", "asked", "last"]
    assert [column.name for column in found["people"].columns] == ["name", "id"]
    assert found["asked"].kind == "query"
    assert found["asked"].columns == (DatasetColumn("id", "integer", True), DatasetColumn("n", "character varying", True))
    with pytest.raises(UnknownDataset):
        describe_dataset(conn, exposure, "t")
    with pytest.raises(SpecError):
        describe_dataset(conn, exposure, "broken_query")
    assert conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
