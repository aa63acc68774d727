"""The sample table ``records``. Every value is a function of ``id``, so filling it twice gives the same rows.

Its rows hold what real tables hold: names with commas, quotes, line breaks and letters beyond ASCII, nulls, negative
and long decimals, and documents with nested objects and arrays (150 to 200 bytes as text).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import psycopg

__all__ = ["TABLE", "Sums", "fill_records", "sums_of_server"]

TABLE: Final = "records"

BATCH_ROWS: Final = 50_000
"""Rows of one INSERT: few enough to show progress about four times a second, and so many that the cost of a statement
does not matter."""

_CREATE: Final = """
CREATE TABLE records (
    id          bigserial PRIMARY KEY,
    created_at  timestamptz NOT NULL,
    name        varchar(255),
    value       numeric(18,4),
    metadata    jsonb NOT NULL
)
"""

# h spreads the ids over 32 bits (Knuth's multiplicative hash), so that neighbours differ.
_FILL: Final = """
INSERT INTO records (id, created_at, name, value, metadata)
SELECT
    i,
    timestamptz '2020-01-01 00:00:00+00' + i * interval '7.654321 seconds',
    CASE i %% 25
        WHEN 3 THEN 'Smith, Jones & Sons #' || i
        WHEN 7 THEN 'the "Corner" shop ' || i
        WHEN 11 THEN 'Žofie Müller – 東京 ' || i
        WHEN 17 THEN E'two\\nlines ' || i
        WHEN 21 THEN NULL
        ELSE 'customer ' || h || ' of branch ' || i %% 512
    END,
    CASE WHEN i %% 101 <> 0 THEN ((h * 2311) %% 2000000000000 - 1000000000000)::numeric(18,0) * 0.0001 END,
    ('{"source": "' || (ARRAY['web', 'mobile', 'import', 'partner'])[1 + h %% 4]
        || '", "score": ' || h %% 10000 || '.' || i %% 100
        || ', "tags": ["t' || h %% 97 || '", "grüße", "c' || i %% 31
        || '"], "device": {"os": "linux", "version": [6, ' || i %% 20 || ', ' || h %% 60
        || ']}, "history": [{"at": ' || h %% 86400 || ', "ok": true}, {"at": ' || i %% 86400
        || ', "ok": ' || (h %% 2 = 0)
        || '}], "note": ' || CASE WHEN i %% 10 = 0 THEN 'null' ELSE '"n' || h %% 1000 || '"' END || '}')::jsonb
FROM (
    SELECT i, (i * 2654435761) & 4294967295 AS h FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS i
    OFFSET 0
) AS ids
"""


@dataclass(frozen=True)
class Sums:
    """What a copy of the table must add up to; sums do not depend on the order of rows.

    Attributes:
        rows: Number of rows.
        ids: Sum of ``id``.
        id_values: Sum of ``id * value``: a value that moved to another row changes it.
        name_characters: Sum of the lengths of ``name``: lost line breaks and broken letters change it.
        metadata_scores: Sum of ``id * score`` in ``metadata``: lost or moved documents change it.
    """

    rows: int
    ids: int
    id_values: Decimal
    name_characters: int
    metadata_scores: Decimal


def fill_records(dsn: str, rows: int, on_progress: Callable[[int], None]) -> None:
    """Create the table and fill it in one transaction, which at ``wal_level = minimal`` writes no WAL for it.

    Args:
        dsn: A database without the table.
        rows: How many rows; their ids are 1 to ``rows``.
        on_progress: Called with the number of rows after each batch.
    """
    # After a signal in the middle the connection is busy and cannot roll back; it is closed, and the server rolls back.
    with closing(psycopg.connect(dsn)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_CREATE)
        for first in range(1, rows + 1, BATCH_ROWS):
            last = min(first + BATCH_ROWS - 1, rows)
            connection.execute(_FILL, {"first": first, "last": last})
            on_progress(last)
        connection.execute("SELECT pg_catalog.setval('records_id_seq', %s, false)", [rows + 1])
        connection.commit()
    with psycopg.connect(dsn, autocommit=True) as connection:
        # Without this the first reader would set the hint bits of every row, and would look slower than the others.
        connection.execute("VACUUM (ANALYZE) records")


def sums_of_server(dsn: str) -> Sums:
    """Ask the server for the sums of the table."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT count(*), coalesce(sum(id), 0), coalesce(sum(id * value), 0), coalesce(sum(length(name)), 0),"
            " coalesce(sum(id * (metadata->>'score')::numeric), 0) FROM records"
        ).fetchone()
    if row is None:
        raise AssertionError("an aggregate without GROUP BY gives one row")
    return Sums(row[0], int(row[1]), Decimal(row[2]), int(row[3]), Decimal(row[4]))
