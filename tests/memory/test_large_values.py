"""Values of 100 MB: they leave in pieces, so that a process holds each once, as it was read, and stays below 256 MB."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from polyglot_export import _core
from polyglot_export.limits import ROW_BYTES
from polyglot_export.testing.usage import Usage, measure
from tests.fixtures.process import command, environment, serve
from tests.fixtures.server import Database
from tests.service.client import create

pytestmark = pytest.mark.memory

MEGABYTE = 1_000_000
LIMIT = 256 << 20
"""What the whole process may hold, interpreter and libraries included."""
SEGMENT_PAGES = 1000
"""Heap pages of a segment, as ``planning/segments.py`` cuts them."""
COLUMNS = ("id", "t", "b", "j")
UNIT = "a\"b\\c\x01,'\n\t<&>\r0123456789é{}[]"
"""What formats escape."""
LARGEST = 100 * MEGABYTE
"""Bytes of the text; as bytea and jsonb it is a little shorter, to spare time."""


@dataclass(frozen=True)
class Digest:
    """Length and sum of bytes that are not worth keeping."""

    length: int
    md5: str


class Sum:
    """Makes a :class:`Digest` of bytes as they come."""

    def __init__(self) -> None:
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._length = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self._md5.update(data)
        self._length += len(data)

    def digest(self) -> Digest:
        return Digest(self._length, self._md5.hexdigest())


class Readable(Protocol):
    """A file, a decompressor or a response."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Large:
    """The table and what the server says of it."""

    dsn: str
    csv: Digest
    ndjson: Digest
    json: Digest


@pytest.fixture(scope="module")
def large(server: Database) -> Iterator[Large]:
    """A table with the largest rows at the start of segments of their own, which two workers would read at the same
    time.
    """
    assert _core.build_profile == "release", "a debug build holds other buffers; make install makes a release build"
    values = {
        "t": f"repeat(%(unit)s, {LARGEST // len(UNIT.encode())})",
        "b": f"convert_to(repeat(%(unit)s, {40 * MEGABYTE // len(UNIT.encode())}), 'UTF8')",
        "j": f"to_jsonb(repeat(%(unit)s, {30 * MEGABYTE // len(UNIT.encode())}))",
    }
    with server.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            # Kept uncompressed where the server would spend its time on that; a page for each row of the filler.
            conn.execute(
                "CREATE UNLOGGED TABLE large (id int, t text STORAGE EXTERNAL, b bytea STORAGE EXTERNAL, j jsonb STORAGE EXTERNAL,"
                " filler text STORAGE PLAIN)"
            )
            conn.execute("INSERT INTO large VALUES (0, 'first', '\\x00', 'null')")
            for number, (column, value) in enumerate(values.items()):
                conn.execute(f"INSERT INTO large (id, {column}) VALUES (-{number}, {value})", {"unit": UNIT})
                conn.execute(
                    f"INSERT INTO large (id, filler) SELECT n, repeat('x', 7000) FROM generate_series(1, {SEGMENT_PAGES}) n"
                )
            conn.execute("INSERT INTO large (id, t) VALUES (9, 'last')")
        yield Large(dsn, *oracle(dsn))


def oracle(dsn: str) -> tuple[Digest, Digest, Digest]:
    """The files as the server itself makes them: csv, ndjson, json."""
    selected = f"SELECT {', '.join(COLUMNS)} FROM large"
    csv, ndjson, json = Sum(), Sum(), Sum()
    with psycopg.connect(dsn) as conn, conn.cursor() as cursor:
        cursor.execute("SET synchronize_seqscans = off")
        with cursor.copy(f"COPY ({selected}) TO STDOUT (FORMAT csv, HEADER)") as copy:
            for line in copy:
                csv.update(line)
        # No row of JSON holds these bytes, so that csv leaves it as it is.
        as_is = "(FORMAT csv, QUOTE E'\\x02', DELIMITER E'\\x03')"
        before = b"[\n"
        with cursor.copy(f"COPY (SELECT row_to_json(r) FROM ({selected}) AS r) TO STDOUT {as_is}") as copy:
            for line in copy:
                ndjson.update(line)
                json.update(before)
                json.update(line[:-1])
                before = b",\n"
        json.update(b"\n]\n")
    return csv.digest(), ndjson.digest(), json.digest()


