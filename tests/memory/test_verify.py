"""Verifying a set of files takes the same memory whatever they hold: many rows, or one of 100 MB."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from polyglot_export.manifest.document import MANIFEST, PartEntry
from polyglot_export.testing.usage import measure
from tests.manifest.helpers import RELATION, SMALL

pytestmark = pytest.mark.memory

MEGABYTE = 1_000_000
LIMIT = 120 * MEGABYTE
"""The program, and two pieces of 4 MiB for each of two files."""
GROWTH_LIMIT = 40 * MEGABYTE
"""All pieces that are held at a time, and as much again that the system's allocator keeps; both files have 200 MB."""

VERIFY = """
import sys
from polyglot_export import verify
report = verify(sys.argv[1], workers=2)
assert report.ok, report
"""


def rows(count: int) -> Iterable[bytes]:
    yield b"id\n"
    for _ in range(count // 100_000):
        yield b'1,"a\nb",2026-11-25\n' * 100_000


def one_row(size: int) -> Iterable[bytes]:
    yield b'id\n"'
    for _ in range(size // MEGABYTE):
        yield b'x\n""' * (MEGABYTE // 4)
    yield b'"\n'


def written(folder: Path, name: str, pieces: Iterable[bytes], count: int) -> PartEntry:
    hasher, size = hashlib.sha256(), 0
    with (folder / name).open("wb") as file:
        for piece in pieces:
            file.write(piece)
            hasher.update(piece)
            size += len(piece)
    return PartEntry(path=name, bytes=size, rows=count, sha256=hasher.hexdigest())


@pytest.mark.parametrize(
    ("pieces", "sizes", "count"),
    [
        pytest.param(rows, (1_000_000, 6_000_000), lambda size: size, id="rows"),
        pytest.param(one_row, (20 * MEGABYTE, 100 * MEGABYTE), lambda _size: 1, id="one row"),
    ],
)
def test_memory_is_bounded_and_flat(
    pieces: Callable[[int], Iterable[bytes]], sizes: tuple[int, int], count: Callable[[int], int], tmp_path: Path
) -> None:
    peaks = []
    for size in sizes:
        folder = tmp_path / str(size)
        folder.mkdir()
        parts = tuple(written(folder, f"{number}.csv", pieces(size), count(size)) for number in range(2))
        relation = replace(RELATION, rows=2 * count(size), parts=parts)
        (folder / MANIFEST).write_bytes(replace(SMALL, relations=(relation,)).to_json())
        usage = measure([sys.executable, "-c", VERIFY, str(folder)], env=dict(os.environ), timeout=120)
        assert usage.exit_code == 0, usage.errors
        peaks.append(usage.peak)
    assert max(peaks) <= LIMIT, peaks
    assert peaks[1] - peaks[0] <= GROWTH_LIMIT, peaks
