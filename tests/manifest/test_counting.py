"""The counters beside readers that are not ours, over generated files; and over what is no file at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st
from lxml import etree

from polyglot_export import MalformedData
from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format
from tests.manifest.counting import counted

CELLS = st.text(st.sampled_from("a\"'\\,;\n\r\té😀"), max_size=6)
CUTS = st.integers(1, 40)


@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=20),
    quote=st.sampled_from("\"'"),
    delimiter=st.sampled_from(",;\t"),
    escaped=st.booleans(),
    all_quoted=st.booleans(),
    cut=CUTS,
)
def test_csv_of_the_csv_module(
    rows: list[list[str]], quote: str, delimiter: str, escaped: bool, all_quoted: bool, cut: int
) -> None:
    file = io.StringIO(newline="")
    # Outside of quotes the module writes an escape before itself too, and leaves a carriage return alone; COPY does
    # neither.
    assume(all_quoted or not (escaped or any("\r" in cell for row in rows for cell in row)))
    writer = csv.writer(
        file,
        delimiter=delimiter,
        quotechar=quote,
        doublequote=not escaped,
        escapechar="\\" if escaped else None,
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL,
    )
    writer.writerows(rows)
    options: dict[str, Any] = {"quote": quote, "delimiter": delimiter, "escape": "\\" if escaped else quote}
    content = file.getvalue().encode()
    read = csv.reader(io.StringIO(file.getvalue(), newline=""), writer.dialect)
    assert counted(content, Format.CSV, cut=cut, header=False, **options) == sum(1 for _ in read) == len(rows)
    if rows:
        assert counted(content, Format.CSV, cut=cut, **options) == len(rows) - 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a"\\{}[],\n\x00é😀'), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), max_size=8)


@given(rows=OBJECTS, indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans(), cut=CUTS)
def test_json_of_the_json_module(rows: list[dict[str, Any]], indent: int | None, ascii_only: bool, cut: int) -> None:
    array = json.dumps(rows, indent=indent, ensure_ascii=ascii_only).encode()
    assert counted(array, Format.JSON, cut=cut) == len(rows)
    lines = "".join(f"{json.dumps(row, ensure_ascii=ascii_only)}\n" for row in rows).encode()
    assert counted(lines, Format.NDJSON, cut=cut) == len(rows)


@given(
    rows=st.lists(st.lists(st.text(st.sampled_from("a<>&\"'/\n é😀"), max_size=8), max_size=3), max_size=8),
    pretty=st.booleans(),
    cut=CUTS,
)
def test_xml_of_lxml(rows: list[list[str]], pretty: bool, cut: int) -> None:
    root = etree.Element("root")
    for row in rows:
        record = etree.SubElement(root, "row", {"at": "/>"} if len(row) == 2 else {})
        for cell in row:
            etree.SubElement(record, "row", {"note": cell}).text = cell or None
    file = etree.tostring(root, pretty_print=pretty, xml_declaration=True, encoding="UTF-8")
    assert counted(file, Format.XML, cut=cut) == len(rows)


LISTS = st.lists(st.none() | st.lists(st.none() | st.integers(0, 3), max_size=4), max_size=40)


@given(
    flat=st.lists(st.none() | st.integers(0, 5), min_size=0, max_size=300),
    lists=LISTS,
    codec=st.sampled_from(["none", "snappy", "gzip", "zstd", "lz4"]),
    group=st.integers(1, 50),
    page=st.sampled_from([1, 100, 1 << 20]),
    dictionary=st.booleans(),
    cut=CUTS,
)
def test_parquet_of_pyarrow(
    flat: list[int | None], lists: list[Any], codec: Any, group: int, page: int, dictionary: bool, cut: int
) -> None:
    size = min(len(flat), len(lists) * 7)
    stretched = [lists[index % len(lists)] for index in range(size)]
    nested = [None if each is None else [each, [], None] for each in stretched]
    table = pa.table(
        {
            "flat": pa.array(flat[:size], pa.int32()),
            "list": pa.array(stretched, pa.list_(pa.int64())),
            "nested": pa.array(nested, pa.list_(pa.list_(pa.int64()))),
            "struct": pa.array([{"a": each} for each in stretched], pa.struct({"a": pa.list_(pa.int64())})),
        }
    )
    file = parquet(table, compression=codec, row_group_size=group, data_page_size=page, use_dictionary=dictionary)
    assert counted(file, Format.PARQUET, cut=cut) == size


def parquet(table: pa.Table, **how: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, data_page_version="1.0", write_batch_size=10, **how)
    return sink.getvalue()


SAMPLE = parquet(
    pa.table({"a": pa.array(range(2000)), "b": pa.array([[each] * (each % 3) for each in range(2000)])}),
    row_group_size=300,
    compression="snappy",
)


def arrow(write: Any, compression: str = "lz4") -> bytes:
    sink = io.BytesIO()
    table = pa.table({"a": pa.array(range(2000)), "b": pa.array([[each] * (each % 3) for each in range(2000)])})
    with write(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, 300)
    return sink.getvalue()


STREAM, FEATHER = arrow(pa.ipc.new_stream), arrow(pa.ipc.new_file)


class Pipe(io.BytesIO):
    """Where nothing seeks: zipfile writes what is known later behind each member, as exports do."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise io.UnsupportedOperation


