"""Counts the rows of a file with readers that are not ours. Where a file is not well formed, the reader's own error is
raised.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final
from zipfile import ZipFile

import ijson
import pyarrow.parquet
from lxml import etree

from polyglot_export.cli.bench.cases import Case
from polyglot_export.cli.bench.source import Source
from polyglot_export.testing.readers import check, opened, rows_of_sheet

__all__ = ["count_rows", "problem_of"]

BATCH_ROWS: Final = 65_536
ROW_TAGS: Final = ("record", "row")
"""What a row is called in XML: by polyglot, and by other tools."""


def problem_of(path: Path, case: Case, source: Source, *, ours: bool) -> tuple[int, str | None]:
    """Count the rows of a file; gives their number and what is wrong with the file, or ``None``.

    Args:
        path: The file.
        case: The form that it should have.
        source: The table that it should hold.
        ours: Whether polyglot wrote it. Then the sums of the demo's table are compared as well. Those of other tools
            are not, since some change values (docs/benchmarks.md).
    """
    if ours and source.sums is not None:
        return check(path, case.format, case.compression, source.sums)
    try:
        rows = count_rows(path, case)
    except Exception as error:  # noqa: BLE001 (whatever a reader raises, it says that the file is not well formed)
        return 0, f"{type(error).__name__}: {error}"
    return rows, None if rows == source.rows else f"{rows:,} rows instead of {source.rows:,}"


def count_rows(path: Path, case: Case) -> int:
    """Read the file to its end."""
    with opened(path, case.compression) as file:
        return _COUNTERS[case.format](file)


def _csv(file: IO[bytes]) -> int:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        return sum(1 for _ in csv.reader(text, strict=True)) - 1
    finally:
        text.detach()


def _json(file: IO[bytes]) -> int:
    return sum(1 for _ in ijson.items(file, "item", buf_size=1 << 20))


def _ndjson(file: IO[bytes]) -> int:
    return sum(1 for line in file if isinstance(json.loads(line), dict))


def _xml(file: IO[bytes]) -> int:
    rows = 0
    for _, element in etree.iterparse(file, events=("end",), tag=ROW_TAGS):
        rows += 1
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
    return rows


def _parquet(file: IO[bytes]) -> int:
    return sum(batch.num_rows for batch in pyarrow.parquet.ParquetFile(file).iter_batches(BATCH_ROWS))


def _xlsx(file: IO[bytes]) -> int:
    """Of all sheets, each of which begins with a header."""
    rows = 0
    with ZipFile(file) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                with archive.open(name) as sheet:
                    rows += sum(1 for _ in rows_of_sheet(sheet)) - 1
    return rows


_COUNTERS: Final[dict[str, Callable[[IO[bytes]], int]]] = {
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
    "xml": _xml,
    "parquet": _parquet,
    "xlsx": _xlsx,
}
