"""All relations of a dump are of one moment, whatever is written meanwhile."""

from __future__ import annotations

import csv
import io
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from polyglot_export import DaskEngine, dump
from tests.dumps.helpers import content, manifest_of
from tests.fixtures.dask_cluster import DaskCluster

ROWS = 12_000
"""Of each table, a kilobyte each: two segments and more."""
TOTAL = 2 * ROWS * 1000
TABLES = f"""
CREATE TABLE accounts (id int PRIMARY KEY, amount int NOT NULL, pad text) WITH (fillfactor = 70);
INSERT INTO accounts SELECT g, 1000, repeat('x', 900) FROM generate_series(1, {ROWS}) g;
CREATE TABLE deposits (LIKE accounts INCLUDING ALL) WITH (fillfactor = 70);
INSERT INTO deposits SELECT * FROM accounts;
"""


@pytest.fixture(scope="module")
def bank(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(TABLES.encode())
    return module_dsn


def transfer(dsn: str, ended: threading.Event, seed: int) -> None:
    """Move random amounts between rows of the two tables, and the rows to other pages."""
    choice = random.Random(seed)
    with psycopg.connect(dsn, autocommit=True) as conn:
        while not ended.is_set():
            amount = choice.randint(1, 500)
            tables = choice.sample(["accounts", "deposits"], 2)
            with conn.transaction():
                for table, sign in zip(tables, ("-", "+"), strict=True):
                    conn.execute(
                        f"UPDATE {table} SET amount = amount {sign} %s, pad = repeat('y', %s) WHERE id = %s".encode(),
                        [amount, choice.randint(100, 1500), choice.randint(1, ROWS)],
                    )


def vacuum(dsn: str, ended: threading.Event) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        while not ended.wait(0.05):
            conn.execute("VACUUM accounts, deposits")


@contextmanager
def traffic(dsn: str) -> Iterator[None]:
    ended = threading.Event()
    threads = [threading.Thread(target=transfer, args=(dsn, ended, seed)) for seed in range(2)]
    threads.append(threading.Thread(target=vacuum, args=(dsn, ended)))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("part_size", [None, 8 << 20], ids=["whole", "parts"])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_no_amount_is_lost_or_found(bank: str, tmp_path: Path, workers: int, part_size: int | None) -> None:
    with traffic(bank):
        for turn in range(3):
            folder = tmp_path / str(turn)
            dump(bank, folder, format="csv", workers=workers, part_size=part_size)
            found = content(folder, manifest_of(folder))
            amounts = [
                int(row["amount"]) for table in found.values() for row in csv.DictReader(io.StringIO(table.decode()))
            ]
            assert len(amounts) == 2 * ROWS
            assert sum(amounts) == TOTAL


def test_no_amount_is_lost_or_found_on_a_cluster(bank: str, tmp_path: Path) -> None:
    with DaskCluster(bank) as cluster, cluster.client() as client, traffic(bank):
        for turn in range(3):
            folder = tmp_path / str(turn)
            dump(bank, folder, format="csv", part_size=8 << 20, engine=DaskEngine(client))
            found = content(folder, manifest_of(folder))
            amounts = [
                int(row["amount"]) for table in found.values() for row in csv.DictReader(io.StringIO(table.decode()))
            ]
            assert len(amounts) == 2 * ROWS
            assert sum(amounts) == TOTAL


def test_a_query_is_of_the_same_moment(bank: str, tmp_path: Path) -> None:
    queries = {"total": "SELECT (SELECT sum(amount) FROM accounts) + (SELECT sum(amount) FROM deposits) AS total"}
    with traffic(bank):
        dump(bank, tmp_path, format="csv", tables=["accounts", "deposits"], queries=queries)
    found = content(tmp_path, manifest_of(tmp_path))
    assert found["total"] == f"total\n{TOTAL}\n".encode()
    rows = [
        row
        for name in ("public.accounts", "public.deposits")
        for row in csv.DictReader(io.StringIO(found[name].decode()))
    ]
    assert sum(int(row["amount"]) for row in rows) == TOTAL
