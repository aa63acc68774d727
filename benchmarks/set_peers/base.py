"""What is compared: a peer that writes ``records`` into a folder, and the dump of ours that does the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

__all__ = ["SetJob", "SetPeer"]


@dataclass(frozen=True)
class SetJob:
    """A table to write into a folder.

    Attributes:
        uri: The server, ``postgresql://…``; the variables of libpq (``PGHOST`` …) name it too.
        table: The table, in the schema ``public``.
        rows: That it has.
        folder: Empty, for the files.
        scratch: A folder for what the tool needs beside them.
        programs: The folder of the server's programs.
    """

    uri: str
    table: str
    rows: int
    folder: Path
    scratch: Path
    programs: Path


class SetPeer(ABC):
    """A tool that writes sets of files."""

    name: ClassVar[str]
    ours: ClassVar[tuple[str, ...]]
    """What ``polyglot dump`` is given to do the same work."""

    @abstractmethod
    def missing(self) -> str | None:
        """Why it cannot run here; ``None`` when it can."""

    @abstractmethod
    def command(self, job: SetJob) -> list[str]:
        """Program and arguments of the process that writes the files."""

    def environment(self, job: SetJob) -> dict[str, str]:  # noqa: ARG002 - most need none
        """Variables of its process, beside those of libpq, which name the server."""
        return {}

    def rows(self, job: SetJob) -> int | None:
        """The rows in its files; ``None`` where only the tool itself can read them."""
        import pyarrow.dataset

        return int(pyarrow.dataset.dataset([str(path) for path in job.folder.rglob("*.parquet")]).count_rows())
