"""What the tests of ``partition_by`` share: tables, and other people's readers of such folders."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.dataset as ds

from polyglot_export.dumps.values import DEFAULT_PARTITION

__all__ = ["ODD", "asked", "by_duckdb", "by_pyarrow", "fill"]

ODD = [
    "a/b",
    "a=b",
    "100%",
    "%41",
    "a:b",
    'it\'s "x"',
    "line\nbreak",
    "tab\t",
    "😀 ä",
    " lead and trail ",
    "..",
    "a\\b",
    "{}[]^#?*",
    "+",
    "A",
    "a",
    "~",
    "",
    DEFAULT_PARTITION,
    None,
]
"""Values that a name of a folder cannot have as they are, or that look like something else in it."""

TABLES = """
CREATE TYPE mood AS ENUM ('sad', 'it''s/ok');
CREATE TABLE events AS SELECT g AS id, timestamptz '2026-10-30 00:00+00' + g * interval '47 seconds' AS created_at,
  (hashint4(g) & 2147483647) % 12 AS shop, repeat('x', 500) AS pad FROM generate_series(1, 80000) g;
CREATE TABLE moods AS SELECT g AS id, (ARRAY['sad', 'it''s/ok', NULL]::mood[])[1 + g % 3] AS mood, g % 2 = 0 AS even,
  (g % 4) * 1.50 AS amount, date '2026-11-25' + g % 3 AS day FROM generate_series(1, 300) g;
CREATE TABLE times (id int, at date, local timestamp, instant timestamptz);
INSERT INTO times VALUES (1, '2026-11-25', '2026-11-25 13:59:59.999999', '2026-11-25 23:30-02'),
  (2, 'infinity', 'infinity', 'infinity'), (3, '-infinity', '-infinity', '-infinity'),
  (4, '0044-03-15 BC', '0044-03-15 11:00 BC', '0044-03-15 11:00+00 BC'), (5, NULL, NULL, NULL),
  (6, '12026-01-02', '12026-01-02 00:00', '12026-01-02 00:00+00'), (7, '2026-11-25', '2026-11-25 13:00', '2026-11-25 00:00');
CREATE TABLE empty (id int, kind text);
CREATE VIEW recent AS SELECT * FROM moods WHERE id > 100;
VACUUM ANALYZE;
"""


def fill(dsn: str) -> None:
    """Make the tables; ``odd`` has the odd values, each in some rows, and a long one."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        for statement in TABLES.split(";\n"):
            conn.execute(statement.encode())
        conn.execute("CREATE TABLE odd (id int, kind text, note text)")
        with conn.cursor() as cursor:
            values = [*ODD, "ä" * 300]
            cursor.executemany(
                "INSERT INTO odd VALUES (%s, %s, %s)",
                [(at, values[at % len(values)], f"note {at}") for at in range(4 * len(values))],
            )


def asked(dsn: str, query: str) -> list[tuple[Any, ...]]:
    """What the server says, in UTC."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY'")
        return conn.execute(query.encode()).fetchall()


def by_duckdb(folder: Path, columns: str) -> list[tuple[Any, ...]]:
    """The rows of a relation's folder as DuckDB reads them, in the order of ``id``; values of folders as text."""
    query = f"""
        SELECT {columns} FROM read_parquet('{folder}/*/*.parquet', hive_partitioning = true, hive_types_autocast = false)
        ORDER BY id
    """
    with duckdb.connect() as conn:
        return conn.sql(query).fetchall()


def by_pyarrow(folder: Path, key: str, columns: list[str]) -> list[tuple[Any, ...]]:
    """The same as pyarrow reads them."""
    flavor = ds.partitioning(pa.schema([(key, pa.string())]), flavor="hive")
    table = ds.dataset(folder, format="parquet", partitioning=flavor).to_table(columns=columns).sort_by("id")
    return list(zip(*(table.column(name).to_pylist() for name in columns), strict=True))


def rows_of_csv(path: Path) -> list[dict[str, str]]:
    """The rows of one file."""
    return list(csv.DictReader(io.StringIO(path.read_text())))
