"""Reads each format with a library that is not ours, in constant memory, and adds up what :class:`Sums` compares.

Values become Arrow columns and are added up exactly, as integers and decimals. A file that is not well formed raises
the error of its reader; a file that is well formed but wrong adds up to something else than the server.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.compute

from polyglot_export.testing.records import Sums

__all__ = ["check", "opened", "read_sums", "rows_of_sheet"]

READ_BYTES: Final = 1 << 20
"""One read of a reader that asks for a size."""
XML_READ_BYTES: Final = 1 << 18
"""One read of XML, whose tree takes ten times its text; with a quarter of it the calls would cost as much as the work.
"""
BATCH_ROWS: Final = 4_000
"""Rows that are looked at together, about 1 MB of text."""
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
XML_PATHS: Final = {
    "id": "record/id/text()",
    "value": "record/value/text() | record/value/@xsi:nil",  # in the order of the document: a number, or "true"
    "name": "record/name/text()",
    "score": "record/metadata/score/text()",
}

SHEET_ROW: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}row"

ID: Final = pa.int64()
VALUE: Final = pa.decimal128(18, 4)
SCORE: Final = pa.decimal128(18, 4)
"""``score`` has two decimal places at most; more than four would be an error, not rounded."""
WIDE_ID: Final = pa.decimal128(19, 0)
"""``id`` as it is multiplied: the product with 18 digits has the 38 that Arrow can hold."""

METADATA: Final = pa.schema([("score", SCORE)])
OBJECT: Final = pa.schema([("id", ID), ("name", pa.string()), ("value", VALUE), ("metadata", pa.struct(METADATA))])

Columns = dict[str, Any]
"""Arrow arrays ``id``, ``value`` and ``score`` (of ``metadata``), a value a row, and ``name``, whose nulls may be left
out.
"""


def read_sums(path: Path, format_name: str, compression: str | None) -> Sums:
    """Read a file of the sample table to its end.

    Args:
        path: The file as it was received.
        format_name: ``csv``, ``json``, ``ndjson``, ``xml``, ``parquet`` or ``xlsx``.
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
    """The file as it was before it was compressed, by decoders that are not ours."""
    with path.open("rb") as file:
        if compression == "gzip":
            with gzip.GzipFile(fileobj=file) as plain:
                yield io.BufferedReader(plain, READ_BYTES)
        elif compression == "zstd":
            import zstandard

            # One frame is read: what follows a frame would be missing from the sums.
            with zstandard.ZstdDecompressor().stream_reader(file, read_size=READ_BYTES) as plain:
                yield io.BufferedReader(plain, READ_BYTES)
        else:
            yield file


def _add_up(batches: Iterable[Columns]) -> Sums:
    rows = ids = characters = 0
    id_values = scores = Decimal(0)
    for columns in batches:
        wide = columns["id"].cast(WIDE_ID)
        rows += len(wide)
        ids += _sum(columns["id"])
        id_values += _sum(pa.compute.multiply(wide, columns["value"]))
        characters += _sum(pa.compute.utf8_length(columns["name"]))
        scores += _sum(pa.compute.multiply(wide, columns["score"]))
    return Sums(rows, ids, id_values, characters, scores)


def _sum(numbers: Any) -> Any:
    """The exact sum; that of nothing is 0."""
    return pa.compute.sum(numbers, min_count=0).as_py()


