"""What a file must be: digests of what the server itself says, or of a quiet run whose file a reader of others has
checked.

Text of csv, json and ndjson comes from the server's ``COPY`` and ``row_to_json``. XML, Parquet and xlsx have no
counterpart there: one export by the library, with nothing else running, is read back by lxml and pyarrow and compared
with sums of the server; its digest is the measure then, as the bytes of an export are a function of its plan.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import zstandard

from benchmarks.columns import large_file_problem, other_table_problem
from polyglot_export.access.schema import ExposedTables
from polyglot_export.execution.run import RunSettings
from polyglot_export.library.sync import open_export
from polyglot_export.request.parse import parse_spec
from polyglot_export.testing.readers import check
from polyglot_export.testing.records import Sums

__all__ = ["Digest", "Oracle", "Spec", "WrongFile"]

READ_ROWS = 300_000
"""Rows up to which each value is read back in Python; beyond it sums of whole columns are compared."""
TEXT = ("csv", "json", "ndjson")
"""Formats for which the server has the text."""


class WrongFile(Exception):
    """A file is not what it must be."""


@dataclass(frozen=True)
class Spec:
    """An export of the load.

    Attributes:
        format: Its format.
        compression: ``gzip``, ``zstd`` or ``None``.
        table: What is read.
        below: Only rows with an id of at most this; ``None`` for all.
    """

    format: str
    compression: str | None = None
    table: str = "records"
    below: int | None = None

    def body(self) -> dict[str, Any]:
        """For ``POST /exports``."""
        body: dict[str, Any] = {"format": self.format, "dataset": self.table, "compression": self.compression}
        if self.below is not None:
            body["filter"] = [{"column": "id", "op": "<=", "value": self.below}]
        return body

    def rows(self) -> str:
        """The SELECT of its rows."""
        return f"SELECT * FROM {self.table}" + (f" WHERE id <= {self.below}" if self.below is not None else "")

    def __str__(self) -> str:
        name = self.format + (f".{self.compression}" if self.compression else "")
        return f"{name} of {self.table}" + (f" to id {self.below:,}" if self.below is not None else "")


class Digest:
    """The digest of a file's content as it comes: unpacked, and without the name of its snapshot (Parquet's footer has
    it).
    """

    def __init__(self, spec: Spec) -> None:
        """Set up for one download."""
        self.size = 0
        self._hash = hashlib.blake2b(digest_size=16)
        self._unpack: Any = None
        if spec.compression == "gzip":
            self._unpack = zlib.decompressobj(31)
        elif spec.compression == "zstd":
            self._unpack = zstandard.ZstdDecompressor().decompressobj()
        self._masked = spec.format == "parquet"
        self._carry = b""

    def take(self, snapshot: str, data: bytes) -> None:
        """The next part of the file."""
        self.size += len(data)
        if self._unpack is not None:
            data = self._unpack.decompress(data)
        if self._masked:
            data = self._mask(snapshot.encode(), self._carry + data)
        self._hash.update(data)

    def finish(self) -> str:
        """The digest of the whole.

        Raises:
            WrongFile: The compressed stream is not at its end, or goes on after it.
        """
        if self._unpack is not None and (not self._unpack.eof or self._unpack.unused_data):
            raise WrongFile("the compressed stream is not one whole stream")
        self._hash.update(self._carry)
        self._carry = b""
        return self._hash.hexdigest()

    def _mask(self, snapshot: bytes, data: bytes) -> bytes:
        data = data.replace(snapshot, b"?" * len(snapshot))
        # A name may begin in this part and end in the next one.
        kept = min(len(snapshot) - 1, len(data))
        self._carry = data[len(data) - kept :]
        return data[: len(data) - kept]


class Oracle:
    """Knows the right digests; each is computed once."""

    def __init__(self, dsn: str) -> None:
        """Set up.

        Args:
            dsn: The database; its tables do not change.
        """
        self._dsn = dsn
        self._known: dict[Spec, str] = {}

    def digest(self, spec: Spec) -> str:
        """What :meth:`Digest.finish` must give.

        Raises:
            WrongFile: The quiet run's file is not right.
        """
        plain = Spec(spec.format, None, spec.table, spec.below)
        if plain not in self._known:
            if plain.format in TEXT:
                self._known |= self._of_server(plain)
            else:
                self._known[plain] = self._of_quiet_run(plain)
        return self._known[plain]

    def _of_server(self, spec: Spec) -> dict[Spec, str]:
        if spec.format == "csv":
            return {spec: _digest_of(self._copy(f"COPY ({spec.rows()}) TO STDOUT (FORMAT csv, HEADER)"))}
        # Quotes and delimiters that no JSON text has: each line is the text itself.
        rows = f"SELECT row_to_json(r) FROM ({spec.rows()}) AS r"
        statement = f"COPY ({rows}) TO STDOUT (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
        array, lines = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
        between = b"[\n"
        for line in self._copy(statement):
            lines.update(line)
            array.update(between + line[:-1])
            between = b",\n"
        array.update(b"\n]\n" if between == b",\n" else b"[]\n")
        table, below = spec.table, spec.below
        return {
            Spec("json", None, table, below): array.hexdigest(),
            Spec("ndjson", None, table, below): lines.hexdigest(),
        }

    def _copy(self, statement: str) -> Iterator[bytes]:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(
                "SET TimeZone = 'UTC'; SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0"
            )
            with connection.cursor().copy(statement) as copy:
                for part in copy:
                    yield bytes(part)

    def _of_quiet_run(self, spec: Spec) -> str:
        digest = Digest(spec)
        quiet = RunSettings(workers=1)
        with tempfile.NamedTemporaryFile(prefix="polyglot-oracle-") as file:
            # What a table is called in Parquet's footer depends on how it is offered.
            with open_export(parse_spec(spec.body()), dsn=self._dsn, exposure=ExposedTables.public(), run=quiet) as run:
                for chunk in run:
                    file.write(chunk)
                    digest.take(run.snapshot, chunk)
            file.flush()
            problem = self._problem(Path(file.name), spec)
        if problem is not None:
            raise WrongFile(f"{spec}: {problem}")
        return digest.finish()

    def _problem(self, path: Path, spec: Spec) -> str | None:
        if spec.table != "records":
            return other_table_problem(path, self._dsn, spec.table)
        sums = self._sums(spec)
        if sums.rows <= READ_ROWS:
            return check(path, spec.format, None, sums)[1]
        return large_file_problem(path, spec.format, sums)

    def _sums(self, spec: Spec) -> Sums:
        with psycopg.connect(self._dsn) as connection:
            row = connection.execute(
                "SELECT count(*), coalesce(sum(id), 0), coalesce(sum(id * value), 0), coalesce(sum(length(name)), 0),"
                f" coalesce(sum(id * (metadata->>'score')::numeric), 0) FROM ({spec.rows()}) AS r"
            ).fetchone()
        if row is None:
            raise AssertionError("an aggregate without GROUP BY gives one row")
        return Sums(row[0], int(row[1]), Decimal(row[2]), int(row[3]), Decimal(row[4]))


def _digest_of(parts: Iterator[bytes]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        found.update(part)
    return found.hexdigest()
