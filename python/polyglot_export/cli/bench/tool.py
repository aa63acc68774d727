"""What is measured: a program that writes a table into a file, and the job it is given."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import ClassVar

__all__ = ["Job", "Tool"]

JOB_VARIABLE = "POLYGLOT_BENCH_JOB"
"""The environment variable that tells a child process its job. On a command line everybody could read the password."""


@dataclass(frozen=True)
class Job:
    """One file to write.

    Attributes:
        case: A name of ``cases.CASES``.
        path: The file.
        schema: Of the table.
        table: The table.
        uri: The server, ``postgresql://…``; the variables of libpq (``PGHOST`` …) name it too.
        psql: The psql to start where one is needed.
        scratch: An empty folder for what the tool needs beside its file.
    """

    case: str
    path: str
    schema: str
    table: str
    uri: str
    psql: str = "psql"
    scratch: str = ""

    @property
    def name(self) -> str:
        """The table as SQL writes it: schema and name, quoted."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.schema, self.table))

    def environment(self) -> dict[str, str]:
        """The variable that tells a child process its job."""
        return {JOB_VARIABLE: json.dumps(asdict(self))}


class Tool(ABC):
    """A program that is measured, with its settings."""

    name: ClassVar[str]
    """The name in the report."""
    cases: ClassVar[tuple[str, ...]]
    """The forms it can write, as names of ``cases.CASES``."""
    package: ClassVar[str | None] = None
    """The name under which its version is reported; ``None`` where it is not."""

    def version(self) -> str | None:
        """Its version; by default that of the Python distribution :attr:`package`."""
        return None if self.package is None else metadata.version(self.package)

    def environment(self, job: Job) -> dict[str, str]:
        """Variables of its process, beside those of libpq, which name the server."""
        return job.environment()

    @abstractmethod
    def command(self, job: Job) -> list[str]:
        """Program and arguments of the process that writes the file."""
