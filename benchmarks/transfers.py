"""Money that moves between two tables while they are read: every moment has the same sum, and two moments do not."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import psycopg

__all__ = ["BOTH", "ROWS", "TOTAL", "make_bank", "transfers"]

BOTH: Final = ("accounts", "deposits")
ROWS: Final = 12_000
"""Of each table, a kilobyte each: two segments and more."""
TOTAL: Final = 2 * ROWS * 1000

_TABLES: Final = f"""
CREATE TABLE accounts (id int PRIMARY KEY, amount int NOT NULL, pad text) WITH (fillfactor = 70);
INSERT INTO accounts SELECT g, 1000, repeat('x', 900) FROM generate_series(1, {ROWS}) g;
CREATE TABLE deposits (LIKE accounts INCLUDING ALL) WITH (fillfactor = 70);
INSERT INTO deposits SELECT * FROM accounts;
"""


def make_bank(dsn: str) -> None:
    """Make the two tables."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(_TABLES.encode())


@contextmanager
def transfers(dsn: str, tables: Sequence[str] = BOTH) -> Iterator[None]:
    """Two sessions move random amounts between rows, and the rows to other pages, while a third one vacuums.

    Args:
        dsn: The database with the tables.
        tables: Two, or the same one twice, for transfers from one into the other.
    """
    ended = threading.Event()
    threads = [threading.Thread(target=_transfer, args=(dsn, ended, seed, tables)) for seed in range(2)]
    threads.append(threading.Thread(target=_vacuum, args=(dsn, ended)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _transfer(dsn: str, ended: threading.Event, seed: int, tables: Sequence[str]) -> None:
    choice = random.Random(seed)
    with psycopg.connect(dsn, autocommit=True) as conn:
        while not ended.is_set():
            amount = choice.randint(1, 500)
            # In one order, so that two sessions that take the same rows do not wait for each other in a circle.
            between = zip(choice.sample(list(tables), 2), "-+", strict=True)
            rows = sorted((table, choice.randint(1, ROWS), sign) for table, sign in between)
            with conn.transaction():
                for table, row, sign in rows:
                    conn.execute(
                        f"UPDATE {table} SET amount = amount {sign} %s, pad = repeat('y', %s) WHERE id = %s".encode(),
                        [amount, choice.randint(100, 1500), row],
                    )


def _vacuum(dsn: str, ended: threading.Event) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        while not ended.wait(0.05):
            conn.execute("VACUUM accounts, deposits")
