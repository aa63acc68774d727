"""A text of nearly a megabyte in a filter is held many times over while it is planned: that is in the budget, and gone
afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from polyglot_export.admission.sizes import planning_share
from tests.fixtures.process import Service, serve
from tests.service.client import call, create
from tests.service.raw import peak_of

MB = 1 << 20
TEXT = "x" * 899_800 + "\U0001f600"
"""Its last character makes Python keep four bytes for each."""
WEIGHT = 1_800_000
"""Of a request with it (``Job.weight``), about."""
AT_ONCE = 4
TIMES = 10


@pytest.fixture
def service(module_dsn: str) -> Iterator[Service]:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS numbers AS SELECT g AS id, 'n' || g AS name FROM generate_series(1, 9) g"
        )
    with serve(module_dsn, memory_limit="256MB", queue_timeout=60, fresh=True) as running:
        # What the first export imports and sets up is not what is measured.
        assert call(running, f"/exports/{create(running, dataset='numbers')}/download").status == 200
        yield running


def asked(service: Service, column: str, times: int) -> set[int]:
    """Download an export again and again that compares a column with the text; gives the statuses."""
    term = {"column": column, "op": "=", "value": TEXT}
    export_id = create(service, dataset="numbers", filter=[term])
    return {call(service, f"/exports/{export_id}/download").status for _ in range(times)}


def resident(service: Service) -> int:
    """Bytes that the process has now (proc(5), ``VmRSS``)."""
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))


def test_what_a_failure_held_is_gone_with_it(service: Service) -> None:
    """And not when the garbage collector comes, which counts objects."""
    assert asked(service, "id", 2) == {400}
    before = resident(service)
    assert asked(service, "id", 3 * TIMES) == {400}
    assert resident(service) - before < 24 * MB, "each of them has held as much, one after the other"


@pytest.mark.parametrize(("column", "status"), [("id", 400), ("name", 200)])
def test_many_at_once_keep_to_the_budget(service: Service, column: str, status: int) -> None:
    before = peak_of(service)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = list(threads.map(lambda _: asked(service, column, TIMES), range(AT_ONCE)))
    assert found == [{status}] * AT_ONCE
    assert peak_of(service) - before < AT_ONCE * planning_share(WEIGHT).bytes
