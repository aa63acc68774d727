"""Reads downloaded files back in processes of their own, which stand still while something is measured.

An export and psql each keep two cores busy. A reader beside them would make both slower, and not by the same share, so
readers work between the measurements: on as many files at a time as there are readers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

from polyglot_export.errors import PolyglotError
from polyglot_export.testing.records import Sums

__all__ = ["READERS", "Reading", "ReadingRoom"]

READERS: Final = 2
"""Files that are read at a time, and with the one that is being downloaded those that take space on the disk."""
POLL_SECONDS: Final = 0.01
"""Between two looks at the readers; a file takes a second or more."""


@dataclass(frozen=True)
class Reading:
    """A file and what it should hold.

    Attributes:
        path: The file as it was received; it is removed when it has been read.
        format: ``csv``, ``json``, ``ndjson``, ``xml`` or ``parquet``.
        compression: ``gzip``, ``zstd`` or ``None``.
        expected: What the server says.
    """

    path: Path
    format: str
    compression: str | None
    expected: Sums


class ReadingRoom:
    """A few readers; leaving the ``with`` block ends those that are still at work."""

    def __init__(self) -> None:
        self._processes: dict[str, tuple[Reading, subprocess.Popen[bytes]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._at_work():
            process.kill()
            process.communicate()
        self._processes.clear()

    def start(self, name: str, reading: Reading) -> None:
        """Begin to read a file; ``name`` says in :meth:`finished` which it was."""
        process = subprocess.Popen(
            [sys.executable, "-c", "from polyglot_export.cli.demo.reading import main; main()", _to_json(reading)],
            # Never written to: its end tells the reader that its owner is gone.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Ctrl-C on the terminal is for the owner. In a session of its own a stopped reader would outlive a killed
            # owner; a stopped process group of the same session is ended by the kernel then (setpgid(2), SIGHUP).
            process_group=0,
        )
        self._processes[name] = (reading, process)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """No reader takes processor time within the block."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def finished(self, unread: int) -> Iterator[tuple[str, int, str | None]]:
        """Wait until at most ``unread`` files are left.

        Yields:
            For each file that has been read, as soon as it is: its name, its rows, and what is wrong with it, if
            anything is.

        Raises:
            PolyglotError: A reader ended without a result.
        """
        while True:
            done = [name for name, (_, process) in self._processes.items() if process.poll() is not None]
            for name in done:
                yield (name, *self._result(name))
            if len(self._processes) <= unread:
                return
            time.sleep(POLL_SECONDS)

    def _result(self, name: str) -> tuple[int, str | None]:
        reading, process = self._processes.pop(name)
        output, errors = process.communicate()
        reading.path.unlink()
        if process.returncode != 0:
            detail = errors.decode(errors="replace")[-2000:]
            raise PolyglotError(f"the reader of {name} ended with {process.returncode}", detail=detail)
        rows, problem = json.loads(output)
        return rows, problem

    def _signal(self, number: signal.Signals) -> None:
        for process in self._at_work():
            process.send_signal(number)

    def _at_work(self) -> list[subprocess.Popen[bytes]]:
        return [process for _, process in self._processes.values()]


def main() -> None:
    """The reader: checks the file of its argument and prints what was found."""
    # Imported by the reader alone: the owner would wait for Arrow.
    from polyglot_export.testing.readers import check

    threading.Thread(target=_end_with_owner, daemon=True).start()
    reading = _from_json(sys.argv[1])
    print(json.dumps(check(reading.path, reading.format, reading.compression, reading.expected)))


def _end_with_owner() -> None:
    os.read(0, 1)
    os._exit(1)


def _to_json(reading: Reading) -> str:
    return json.dumps(asdict(reading), default=str)


def _from_json(text: str) -> Reading:
    members = json.loads(text)
    sums = members.pop("expected")
    for name in ("id_values", "metadata_scores"):
        sums[name] = Decimal(sums[name])
    return Reading(**members | {"path": Path(members["path"]), "expected": Sums(**sums)})
