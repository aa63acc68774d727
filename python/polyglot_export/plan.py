"""A finished plan: plain data that the Rust core reads and does not interpret.

The attribute names are the seam: ``rust/src/py/plan.rs`` reads them by name. ``polyglot explain`` prints a plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Column", "Connection", "EncoderOptions", "Limits", "Plan", "Scan"]


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """Resolved parameters of one server; nothing is left to look up in the environment."""

    host: str
    """A name or address, or for a unix socket the directory that holds it (starts with ``/``)."""
    port: int
    user: str
    dbname: str
    password: str | None = None
    hostaddr: str | None = None
    sslmode: str = "prefer"
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslnegotiation: str = "postgres"
    channel_binding: str = "prefer"
    connect_timeout: float | None = None
    """Seconds."""
    application_name: str = "polyglot"
    options: str | None = None

    def __repr__(self) -> str:
        """Without the password, so that no log or traceback holds it."""
        return f"Connection(host={self.host!r}, port={self.port}, user={self.user!r}, dbname={self.dbname!r})"


@dataclass(frozen=True, slots=True)
class Scan:
    """One ``COPY (SELECT …) TO STDOUT (FORMAT binary)``. A segment's SQL is ``before`` + TID range + ``after``.

    With ``pages`` the heap is cut into runs of ``pages_per_segment`` and the range predicate is put between the two;
    without, the scan is one segment.
    """

    before: str
    after: str
    pages: int | None = None
    pages_per_segment: int = 1
    relation: str = ""
    """For people: the relation or leaf that is read."""

    @property
    def segments(self) -> int:
        """Into how many segments the scan is cut."""
        if self.pages is None:
            return 1
        return max(1, -(-self.pages // self.pages_per_segment))


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how its bytes are read and what it is in the file."""

    source: str
    target: str
    kind: str
    """The decoder: ``bool``, ``int2`` … ``jsonb``, ``by_text``, ``json_text``, or ``array:<kind>:<delimiter>``."""
    parquet: str = "string"
    """``int32``, ``decimal(18,4)``, ``list:int32`` …; read for Parquet only."""
    sql_type: str = ""
    """For people: the type as PostgreSQL prints it."""


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """All options of all formats, resolved; an encoder reads its own."""

    format: str
    """``csv``, ``json``, ``ndjson``, ``xml`` or ``parquet``."""
    # csv
    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    null: str = ""
    header: bool = True
    force_quote: tuple[bool, ...] = ()
    crlf: bool = False
    bom: bool = False
    formula_guard: bool = False
    long_numbers_as_text: bool = False
    # json
    big_numbers_as_strings: bool = False
    # xml
    root: str = "records"
    record: str = "record"
    json_types: str = "containers"
    invalid_xml_chars: str = "error"
    # parquet
    parquet_compression: str = "snappy"
    unrepresentable_as_null: bool = False
    row_group_bytes: int = 16 << 20
    row_group_rows: int = 1_000_000
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes that the memory budget has granted. The bytes of the export do not depend on them."""

    workers: int = 2
    chunk_bytes: int = 1 << 20
    window_bytes: int = 16 << 20
    row_bytes: int = 128 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the core needs to run one export."""

    connection: Connection
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
    source: str = ""
    """For people and manifests: the dataset, table or query that is read."""
    estimated_rows: int | None = None
    """What the planner expects; good for a progress bar and for nothing else."""
    largest_row: int | None = None
    """Bytes of the largest row that there can be, for the reservation of memory; ``None`` where only ``limits.row_bytes`` bounds it."""

    @property
    def segments(self) -> int:
        """How many segments all scans have."""
        return sum(scan.segments for scan in self.scans)

    def __str__(self) -> str:
        """For people: what ``polyglot explain`` prints."""
        from polyglot_export.planner.printing import plan_text

        return plan_text(self)
