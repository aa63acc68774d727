"""All relations of a dump are of one moment, whatever is written meanwhile."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from benchmarks.transfers import ROWS, TOTAL, make_bank, transfers
from polyglot_export import DaskEngine, dump
from tests.dumps.helpers import content, manifest_of
from tests.fixtures.dask_cluster import DaskCluster


@pytest.fixture(scope="module")
def bank(module_dsn: str) -> str:
    make_bank(module_dsn)
    return module_dsn


@pytest.mark.parametrize("part_size", [None, 8 << 20], ids=["whole", "parts"])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_no_amount_is_lost_or_found(bank: str, tmp_path: Path, workers: int, part_size: int | None) -> None:
    with transfers(bank):
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
    with DaskCluster(bank) as cluster, cluster.client() as client, transfers(bank):
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
    with transfers(bank):
        dump(bank, tmp_path, format="csv", tables=["accounts", "deposits"], queries=queries)
    found = content(tmp_path, manifest_of(tmp_path))
    assert found["total"] == f"total\n{TOTAL}\n".encode()
    rows = [
        row
        for name in ("public.accounts", "public.deposits")
        for row in csv.DictReader(io.StringIO(found[name].decode()))
    ]
    assert sum(int(row["amount"]) for row in rows) == TOTAL
