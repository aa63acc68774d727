"""Sample tables whose values are expressions over ``i``, the number of the row, and ``h``, its 32-bit hash."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

__all__ = ["Column", "Generated"]

BATCH_ROWS: Final = 50_000


class Column(NamedTuple):
    """A column: name as SQL writes it, type, and expression."""

    name: str
    type: str
    value: str


@dataclass(frozen=True)
class Generated:
    """A table of such columns."""

    name: str
    columns: tuple[Column, ...]

    def fill(self, dsn: str, rows: int, on_progress: Callable[[int], None]) -> None:
        """Create the table and fill it in one transaction, as :func:`~polyglot_export.testing.records.fill_records`
        does.
        """
        table = sql.Identifier(self.name)
        names = sql.SQL(", ").join(sql.SQL(f"{column.name} {column.type}") for column in self.columns)
        values = sql.SQL(", ").join(sql.SQL(column.value) for column in self.columns)
        with closing(psycopg.connect(dsn)) as connection:
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, names))
            for first in range(1, rows + 1, BATCH_ROWS):
                last = min(first + BATCH_ROWS - 1, rows)
                connection.execute(
                    sql.SQL(
                        "INSERT INTO {} SELECT {} FROM (SELECT i, (i * 2654435761) & 4294967295 AS h"
                        " FROM generate_series({}::bigint, {}::bigint) AS i OFFSET 0) AS ids"
                    ).format(table, values, first, last)
                )
                on_progress(last)
            connection.commit()
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("VACUUM (ANALYZE) {}").format(table))
