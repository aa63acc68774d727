"""What a peer is, and the child process that runs one."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar

__all__ = ["Client", "Job", "Peer", "missing_modules", "missing_programs"]

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
        psql: The psql that pipelines start.
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
        """How a child is told."""
        return {JOB_VARIABLE: json.dumps(asdict(self))}

    @classmethod
    def of_environment(cls) -> Job:
        """The job that this process was started for."""
        return cls(**json.loads(os.environ[JOB_VARIABLE]))


class Peer(ABC):
    """A tool with its settings."""

    name: ClassVar[str]
    """As it is shown."""
    cases: ClassVar[tuple[str, ...]]
    """What it can write."""
    package: ClassVar[str | None] = None
    """The distribution of Python whose version is reported; programs have none."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot run here; ``None`` when it can."""

    @abstractmethod
    def command(self, job: Job) -> list[str]:
        """Program and arguments of the process that writes the file."""


class Client(Peer):
    """A peer that is a Python library, run in a process of its own, where everything that it imports counts."""

    @abstractmethod
    def run(self, job: Job) -> None:
        """Write the file."""

    def command(self, job: Job) -> list[str]:  # noqa: ARG002 - the environment tells it (Job.environment)
        """A Python that calls :meth:`run`."""
        home, name = type(self).__module__, type(self).__name__
        code = f"from {home} import {name} as Tool; from {Job.__module__} import Job; Tool().run(Job.of_environment())"
        return [sys.executable, "-c", code]


def missing_modules(*names: str) -> str | None:
    """The first module that is not installed, in words."""
    absent = next((name for name in names if importlib.util.find_spec(name) is None), None)
    return None if absent is None else f"the Python module {absent} is not installed"


def missing_programs(*names: str) -> str | None:
    """The first program that is not on PATH, in words."""
    absent = next((name for name in names if shutil.which(name) is None), None)
    return None if absent is None else f"{absent} is not on PATH"
