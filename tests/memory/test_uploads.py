"""An upload holds its parts and nothing that grows with the rows."""

from __future__ import annotations

import psycopg
import pytest

from benchmarks.object_store import null_store
from polyglot_export.limits import UPLOAD_BYTES
from polyglot_export.testing.usage import measure
from tests.fixtures.process import command, environment

pytestmark = pytest.mark.memory

MEGABYTE = 1_000_000
FILE_LIMIT = 120 * MEGABYTE
"""What an export of text into a file may take (``test_peak.py``)."""
GROWTH_LIMIT = 25 * MEGABYTE


def test_an_upload_is_bounded_and_flat(dsn: str, conn: psycopg.Connection) -> None:
    """The larger one has more parts than may ever be held: 240 MB."""
    conn.execute("CREATE TABLE t AS SELECT g AS id, repeat(md5(g::text), 12) AS text FROM generate_series(1, 600000) g")
    peaks = []
    with null_store() as store:
        for rows in (200_000, 600_000):
            arguments = ["export", "t", "--where", f"id <= {rows}", "--workers", "2", "-o", "s3://null/t.csv"]
            usage = measure([*command(), *arguments], env=environment(dsn, store), timeout=120)
            assert usage.exit_code == 0, usage.errors
            peaks.append(usage.peak)
    assert max(peaks) <= FILE_LIMIT + UPLOAD_BYTES, peaks
    assert peaks[1] - peaks[0] <= GROWTH_LIMIT, peaks
