"""The peak resident set of ``polyglot export`` is bounded, and the same for any number of rows.

Measured as the kernel counts it for a child process (``polyglot_export/testing/usage.py``), interpreter and libraries
included.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from polyglot_export import _core
from polyglot_export.testing.records import fill_records
from polyglot_export.testing.usage import Usage, measure
from tests.fixtures.process import command, environment
from tests.fixtures.server import Database

pytestmark = pytest.mark.memory

MEGABYTE = 1_000_000
TEXT_LIMIT = 120 * MEGABYTE
"""Issue "Export a real table end to end": at most 120 MB for text …"""
PARQUET_LIMIT = 160 * MEGABYTE
"""… and 160 MB for Parquet, and for Feather too."""
GROWTH_LIMIT = 25 * MEGABYTE
"""What chance does: how many segments wait at one time, and the allocator. Growth with the rows would be far above: the
large table is 130 MB longer than the small one."""

SMALL, LARGE = 200_000, 600_000
"""Rows. The small table is already larger than all buffers together (65 MB as csv against a window of 32 MB), so that
it reaches the peak too."""

TEXT = [
    ("csv",),
    ("tsv",),
    ("csv", "--option", "profile=excel"),
    ("csv", "--compression", "gzip"),
    ("csv", "--compression", "zstd"),
    ("json",),
    ("ndjson",),
    ("ndjson", "--compression", "gzip"),
    ("xml",),
    ("xml", "--compression", "gzip"),
    ("xlsx",),
]
PARQUET = [
    ("parquet",),
    ("parquet", "--option", "compression=zstd"),
    ("parquet", "--option", "compression=none"),
    ("feather",),
]
CASES = [(*case, TEXT_LIMIT) for case in TEXT] + [(*case, PARQUET_LIMIT) for case in PARQUET]


@pytest.fixture(scope="module")
def tables(server: Database) -> Iterator[dict[int, str]]:
    """A database for each number of rows, by that number."""
    assert _core.build_profile == "release", "a debug build holds other buffers; make install makes a release build"
    with server.database() as small, server.database() as large:
        dsns = {SMALL: small, LARGE: large}
        for rows, dsn in dsns.items():
            fill_records(dsn, rows, lambda _: None)
        yield dsns


def _export(dsn: str, *arguments: str) -> Usage:
    usage = measure(
        [*command(), "export", "--workers", "2", "-o", "-", "-f", *arguments], env=environment(dsn), timeout=120
    )
    assert usage.exit_code == 0, usage.errors
    return usage


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: "-".join(part for part in case[:-1] if not part.startswith("--"))
)
def test_peak_is_bounded_and_flat(tables: dict[int, str], case: tuple[str | int, ...]) -> None:
    *arguments, limit = case
    peaks = {rows: _export(dsn, *map(str, arguments), "records").peak for rows, dsn in tables.items()}
    assert isinstance(limit, int)
    assert max(peaks.values()) <= limit, peaks
    assert peaks[LARGE] - peaks[SMALL] <= GROWTH_LIMIT, peaks


@pytest.mark.parametrize(
    ("format_name", "limit"), [("csv", TEXT_LIMIT), ("xml", TEXT_LIMIT), ("parquet", PARQUET_LIMIT)]
)
def test_a_reader_that_stalls_costs_no_more(tables: dict[int, str], format_name: str, limit: int) -> None:
    """Back-pressure: while nobody reads, the workers fill the window and then wait, and so does the server."""
    with subprocess.Popen(
        [*command(), "export", "records", "--workers", "2", "-o", "-", "-f", format_name],
        env=environment(tables[LARGE]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        received = len(process.stdout.read(1))
        time.sleep(2)
        peak = _high_water(process.pid)
        while chunk := process.stdout.read(1 << 20):
            received += len(chunk)
            peak = max(peak, _high_water(process.pid))
        assert process.wait(timeout=60) == 0, process.stderr.read()
    assert received > (100 if format_name != "parquet" else 10) * MEGABYTE
    assert peak <= limit


def test_wide_rows_are_bounded_by_bytes_not_by_rows(dsn: str, conn: psycopg.Connection) -> None:
    """Rows of 1 MB: buffers that count rows would hold gigabytes of them."""
    # Stored out of line and uncompressed, so that each row is made of its bytes on the wire.
    conn.execute("CREATE TABLE wide (id int, payload text STORAGE EXTERNAL)")
    conn.execute("INSERT INTO wide SELECT n, repeat(md5(n::text), 32768) FROM generate_series(1, 200) AS n")
    for format_name, limit in [("csv", TEXT_LIMIT), ("json", TEXT_LIMIT), ("parquet", PARQUET_LIMIT)]:
        usage = _export(dsn, format_name, "wide")
        assert usage.peak <= limit, format_name


def _high_water(pid: int) -> int:
    """``VmHWM`` in bytes; 0 for a process that has just ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")), 0)
