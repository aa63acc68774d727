"""What is measured: a program that writes a table into a file, and the job it is given."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar

__all__ = ["Job", "Tool"]

JOB_VARIABLE = "POLYGLOT_BENCH_JOB"
"""The environment variable with the job of a child; a command line would show the password to everybody."""


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
    """

    case: str
    path: str
    schema: str
    table: str
    uri: str
    psql: str = "psql"

    @property
    def name(self) -> str:
        """The table in SQL."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in (self.schema, self.table))

    def environment(self) -> dict[str, str]:
        """The variable that tells a child process its job."""
        return {JOB_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def of_environment(cls) -> Job:
        """The job that this process was started for."""
        return cls(**json.loads(os.environ[JOB_VARIABLE]))


class Tool(ABC):
    """A program with its settings."""

    name: ClassVar[str]
    """As it is shown."""
    cases: ClassVar[tuple[str, ...]]
    """What it can write: names of ``cases.CASES``."""
    package: ClassVar[str | None] = None
    """The distribution of Python whose version is reported; programs have none."""

    @abstractmethod
    def command(self, job: Job) -> list[str]:
        """Program and arguments of the process that writes the file."""