def export(dsn: str, path: Path, *arguments: str) -> Usage:
    """Run the program; its file is at ``path``."""
    with path.open("wb") as file:
        arguments = ("--workers", "2", "-o", "-", "-f", *arguments)
        usage = measure([*command(), "export", "large", *arguments], env=environment(dsn), stdout=file, timeout=120)
    assert usage.peak < LIMIT, f"{usage.peak / MEGABYTE:.0f} MB"
    return usage


def high_water(pid: int) -> int:
    """The largest resident set of a running process, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))


def digest(file: Readable) -> Digest:
    total = Sum()
    while data := file.read(1 << 20):
        total.update(data)
    return total.digest()


def test_csv(large: Large, tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    usage = export(large.dsn, path, "csv", "--columns", ",".join(COLUMNS))
    assert usage.exit_code == 0, usage.errors
    with path.open("rb") as file:
        assert digest(file) == large.csv


def test_csv_in_utf_16(large: Large, tmp_path: Path) -> None:
    """A cell is encoded slice by slice, cut within characters too."""
    path = tmp_path / "large.csv"
    usage = export(large.dsn, path, "csv", "--columns", ",".join(COLUMNS), "--option", "encoding=utf-16le")
    assert usage.exit_code == 0, usage.errors
    total, decoder = Sum(), codecs.getincrementaldecoder("utf-16")()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            total.update(decoder.decode(data).encode())
    assert total.digest() == large.csv


def test_ndjson(large: Large, tmp_path: Path) -> None:
    path = tmp_path / "large.ndjson"
    usage = export(large.dsn, path, "ndjson", "--columns", ",".join(COLUMNS))
    assert usage.exit_code == 0, usage.errors
    with path.open("rb") as file:
        assert digest(file) == large.ndjson


def test_json_in_gzip(large: Large, tmp_path: Path) -> None:
    path = tmp_path / "large.json.gz"
    usage = export(large.dsn, path, "json", "--columns", ",".join(COLUMNS), "--compression", "gzip")
    assert usage.exit_code == 0, usage.errors
    with gzip.open(path, "rb") as file:
        assert digest(file) == large.json


def test_xml_in_zstd(large: Large, tmp_path: Path) -> None:
    path = tmp_path / "large.xml.zst"
    arguments = ("xml", "--columns", "id,t", "--compression", "zstd", "--option", "invalidXmlChars=replace")
    usage = export(large.dsn, path, *arguments)
    assert usage.exit_code == 0, usage.errors
    assert "1 value" in usage.errors, "the loss is told"
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "\x01": "\ufffd"})
    text = UNIT.translate(escapes) * (LARGEST // len(UNIT.encode()))
    with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        document = process.stdout.read()
    start = document.index(b"<t>", document.index(b"<t>") + 1) + len(b"<t>")
    assert document[start : start + len(text.encode()) + 4] == text.encode() + b"</t>"
    assert document.count(b"<record>") == document.count(b"</record>\n") == 5 + 3 * SEGMENT_PAGES
    assert document.endswith(b"<record><id>9</id><t>last</t></record>\n</records>\n")


def test_over_http(large: Large) -> None:
    """The service takes rows as large as ``POLYGLOT_ROW_LIMIT`` says, and reserves that."""
    with serve(large.dsn, row_limit="128MB", memory_limit="256MB", workers=2, fresh=True) as service:
        export_id = create(service, dataset="large", columns=list(COLUMNS))
        with urllib.request.urlopen(f"{service.url}/exports/{export_id}/download", timeout=120) as answer:
            assert digest(answer) == large.csv
        assert high_water(service.process.pid) < LIMIT


def test_a_row_beyond_the_limit_is_an_error_with_its_number(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TABLE large (id int, t text STORAGE EXTERNAL, u text STORAGE EXTERNAL)")
    conn.execute("INSERT INTO large SELECT n, 'short', NULL FROM generate_series(1, 10) AS n")
    conn.execute(f"INSERT INTO large SELECT 11, half, half FROM repeat('x', {ROW_BYTES // 2}) AS half")
    usage = export(dsn, tmp_path / "large.csv", "csv")
    assert usage.exit_code == 1
    assert f"row 11: a row of {ROW_BYTES + 18} bytes is larger than the limit of {ROW_BYTES} bytes" in usage.errors
