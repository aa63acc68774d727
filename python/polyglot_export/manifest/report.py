"""What a check of a set of files found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from polyglot_export.manifest.document import Manifest

__all__ = ["Fault", "FaultKind", "OnVerifyProgress", "Unchecked", "VerifyProgress", "VerifyReport"]


class FaultKind(StrEnum):
    """What is wrong with a file, or with what the manifest says of a relation."""

    MISSING = "missing"
    """The manifest names it, and it is not there."""
    EXTRA = "extra"
    """It is there, and the manifest does not name it."""
    SHORT = "short"
    """It has fewer bytes."""
    LONG = "long"
    """It has more bytes."""
    CHANGED = "changed"
    """It has other bytes."""
    COUNT = "count"
    """It has another number of rows."""
    DATABASE = "database"
    """The database has other rows."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that does not hold."""

    kind: FaultKind
    subject: str
    """The path of a file, relative to the set, or the name of a relation."""
    reason: str

    def __str__(self) -> str:
        return f"{self.kind:<9} {self.subject}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Unchecked:
    """Something of which it could not be told whether it holds."""

    subject: str
    reason: str

    def __str__(self) -> str:
        return f"unchecked {self.subject}: {self.reason}"


@dataclass(frozen=True, slots=True)
class VerifyProgress:
    """How far a check is."""

    files: int
    files_total: int
    bytes: int
    bytes_total: int
    rows: int


OnVerifyProgress = Callable[[VerifyProgress], None]


@dataclass(frozen=True, slots=True, repr=False)
class VerifyReport:
    """What a check found."""

    destination: str
    """Where the set is."""
    manifest: Manifest
    files: int
    """Files of the manifest that were read to their end."""
    bytes: int
    rows: int
    """Rows that were counted in them."""
    seconds: float
    faults: tuple[Fault, ...]
    unchecked: tuple[Unchecked, ...]
    remarks: tuple[str, ...] = ()
    """What is as it should be, and a reader may still want to know, a sentence each."""

    def __repr__(self) -> str:
        return (
            f"VerifyReport(destination={self.destination!r}, ok={self.ok}, files={self.files}, rows={self.rows},"
            f" bytes={self.bytes}, seconds={self.seconds:.3f}, faults={self.faults!r}, unchecked={self.unchecked!r})"
        )

    @property
    def ok(self) -> bool:
        """Whether everything was checked and holds."""
        return not self.faults and not self.unchecked