def _read_csv(file: IO[bytes]) -> Iterator[Columns]:
    from pyarrow import csv

    batches = csv.open_csv(
        file,
        read_options=csv.ReadOptions(block_size=READ_BYTES, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            include_columns=["id", "value", "name", "metadata"],
            column_types={"id": ID, "value": VALUE, "name": pa.string(), "metadata": pa.string()},
            # As COPY writes them: nothing is null, two quotes are the empty string.
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    for batch in batches:
        yield _with_score(batch)


def _read_json(file: IO[bytes]) -> Iterator[Columns]:
    return _read_objects(_rows_of_array(file))


def _read_ndjson(file: IO[bytes]) -> Iterator[Columns]:
    return _read_objects(line.removesuffix(b"\n") for line in file)


def _rows_of_array(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of an array that has one row a line, without its brackets and commas.

    A string in JSON has no line break in it. So when each line is found to be a JSON object by itself, the whole is an
    array.
    """
    line = file.readline()
    if line != b"[\n":
        raise ValueError(f"the file does not begin with a bracket and a line break, but with {line[:20]!r}")
    while (line := file.readline()).endswith(b",\n"):
        yield line[:-2]
    yield line.removesuffix(b"\n")
    end = file.read()
    if end != b"]\n":
        raise ValueError(f"after a row without a comma comes {end[:20]!r} instead of the end of the array")


def _read_objects(lines: Iterator[bytes]) -> Iterator[Columns]:
    while batch := list(islice(lines, BATCH_ROWS)):
        table = _parse_lines(b"\n".join(batch), len(batch), OBJECT)
        metadata = table["metadata"].combine_chunks()
        yield {"id": table["id"], "value": table["value"], "name": table["name"], "score": metadata.field("score")}


def _read_xml(file: IO[bytes]) -> Iterator[Columns]:
    """Parsed as one document by libxml2, and searched by its XPath: both in C, without a loop over rows."""
    from lxml import etree

    finders: dict[str, Callable[[Any], Any]] = {
        name: etree.XPath(path, namespaces={"xsi": XSI}, smart_strings=False) for name, path in XML_PATHS.items()
    }
    parser = etree.XMLPullParser(events=("start",), tag="records", resolve_entities=False)
    root: Any = None
    for text in _whole_records(file):
        parser.feed(text)
        for _, element in parser.read_events():
            root = element
        if root is not None:
            yield _from_texts({name: find(root) for name, find in finders.items()})
            # What was read would stay in the tree.
            del root[:]
    parser.close()


def _whole_records(file: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces that end behind a record, so that none is seen in part. (``<`` in a text would be escaped.)"""
    rest = b""
    while text := file.read(XML_READ_BYTES):
        head, end, tail = (rest + text).rpartition(b"</record>")
        yield head + end
        rest = tail
    yield rest


def _from_texts(texts: dict[str, list[str]]) -> Columns:
    values = [None if text == "true" else text for text in texts["value"]]
    return {
        "id": pa.array(texts["id"], pa.string()).cast(ID),
        "value": pa.array(values, pa.string()).cast(VALUE),
        "name": pa.array(texts["name"], pa.string()),
        "score": pa.array(texts["score"], pa.string()).cast(SCORE),
    }


def _read_parquet(file: IO[bytes]) -> Iterator[Columns]:
    from pyarrow.parquet import ParquetFile

    for batch in ParquetFile(file).iter_batches(BATCH_ROWS, columns=["id", "value", "name", "metadata"]):
        yield _with_score(batch)


def _read_xlsx(file: IO[bytes]) -> Iterator[Columns]:
    """Unpacked by zipfile and parsed by libxml2: a cell has the digits of its number, which a double has not."""
    from zipfile import ZipFile

    with ZipFile(file) as archive:
        # The first of them are no sheets, and the last ones neither.
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                with archive.open(name) as sheet:
                    rows = rows_of_sheet(sheet)
                    header = next(rows)
                    while batch := list(islice(rows, BATCH_ROWS)):
                        yield _of_cells(dict(zip(header, zip(*batch, strict=True), strict=True)))


def rows_of_sheet(sheet: IO[bytes]) -> Iterator[list[str | None]]:
    """The texts of the cells of each row."""
    from lxml import etree

    for _, row in etree.iterparse(sheet, tag=SHEET_ROW, resolve_entities=False):
        yield ["".join(cell.itertext()) if len(cell) else None for cell in row]
        # What was read would stay in the tree.
        row.clear()
        while row.getprevious() is not None:
            del row.getparent()[0]


def _of_cells(texts: dict[str | None, tuple[str | None, ...]]) -> Columns:
    batch = {name: pa.array(texts[name], pa.string()) for name in ("id", "value", "name", "metadata")}
    return _with_score(batch | {"id": batch["id"].cast(ID), "value": batch["value"].cast(VALUE)})


def _with_score(batch: Any) -> Columns:
    """With the documents of ``metadata``, which are text here, read as JSON."""
    documents = batch["metadata"]
    # Parquet says that they are JSON, by a type around the texts.
    lines = pa.compute.binary_join_element_wise(getattr(documents, "storage", documents), "", "\n")
    table = _parse_lines(lines.buffers()[2], len(lines), METADATA)
    return {"id": batch["id"], "value": batch["value"], "name": batch["name"], "score": table["score"]}


def _parse_lines(text: bytes | pa.Buffer, rows: int, schema: pa.Schema) -> pa.Table:
    """One JSON object a line; numbers are read from their digits, and what the schema does not name is only checked."""
    from pyarrow import json

    if rows == 0:
        return schema.empty_table()
    table = json.read_json(
        pa.BufferReader(text),
        # In one block: a line that ends in the next one would need a second look.
        read_options=json.ReadOptions(block_size=len(text) + 1, use_threads=False),
        parse_options=json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    if table.num_rows != rows:
        raise ValueError(f"{rows} lines have {table.num_rows} JSON objects")
    return table


_READERS: Final[dict[str, Callable[[IO[bytes]], Iterator[Columns]]]] = {
    "csv": _read_csv,
    "json": _read_json,
    "ndjson": _read_ndjson,
    "xml": _read_xml,
    "parquet": _read_parquet,
    "xlsx": _read_xlsx,
}