def workbook(*sheets: int) -> bytes:
    """Members as a workbook has them, with so many rows in each sheet."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/styles.xml", "<styleSheet><row></styleSheet>")
        for number, rows in enumerate(sheets, start=1):
            cells = "<row><c><v>1</v></c></row>" * (1 + rows)
            archive.writestr(f"xl/worksheets/sheet{number}.xml", f"<worksheet>{cells}</worksheet>")
    return pipe.getvalue()


WORKBOOK = workbook(3, 0, 5000)
FILES: dict[Format, bytes] = {
    Format.CSV: b'a,b\n1,"x\n"\n' * 5,
    Format.TSV: b"a\tb\n" * 5,
    Format.JSON: b'[\n{"a":"]"},\n{}\n]\n',
    Format.NDJSON: b'{"a":1}\n' * 4,
    Format.XML: b'<?xml version="1.0"?>\n<r>\n<a b="/>"/>\n<a>x</a></r>\n',
    Format.PARQUET: SAMPLE,
    Format.ARROW: STREAM,
    Format.FEATHER: FEATHER,
    Format.XLSX: WORKBOOK,
}
PACK: dict[Compression | None, Any] = {
    None: lambda data: data,
    Compression.GZIP: gzip.compress,
    Compression.ZSTD: zstandard.ZstdCompressor().compress,
}


def test_the_rows_of_all_sheets_are_counted() -> None:
    for cut in (1, 3, 5, 64, len(WORKBOOK)):
        assert counted(WORKBOOK, Format.XLSX, cut=cut) == 5003


def test_every_format_and_compression_has_a_file_here() -> None:
    assert set(FILES) == set(Format)
    assert set(PACK) == {None, *Compression}


@pytest.mark.parametrize("format_", list(Format))
@given(data=st.data(), cut=st.integers(1, 5000))
def test_a_damaged_file_is_counted_or_refused(format_: Format, data: st.DataObject, cut: int) -> None:
    """Never a crash, and never a panic of the core, which would be no error of ours."""
    file = bytearray(FILES[format_])
    compression = data.draw(st.sampled_from([None, *Compression])) if format_.record.is_text else None
    file = bytearray(PACK[compression](bytes(file)))
    for _ in range(data.draw(st.integers(1, 4))):
        # The end of a Parquet file, where its footer is, is hit as often as all of the rest.
        place = data.draw(st.integers(0, len(file) - 1) | st.integers(max(0, len(file) - 900), len(file) - 1))
        file[place] = data.draw(st.integers(0, 255))
    try:
        rows = counted(bytes(file), format_, compression, cut=cut)
    except MalformedData:
        return
    assert 0 <= rows < 2**63


@pytest.mark.parametrize("format_", list(Format))
@given(content=st.binary(max_size=300), compression=st.sampled_from([None, *Compression]), cut=CUTS)
def test_any_bytes_are_counted_or_refused(
    format_: Format, content: bytes, compression: Compression | None, cut: int
) -> None:
    try:
        counted(content, format_, compression, cut=cut)
    except MalformedData as error:
        assert str(error)  # noqa: PT017 - most are refused, and none has to be


@pytest.mark.parametrize(
    ("file", "format_", "compression", "says"),
    [
        (b"", Format.CSV, None, "no header"),
        (b'a\n"1', Format.CSV, None, "within a quoted value"),
        (b"a\n1", Format.CSV, None, "within a row"),
        (b"[{}", Format.JSON, None, "before its array does, after row 1"),
        (b"[1]", Format.JSON, None, "no array of objects"),
        (b"{}\n[]\n", Format.NDJSON, None, "row 2 is no object"),
        (b"<a><b/>", Format.XML, None, "before its root does, after row 1"),
        (b"PAR1", Format.PARQUET, None, "too short"),
        (b"PAR1PARE1234", Format.PARQUET, None, "does not end as"),
        (SAMPLE[:-8] + (1 << 25).to_bytes(4, "little") + b"PAR1", Format.PARQUET, None, "longer than it is"),
        (SAMPLE[:-8] + b"\xff" * 4 + b"PAR1", Format.PARQUET, None, "at most 67108864 are read"),
        (STREAM[:-8], Format.ARROW, None, "before its last message"),
        (STREAM + b"x", Format.ARROW, None, "goes on behind its end"),
        (STREAM[-8:], Format.ARROW, None, "no schema"),
        (FEATHER, Format.ARROW, None, "does not begin as"),
        (STREAM, Format.FEATHER, None, "does not begin as"),
        (FEATHER[:-6] + b"ARROW2", Format.FEATHER, None, "does not end as"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", Format.ARROW, None, "at most 67108864 are read"),
        (b"", Format.XLSX, None, "before its directory does"),
        (WORKBOOK[:-1], Format.XLSX, None, "before its directory does"),
        (WORKBOOK + b"x", Format.XLSX, None, "bytes follow"),
        (WORKBOOK.replace(b"PK\x07\x08", b"PK\x07\x09"), Format.XLSX, None, "part 1 is not what its sums say"),
        (b"PK\x03\x05", Format.XLSX, None, "no workbook of ours"),
        (WORKBOOK[:-12] + b"\x09" + WORKBOOK[-11:], Format.XLSX, None, "directory is of another file"),
        (gzip.compress(b"a\n1\n", mtime=0)[:-1], Format.CSV, Compression.GZIP, "gzip"),
        (gzip.compress(b"a\n1\n", mtime=0) + b"x", Format.CSV, Compression.GZIP, "gzip"),
        (b"", Format.CSV, Compression.GZIP, "gzip"),
        (b"", Format.CSV, Compression.ZSTD, "zstd"),
        (b"a\n1\n", Format.CSV, Compression.ZSTD, "zstd"),
        (zstandard.ZstdCompressor().compress(b"a\n1\n")[:-1], Format.CSV, Compression.ZSTD, "before its frame"),
    ],
)
def test_what_is_wrong_is_said(file: bytes, format_: Format, compression: Compression | None, says: str) -> None:
    with pytest.raises(MalformedData, match=says):
        counted(file, format_, compression)


def test_pages_that_do_not_add_up_are_named() -> None:
    """Two files of one shape: the pages of one, and the footer of the other, which has a row more in its last group."""
    files = [
        parquet(
            pa.table({"a": pa.array([0] * rows, pa.int64())}),
            compression="none",
            use_dictionary=False,
            row_group_size=100,
            write_statistics=False,
        )
        for rows in (100, 101)
    ]
    short, longer = files
    lengths = [int.from_bytes(file[-8:-4], "little") for file in files]
    one, two = short[: -8 - lengths[0]], longer[: -8 - lengths[1]]
    assert two.startswith(one)
    file = one + bytes(len(two) - len(one)) + longer[-8 - lengths[1] :]
    with pytest.raises(MalformedData, match="column 1 of row group 2"):
        counted(file, Format.PARQUET)


@pytest.mark.parametrize("packed", [Compression.GZIP, Compression.ZSTD])
def test_several_members_are_one_file(packed: Compression) -> None:
    """As other programs write them when they join files."""
    assert counted(PACK[packed](b"a\n1\n") + PACK[packed](b"2\n"), Format.CSV, packed, cut=3) == 2


def test_a_window_beyond_what_readers_must_take_is_refused() -> None:
    """It would be memory that the file chooses."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    file = packed.compress(b"a\n" * 1000) + packed.flush()
    with pytest.raises(MalformedData, match="zstd"):
        counted(file, Format.CSV, Compression.ZSTD)


def test_arrow_of_pyarrow() -> None:
    for compression in ("lz4", "zstd"):
        assert counted(arrow(pa.ipc.new_stream, compression), Format.ARROW, cut=1000) == 2000
        assert counted(arrow(pa.ipc.new_file, compression), Format.FEATHER, cut=1000) == 2000


def test_a_batch_that_the_footer_does_not_know() -> None:
    """As many batches, of which one is longer than the other file's footer says."""
    short, long = (pa.table({"a": pa.array(range(rows))}) for rows in (10, 200))
    files = []
    for second in (short, long):
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, short.schema) as writer:
            writer.write_table(short)
            writer.write_table(second)
        files.append(sink.getvalue())
    bodies = [file[: -10 - int.from_bytes(file[-10:-6], "little")] for file in files]
    with pytest.raises(MalformedData, match="other batches"):
        counted(bodies[1] + files[0][len(bodies[0]) :], Format.FEATHER)
