"""What a dump is asked for, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from polyglot_export.dumps.selection import Selection
from polyglot_export.errors import SpecError
from polyglot_export.execution.run import RunSettings
from polyglot_export.limits import DUMP_PART_BYTES
from polyglot_export.manifest.document import Manifest, MissingRelation
from polyglot_export.request.spec import ExportSpec

__all__ = ["DumpProgress", "DumpRequest", "DumpResult", "OnDumpProgress", "is_named"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpRequest:
    """A dump, complete.

    Raises:
        SpecError: Something of it is wrong.
    """

    destination: str
    """Folder or URL; may hold ``{schema}`` and ``{table}``."""
    manifest: str | None = None
    """The file of the manifest, in the folder of the files or above it; ``None`` for ``manifest.json`` there."""
    selection: Selection = field(default_factory=Selection)
    form: ExportSpec
    """Format, compression and options of every file; what it reads is not looked at."""
    part_size: int | None = None
    """Bytes of a relation's pages that make a part; ``None`` for one part a relation."""
    partition_folders: bool = False
    """A folder for each partition of a table that is read by its partitions."""
    partition_by: Mapping[str, str] = field(default_factory=dict)
    """``schema.table`` (or ``table``) → column, or ``column:day`` and the like, by which its rows are laid into
    folders."""
    partition_texts: tuple[str, ...] = ()
    """The same, each as one text, ``TABLE:COLUMN[:PART]``: what it means is known when the relations are."""
    keep_partition_column: bool = False
    """Leave a column in the files although their folders stand for it."""
    watermarks: Mapping[str, str] = field(default_factory=dict)
    """``schema.table`` (or ``table``) → column whose greatest value the manifest tells."""
    fingerprints: bool = False
    """Note what the server says of each segment's rows."""
    overwrite: bool = False
    keep_going: bool = False
    """Finish the other relations when one fails."""
    run: RunSettings = field(default_factory=RunSettings)

    def __post_init__(self) -> None:
        if self.part_size is not None and self.part_size < DUMP_PART_BYTES:
            raise SpecError("part_size", f"must be at least {DUMP_PART_BYTES >> 20} MiB (got {self.part_size} bytes)")
        given: Mapping[Any, object] = self.partition_by
        for name, by in given.items():
            if not isinstance(name, str) or not isinstance(by, str):
                reason = f"must be the names of relations with a column each (got {name!r}: {by!r})"
                raise SpecError("partition_by", reason)
        if self.keep_partition_column and not self.partition_by and not self.partition_texts:
            raise SpecError("keep_partition_column", "is for relations with partition_by, and there is none")


def is_named(wanted: str, title: str, name: str) -> bool:
    """Whether a request means a relation: by ``schema.name``, or by its name alone where that has no dot.

    Args:
        wanted: As the request has it.
        title: Of the relation, with its schema if it has one.
        name: Of the relation.
    """
    return wanted == title or (wanted == name and "." not in wanted)


class DumpProgress(NamedTuple):
    """How far a dump is."""

    relations: int
    """Relations whose files are complete."""
    relations_total: int
    files: int
    rows: int
    bytes: int
    estimated_rows: int
    """PostgreSQL's estimate of all rows; 0 where it has none."""

    @property
    def fraction(self) -> float | None:
        """The share that is done, from 0 to 1; ``None`` where it cannot be told."""
        if self.relations == self.relations_total:
            return 1.0
        return min(1.0, self.rows / self.estimated_rows) if self.estimated_rows else None


OnDumpProgress = Callable[[DumpProgress], None]


@dataclass(frozen=True, slots=True, repr=False)
class DumpResult:
    """What a dump has written."""

    destination: str
    """The folder or URL of the set, or its manifest where that was given a name: what :func:`verify` takes."""
    manifest: Manifest
    seconds: float
    left: tuple[str, ...] = ()
    """Files of the set that was replaced which could not be removed."""

    def __repr__(self) -> str:
        return (
            f"DumpResult(destination={self.destination!r}, complete={self.complete},"
            f" relations={len(self.manifest.relations)}, files={self.files}, rows={self.rows}, bytes={self.bytes},"
            f" seconds={self.seconds:.3f})"
        )

    @property
    def complete(self) -> bool:
        """Whether everything that was asked for is there."""
        return self.manifest.complete

    @property
    def snapshot(self) -> str:
        """The identifier of the snapshot that all rows were seen in."""
        return self.manifest.source.snapshot

    @property
    def files(self) -> int:
        """How many files there are, without the manifest."""
        return sum(len(relation.parts) for relation in self.manifest.relations)

    @property
    def rows(self) -> int:
        """Rows in all of them."""
        return sum(relation.rows for relation in self.manifest.relations)

    @property
    def bytes(self) -> int:
        """Their size."""
        return sum(part.bytes for relation in self.manifest.relations for part in relation.parts)

    @property
    def missing(self) -> tuple[MissingRelation, ...]:
        """What was left out, or failed."""
        return self.manifest.missing

    @property
    def losses(self) -> dict[str, int]:
        """Values that an option made NULL, replaced or dropped, by ``schema.table.column``."""
        return {
            f"{relation.full_name}.{column}": count
            for relation in self.manifest.relations
            for column, count in relation.losses.items()
        }
