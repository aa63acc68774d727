"""``polyglot export``, started for the measurement as a user would start it."""

from __future__ import annotations

import sys
from typing import ClassVar

from polyglot_export.cli.bench.cases import CASES
from polyglot_export.cli.bench.tool import Job, Tool

__all__ = ["Polyglot"]


class Polyglot(Tool):
    """Our own command.

    Args:
        workers: The value of ``--workers``; with ``None`` the command chooses.
    """

    name: ClassVar[str] = "polyglot"
    cases: ClassVar[tuple[str, ...]] = tuple(CASES)

    def __init__(self, workers: int | None) -> None:
        self._workers = workers

    def command(self, job: Job) -> list[str]:
        """The command line. It writes to a file, not to standard output, because the other tools write files too."""
        case = CASES[job.case]
        code = "import sys; sys.argv[0] = 'polyglot'; from polyglot_export.cli.start import main; main()"
        command = [sys.executable, "-c", code, "export", job.name, "-f", case.format, "-o", job.path, "--quiet"]
        if self._workers is not None:
            command += ["--workers", str(self._workers)]
        if case.compression is not None:
            command += ["--compression", case.compression]
        for option in case.options:
            command += ["--option", option]
        return command
