"""What a peer is: another tool, which may not be installed, and the child process that runs a Python library."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from abc import abstractmethod

from polyglot_export.cli.bench.tool import Job, Tool

__all__ = ["Client", "Job", "Peer", "missing_modules", "missing_programs"]


class Peer(Tool):
    """A tool that our exports are compared with."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot run here; ``None`` when it can."""


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
