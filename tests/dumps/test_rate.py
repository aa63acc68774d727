"""A dump that leaves room for others: all of its parts together keep to one rate."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from polyglot_export import Cancelled, CancelToken, DumpProgress, SpecError, dump
from tests.dumps.helpers import files, same

PART = 8 << 20


@pytest.fixture(scope="module")
def many(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE many AS SELECT g AS id, repeat('x', 1000) AS pad FROM generate_series(1, 20000) g")
    return module_dsn


def test_all_parts_share_one_rate(many: str, tmp_path: Path) -> None:
    result = dump(many, tmp_path, format="csv", part_size=PART, workers=2, rate_limit=10_000_000)
    assert result.files == 3
    assert result.seconds > 0.9 * (result.bytes / 10_000_000 - 0.25), "a pause of a quarter second is made up for"
    with psycopg.connect(many, autocommit=True) as conn:
        same(conn, tmp_path)


def test_a_cancelled_dump_does_not_wait_for_its_rate(many: str, tmp_path: Path) -> None:
    """A chunk would take more than an hour."""
    token = CancelToken()

    def cancel(told: DumpProgress) -> None:
        if told.rows:
            token.cancel()

    with pytest.raises(Cancelled):
        dump(many, tmp_path, format="csv", part_size=PART, workers=2, rate_limit=10, on_progress=cancel, token=token)
    assert files(tmp_path) == []


def test_no_rate(many: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="must be above 0 bytes a second"):
        dump(many, tmp_path, rate_limit=0)
    assert files(tmp_path) == []
