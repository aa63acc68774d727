"""A finished plan: plain data that the Rust core reads and does not interpret.

The attribute names are the seam: ``rust/src/py/plan.rs`` reads them by name. ``planning/describe.py``
shows a plan to people.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from polyglot_export.formats.base import EncoderOptions
from polyglot_export.formats.registry import Format
from polyglot_export.limits import ROUTE_BYTES, ROUTE_FILES, Limits, window_bytes
from polyglot_export.postgres.parameters import ServerParameters

__all__ = ["Column", "Plan", "Resolved", "Route", "Scan"]


class Scan(NamedTuple):
    """One ``COPY (SELECT …) TO STDOUT (FORMAT binary)``. A segment's SQL is ``before`` + TID range + ``after``.

    With ``pages`` so many pages of the heap, from ``first_page`` on, are cut into runs of ``pages_per_segment`` and the
    range predicate is put between the two; without, the scan is one segment.
    """

    before: str
    after: str
    pages: int | None = None
    pages_per_segment: int = 1
    relation: str = ""
    """For people: the relation or leaf that is read."""
    table: str = ""
    """The heap that ``pages`` are of, as SQL names it."""
    first_page: int = 0
    open_end: bool = True
    """The last segment has no upper bound, so that it takes the pages that were appended since."""
    leaf_schema: str = ""
    leaf_name: str = ""
    """Of the partition that is read in place of its table; empty for anything else."""

    @property
    def segments(self) -> int:
        """Into how many segments the scan is cut."""
        if self.pages is None:
            return 1
        return max(1, -(-self.pages // self.pages_per_segment))


class Column(NamedTuple):
    """One column: how its bytes are read and what it is in the file."""

    source: str
    target: str
    kind: str
    """The decoder: ``bool``, ``int2`` … ``jsonb``, ``by_text``, ``json_text``, or ``array:<kind>:<delimiter>``."""
    parquet: str = "string"
    """``int32``, ``decimal(18,4)``, ``list:int32`` …; read for Parquet only."""
    sql_type: str = ""
    """For people: the type as PostgreSQL prints it."""


class Resolved(NamedTuple):
    """What each worker looks up by itself, whenever it begins a statement."""

    text: str
    """One of the statements."""
    relations: bool
    """Whether that goes for its relations and their children, and not for functions alone."""


class Route(NamedTuple):
    """How rows are laid into several files. Each scan gives the value, as text, in front of the columns, and one worker
    keeps the rows apart.
    """

    column: str
    """Whose value it is, or is made of."""
    key: str
    """What the value is called in the name of a folder."""
    in_file: bool
    """Whether the column is in the files too."""
    open_files: int = ROUTE_FILES
    """Files that are written side by side."""
    waiting_bytes: int = ROUTE_BYTES
    """Bytes of rows that may wait for their file."""
    file_bytes: int | None = None
    """Bytes of rows, as they are read, after which a file ends."""


@dataclass(frozen=True, slots=True, repr=False)
class Plan:
    """Everything the core needs to run one export."""

    connection: ServerParameters
    session: tuple[str, ...]
    """``SET LOCAL …`` statements, and for tables a LOCK, run in each worker before the snapshot is imported."""
    snapshot: str
    server_version: int
    scans: tuple[Scan, ...]
    columns: tuple[Column, ...]
    encoder: EncoderOptions
    compression: str | None = None
    """``gzip`` or ``zstd``."""
    compression_level: int = 2
    limits: Limits = field(default_factory=Limits)
    notes: tuple[str, ...] = ()
    """For people: why the plan is as it is (why it could not be cut, say)."""
    remarks: tuple[str, ...] = ()
    """For people: what they may not expect in the file, and what to write for something else."""
    source: str = ""
    """For people and manifests: the dataset, table or query that is read."""
    estimated_rows: int | None = None
    """What the planner expects; good for a progress bar and for nothing else."""
    largest_row: int | None = None
    """Bytes of the largest row that there can be, for the reservation of memory; ``None`` where only
    ``limits.row_bytes`` bounds it."""
    stored_once: bool = True
    """The pages that are read hold all values, and no column is written more than once."""

    watched: str | None = None
    """A whole statement that may come to read more than the moment holds, since a partition or child table can be added
    at any time: to be planned again once the workers have begun, and where they plan parts of it until the end, then
    too."""
    resolved: Resolved | None = None
    """Of several statements whose names may come to mean something else: to be looked after once all are read
    (``planning/meanwhile.py``)."""
    route: Route | None = None
    """Where the rows go into several files."""

    def __repr__(self) -> str:
        columns = ", ".join(column.target for column in self.columns)
        return (
            f"Plan(source={self.source!r}, format={self.encoder.format!r}, columns=({columns}),"
            f" estimated_rows={self.estimated_rows}, segments={self.segments}, workers={self.limits.workers},"
            f" notes={self.notes!r})"
        )

    @property
    def segments(self) -> int:
        """How many segments all scans have."""
        return sum(scan.segments for scan in self.scans)

    @property
    def pages(self) -> int | None:
        """How many pages of tables are read; ``None`` where the server alone decides what it reads."""
        known = [scan.pages for scan in self.scans if scan.pages is not None]
        return sum(known) if known and len(known) == len(self.scans) else None

    def resized(self, limits: Limits) -> Plan:
        """The same export with other sizes; its bytes do not change.

        Args:
            limits: The sizes granted. There are never more workers than segments (a small table takes one connection),
                the window is no larger than what they need, and a format may have a smaller limit for a row.
        """
        workers = max(1, min(limits.workers, self.segments))
        window = min(limits.window_bytes, window_bytes(workers))
        row = min(limits.row_bytes, Format(self.encoder.format).record.memory.row_bytes)
        return replace(self, limits=replace(limits, workers=workers, window_bytes=window, row_bytes=row))
