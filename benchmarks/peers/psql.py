"""psql and the usual programs behind a pipe."""

from __future__ import annotations

import shlex
from typing import ClassVar

from benchmarks.peers.base import Job, Peer, missing_programs
from polyglot_export.cli.bench.psql import copy_command

__all__ = ["Gzip", "Gzip1", "Pigz", "RowToJson", "Zstd"]


class _Pipeline(Peer):
    """``psql | program > file``."""

    through: ClassVar[str]

    def missing(self) -> str | None:
        """The compressor; psql itself was found before."""
        return missing_programs(self.through.split()[0])

    def command(self, job: Job) -> list[str]:
        """A shell, as people write it."""
        copy = shlex.join(copy_command(job.psql, job.name, "pstdout"))
        return ["bash", "-o", "pipefail", "-c", f"{copy} | {self.through} > {shlex.quote(job.path)}"]


class Gzip1(_Pipeline):
    """The fastest level."""

    name: ClassVar[str] = "psql | gzip -1"
    cases: ClassVar[tuple[str, ...]] = ("csv.gz",)
    through: ClassVar[str] = "gzip -1"


class Gzip(_Pipeline):
    """The usual level."""

    name: ClassVar[str] = "psql | gzip"
    cases: ClassVar[tuple[str, ...]] = ("csv.gz",)
    through: ClassVar[str] = "gzip"


class Pigz(_Pipeline):
    """On all cores."""

    name: ClassVar[str] = "psql | pigz -1"
    cases: ClassVar[tuple[str, ...]] = ("csv.gz",)
    through: ClassVar[str] = "pigz -1"


class Zstd(_Pipeline):
    """On two cores."""

    name: ClassVar[str] = "psql | zstd -3 -T2"
    cases: ClassVar[tuple[str, ...]] = ("csv.zst",)
    through: ClassVar[str] = "zstd -q -3 -T2"


class RowToJson(Peer):
    """The server makes the JSON; the CSV quoting of one column is taken off by characters that JSON never has."""

    name: ClassVar[str] = "psql row_to_json"
    cases: ClassVar[tuple[str, ...]] = ("ndjson",)

    def missing(self) -> str | None:
        """There is always a psql: it is the measure."""
        return None

    def command(self, job: Job) -> list[str]:
        r"""COPY text would double the backslashes of JSON; CSV with U+0001 and U+0002 leaves every line as it is."""
        target = job.path.replace("'", "''")
        rows = f"select row_to_json(r) from {job.name} as r"
        statement = f"\\copy ({rows}) to '{target}' with (format csv, quote e'\\x01', delimiter e'\\x02')"
        return [job.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement]
