"""Reads each format with a library that is not ours, in constant memory, and adds up what :class:`Sums` compares.

A file that is not well formed raises the error of its reader; a file that is well formed but wrong adds up to something
else than the server.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

import ijson
import pyarrow.parquet
import zstandard
from lxml import etree

from polyglot_export.testing.records import Sums

__all__ = ["check", "opened", "read_sums"]

READ_BYTES: Final = 1 << 20
"""One read of a reader that asks for a size."""
BATCH_ROWS: Final = 20_000
"""Rows of one Arrow batch, about 6 MB as Python values."""
NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"

Row = tuple[int, Decimal | None, str | None, Decimal]
"""``id``, ``value``, ``name`` and the ``score`` of ``metadata``."""


def read_sums(path: Path, format_name: str, compression: str | None) -> Sums:
    """Read a file of the sample table to its end.

    Args:
        path: The file as it was received.
        format_name: ``csv``, ``json``, ``ndjson``, ``xml`` or ``parquet``.
        compression: ``gzip``, ``zstd`` or ``None``.
    """
    read = _READERS[format_name]
    with opened(path, compression) as file:
        return _add_up(read(file))


def check(path: Path, format_name: str, compression: str | None, expected: Sums) -> tuple[int, str | None]:
    """Whether a file is well formed and adds up to what the server says; gives its rows and what is wrong, if anything
    is.
    """
    try:
        found = read_sums(path, format_name, compression)
    except Exception as error:  # noqa: BLE001 (whatever a reader raises, it says that the file is not well formed)
        return 0, f"{type(error).__name__}: {error}"
    return found.rows, None if found == expected else f"{found} instead of {expected}"


@contextmanager
def opened(path: Path, compression: str | None) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        if compression == "gzip":
            with gzip.GzipFile(fileobj=file) as plain:
                yield io.BufferedReader(plain, READ_BYTES)
        elif compression == "zstd":
            # One frame is read: what follows a frame would be missing from the sums.
            with zstandard.ZstdDecompressor().stream_reader(file, read_size=READ_BYTES) as plain:
                yield io.BufferedReader(plain, READ_BYTES)
        else:
            yield file


def _add_up(rows: Iterable[Row]) -> Sums:
    count = ids = characters = 0
    id_values = scores = Decimal(0)
    for row_id, value, name, score in rows:
        count += 1
        ids += row_id
        if value is not None:
            id_values += row_id * value
        if name is not None:
            characters += len(name)
        scores += row_id * score
    return Sums(count, ids, id_values, characters, scores)


def _read_csv(file: IO[bytes]) -> Iterator[Row]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        for row in csv.DictReader(text, strict=True):
            yield (
                int(row["id"]),
                Decimal(row["value"]) if row["value"] else None,
                row["name"] or None,
                _score(row["metadata"]),
            )
    finally:
        text.detach()  # Who opened the file closes it.


def _read_json(file: IO[bytes]) -> Iterator[Row]:
    for row in ijson.items(file, "item", buf_size=READ_BYTES):
        yield _from_object(row)


def _read_ndjson(file: IO[bytes]) -> Iterator[Row]:
    for line in file:
        yield _from_object(json.loads(line, parse_float=Decimal))


def _read_xml(file: IO[bytes]) -> Iterator[Row]:
    for _, record in etree.iterparse(file, events=("end",), tag="record"):
        name, value = record.find("name"), record.find("value")
        yield (
            int(record.findtext("id")),
            None if value.get(NIL) == "true" else Decimal(value.text),
            None if name.get(NIL) == "true" else name.text or "",
            Decimal(record.findtext("metadata/score")),
        )
        record.clear()
        # What was read stays a child of the root until it is taken away.
        while record.getprevious() is not None:
            del record.getparent()[0]


def _read_parquet(file: IO[bytes]) -> Iterator[Row]:
    parquet = pyarrow.parquet.ParquetFile(file)
    for batch in parquet.iter_batches(BATCH_ROWS, columns=["id", "value", "name", "metadata"]):
        columns = (batch.column(name).to_pylist() for name in ("id", "value", "name", "metadata"))
        for row_id, value, name, metadata in zip(*columns, strict=True):
            yield row_id, value, name, _score(metadata)


def _from_object(row: dict[str, Any]) -> Row:
    value = row["value"]
    return row["id"], value if value is None else Decimal(value), row["name"], Decimal(row["metadata"]["score"])


def _score(document: str) -> Decimal:
    return Decimal(json.loads(document, parse_float=Decimal)["score"])


_READERS: Final[dict[str, Callable[[IO[bytes]], Iterator[Row]]]] = {
    "csv": _read_csv,
    "json": _read_json,
    "ndjson": _read_ndjson,
    "xml": _read_xml,
    "parquet": _read_parquet,
}
