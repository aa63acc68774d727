"""What a peer is: another tool, which may not be installed, and where those are that ``install.sh`` installs."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

from polyglot_export.cli.bench.tool import Job, Tool

__all__ = [
    "BUILD",
    "CHECK_SECONDS",
    "Client",
    "Job",
    "Peer",
    "found_program",
    "missing_modules",
    "missing_programs",
    "program_version",
]

ROOT = Path(__file__).parents[2]
BUILD = ROOT / ".build" / "peers"
"""What ``install.sh`` makes: a folder for each line of ``peers.txt``."""
CHECK_SECONDS = 60
"""How long a look whether a tool is there may take."""


class Peer(Tool):
    """A tool that our exports are compared with."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot run here; ``None`` when it can."""


class Client(Peer):
    """A peer that is a Python library, run in a process of its own, where everything that it imports counts."""

    home: ClassVar[str]
    """The folder in :data:`BUILD` that has its Python; where there is none, this Python may have the modules."""
    modules: ClassVar[tuple[str, ...]]
    """What it imports."""
    program: ClassVar[str]
    """The module of ``programs/``."""
    call: ClassVar[str] = "write()"
    """What is called there."""

    def missing(self) -> str | None:
        """The first of its modules that is not installed."""
        if self._interpreter() == sys.executable:
            return missing_modules(*self.modules)
        code = f"from importlib.util import find_spec as f; print(*(n for n in {self.modules!r} if f(n) is None))"
        absent = _output([self._interpreter(), "-c", code]).split()
        return f"the Python module {absent[0]} is not installed" if absent else None

    def version(self) -> str | None:
        """That of its package, where it is installed."""
        code = f"from importlib.metadata import version as v; print(v({self.package!r}))"
        return _output([self._interpreter(), "-c", code]).strip()

    def command(self, job: Job) -> list[str]:  # noqa: ARG002 - the environment tells it (Job.environment)
        """A Python that runs the program."""
        return self.python(self.call)

    def python(self, call: str) -> list[str]:
        """A Python that makes a call of a function of the program, which may stand anywhere."""
        function = call.partition("(")[0]
        path = f"import sys; sys.path.insert(0, {str(ROOT)!r})"
        return [
            self._interpreter(),
            "-c",
            f"{path}; from benchmarks.peers.programs.{self.program} import {function}; {call}",
        ]

    def _interpreter(self) -> str:
        return _installed(self.home, "python") or sys.executable


def _installed(home: str, name: str) -> str | None:
    """A program of a folder that ``install.sh`` has filled; it puts the stamp there in the end."""
    folder = BUILD / home
    program = folder / "bin" / name
    return str(program) if (folder / "stamp").exists() and program.exists() else None


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=CHECK_SECONDS).stdout


def found_program(name: str, home: str | None = None) -> str | None:
    """A program: that of ``install.sh``, or else that on PATH.

    Args:
        name: Of the file.
        home: The folder in :data:`BUILD`; as the program where it is not given.
    """
    return _installed(home or name, name) or shutil.which(name)


def program_version(name: str) -> str:
    """What an installed program says of its version."""
    program = found_program(name) or name
    done = subprocess.run([program, "--version"], capture_output=True, check=False, text=True, timeout=CHECK_SECONDS)
    said = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return "unknown" if said is None else said[0]


def missing_modules(*names: str) -> str | None:
    """The first module that is not installed, in words."""
    absent = next((name for name in names if importlib.util.find_spec(name) is None), None)
    return None if absent is None else f"the Python module {absent} is not installed"


def missing_programs(*names: str, home: str | None = None) -> str | None:
    """The first program that is neither installed by ``install.sh`` nor on PATH, in words."""
    absent = next((name for name in names if found_program(name, home) is None), None)
    return None if absent is None else f"{absent} is not on PATH, and benchmarks/peers/install.sh has not installed it"
