"""The sample table ``wide``: 30 columns of numbers, dates and short texts, and no documents, whose text the server
would have to make.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Final

import psycopg
from psycopg import sql

from polyglot_export.cli.bench.source import Sample

__all__ = ["WIDE"]

BATCH_ROWS: Final = 50_000

_COLUMNS: Final = (
    *((f"i{n}", "int", f"((h + {n * 7919}) % 2000000 - 1000000)::int") for n in range(6)),
    *((f"b{n}", "bigint", f"h * {n + 3} - 4000000000") for n in range(4)),
    *((f"n{n}", "numeric(12,2)", f"((h * {n + 5}) % 1000000000)::numeric * 0.01") for n in range(6)),
    *((f"f{n}", "float8", f"((h + {n}) % 1000003)::float8 / {n + 7}") for n in range(4)),
    *((f"d{n}", "date", f"date '1990-01-01' + ((h + {n * 101}) % 15000)::int") for n in range(3)),
    *(
        (
            f"t{n}",
            "timestamptz",
            f"timestamptz '2001-01-01 00:00:00+00' + (h % 800000000) * interval '{n + 1} microseconds'",
        )
        for n in range(2)
    ),
    *((f"s{n}", "text", f"'item ' || (h + {n}) % 99991") for n in range(5)),
)
"""Name, type and expression over ``i``, the number of the row, and ``h``, its 32-bit hash."""


def _fill(dsn: str, rows: int, on_progress: Callable[[int], None]) -> None:
    """Create the table and fill it in one transaction, as :func:`~polyglot_export.testing.records.fill_records`
    does.
    """
    names = sql.SQL(", ").join(sql.SQL(f"{name} {type_}") for name, type_, _ in _COLUMNS)
    values = sql.SQL(", ").join(sql.SQL(expression) for _, _, expression in _COLUMNS)
    with closing(psycopg.connect(dsn)) as connection:
        connection.execute(sql.SQL("CREATE TABLE wide ({})").format(names))
        for first in range(1, rows + 1, BATCH_ROWS):
            last = min(first + BATCH_ROWS - 1, rows)
            connection.execute(
                sql.SQL(
                    "INSERT INTO wide SELECT {} FROM (SELECT i, (i * 2654435761) & 4294967295 AS h"
                    " FROM generate_series({}::bigint, {}::bigint) AS i OFFSET 0) AS ids"
                ).format(values, first, last)
            )
            on_progress(last)
        connection.commit()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) wide")


WIDE: Final = Sample("wide", _fill)
