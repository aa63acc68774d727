"""The sizes that an export of the service may get never change its bytes, and each stays within what is reserved for
it.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from polyglot_export.admission.sizes import SIZES
from polyglot_export.execution.allocator import give_back
from polyglot_export.execution.export import Export
from polyglot_export.execution.run import RunSettings
from polyglot_export.library.sync import open_export
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.reservation import reservation
from polyglot_export.request.parse import parse_spec
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.admission.machine import resident_bytes
from tests.fixtures.server import Database

MB = 1 << 20
QUEUED = 4
"""Chunks that the service holds of an export: two in the queue, one with the sink, one in the connection's buffer."""
CASES = [
    ("csv", None),
    ("csv", "gzip"),
    ("csv", "zstd"),
    ("json", None),
    ("ndjson", "gzip"),
    ("xml", "zstd"),
    ("parquet", None),
    ("arrow", None),
    ("feather", None),
]


@pytest.fixture(scope="module")
def table(server: Database) -> Iterator[str]:
    """A table of four segments, two for Parquet."""
    with server.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (id int, name text, price numeric(12,2))")
            connection.execute(
                "INSERT INTO t SELECT n, repeat(md5(n::text), 24), n FROM generate_series(1, 40000) AS n"
            )
            connection.execute("VACUUM ANALYZE t")
        yield dsn


@pytest.mark.parametrize(("format_", "compression"), CASES)
def test_the_bytes_are_the_same(table: str, format_: str, compression: str | None) -> None:
    spec = parse_spec({"format": format_, "dataset": "t", "compression": compression})
    found = set()
    for workers, (window, chunk) in itertools.product((1, 3), SIZES[::2] + SIZES[-1:]):
        digest = hashlib.sha256()
        with open_export(
            spec, dsn=table, run=RunSettings(workers=workers, chunk_bytes=chunk, window_bytes=window)
        ) as export:
            file = b"".join(export)
            # Parquet's footer has the name of the snapshot.
            digest.update(file.replace(export.snapshot.encode(), b"?" * len(export.snapshot)))
        found.add((len(file), digest.hexdigest()))
    assert len(found) == 1
    assert found.pop()[0] > 100_000


@pytest.mark.parametrize(
    ("format_", "compression", "count", "most"),
    [
        ("csv", None, 24, 4),
        ("csv", "gzip", 16, 4),
        ("csv", "zstd", 6, 12),
        ("parquet", None, 3, 60),
        ("arrow", None, 3, 48),
    ],
)
def test_stalled_exports_stay_within_what_they_reserve(
    table: str, format_: str, compression: str | None, count: int, most: int
) -> None:
    """As the service has them when it is crowded: each has given its first chunks to a client that takes no more."""
    give_back()
    window, chunk = SIZES[-1]
    run = RunSettings(workers=1, chunk_bytes=chunk, window_bytes=window)
    spec = parse_spec({"format": format_, "dataset": "t", "compression": compression})
    plans: list[Plan] = []
    with ExitStack() as exports:
        # The first one pays for what all share.
        held = [_stalled(exports, table, spec, run) for _ in range(2)]
        before = resident_bytes()
        for _ in range(count):
            export, chunks = _stalled(exports, table, spec, run)
            plans.append(export.plan)
            held.append((export, chunks))
        grown = resident_bytes() - before
    assert grown <= sum(map(reservation, plans)), f"{grown / MB / count:.1f} MB each"
    assert reservation(plans[0]) < most * MB


def _stalled(exports: ExitStack, dsn: str, spec: ExportSpec, run: RunSettings) -> tuple[Export, list[bytes]]:
    """An export with as many chunks taken as the service holds, and its workers waiting."""
    export = exports.enter_context(open_export(spec, dsn=dsn, run=run))
    chunks = [chunk for _, chunk in zip(range(QUEUED), export, strict=False)]
    time.sleep(0.05)
    return export, chunks
