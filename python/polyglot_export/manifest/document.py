"""A manifest: what a set of files is, from which moment of which database, and how to tell that it is still that.

The dataclasses below are the truth; ``docs/reference/manifest.schema.json`` is made of them. A manifest is outside
data when it is read, so every member is checked, and a path that would lead out of its folder is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from polyglot_export.compressions import Compression
from polyglot_export.errors import ManifestError, SpecError
from polyglot_export.fields import Record, read_record, write_record
from polyglot_export.formats.registry import Format
from polyglot_export.limits import MANIFEST_BYTES
from polyglot_export.manifest import members, text

__all__ = [
    "FORMAT_VERSION",
    "MANIFEST",
    "ColumnEntry",
    "Manifest",
    "MissingRelation",
    "Origin",
    "PartEntry",
    "RelationEntry",
    "RelationKind",
    "SegmentFingerprint",
    "Tool",
    "Watermark",
    "WriteOptions",
]

MANIFEST = "manifest.json"
"""The name of the manifest in the folder of its files."""

FORMAT_VERSION = 1
"""Raised when a reader of today would misread what is written tomorrow."""

RelationKind = Literal["table", "partitioned table", "view", "materialized view", "foreign table", "query"]

COUNT = {"ge": 0}
SHA256 = {"read": members.sha256, "json_schema_extra": {"pattern": members.SHA256_PATTERN}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Record):
    """The program that wrote the files."""

    name: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin(Record):
    """The moment of the database that all files are of."""

    server_version: str
    """As ``SHOW server_version`` prints it."""
    database: str
    system_identifier: str | None = None
    """Of ``pg_control_system()``: the same for a server and its standbys. ``None`` where the login may not ask."""
    snapshot: str
    """As ``pg_export_snapshot()`` named it."""
    lsn: str | None = None
    """Where the write-ahead log was right after the snapshot was taken."""
    taken_at: str
    """When the snapshot was taken by the server's clock, in ISO 8601 with an offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions(Record):
    """What the files were asked to be."""

    format: Format
    compression: Compression | None = None
    """Of the whole file; Parquet has its own among the options of the format."""
    format_options: Mapping[str, object] = field(default_factory=dict, metadata={"read": members.options})
    """The options of the format, those that were not given with their defaults."""
    filter: tuple[str, ...] = ()
    """Terms that all rows fulfil, each as the JSON text of the request."""
    limit: int | None = field(default=None, metadata=COUNT)
    """The most rows that were asked for."""
    part_size: int | None = field(default=None, metadata=COUNT)
    """Bytes of a part, about, where relations were cut."""
    partition_by: Mapping[str, str] = field(default_factory=dict, metadata={"read": members.texts})
    """By what a relation's rows were laid into folders, as it was asked for: ``created_at:day``."""
    partition_folders: bool = False
    """Whether each leaf of a partitioned table has a folder of its own."""
    keep_partition_column: bool = False
    """Whether the column that rows were laid into folders by is in the files too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnEntry(Record):
    """A column in the files."""

    name: str
    """As the files name it."""
    type: str
    """As ``format_type`` prints it."""
    nullable: bool = True
    file_type: str | None = None
    """The type in the file, for formats that have types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEntry(Record):
    """A file: a run of segments of one relation."""

    path: str = field(metadata={"read": members.path})
    """Relative to the folder of the manifest, with ``/`` between its parts."""
    bytes: int = field(metadata=COUNT)
    rows: int = field(metadata=COUNT)
    sha256: str = field(metadata=SHA256)
    first_segment: int | None = field(default=None, metadata=COUNT)
    last_segment: int | None = field(default=None, metadata=COUNT)
    partition: Mapping[str, str | None] | None = field(default=None, metadata={"read": members.values})
    """The columns that the folder stands for, each with its value as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark(Record):
    """The greatest value of a column in the same moment: where an increment goes on."""

    column: str
    value: str | None = None
    """As the server prints it; ``None`` if there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFingerprint(Record):
    """What the server said of a segment's rows, in the same moment, without reading their values."""

    segment: int = field(metadata=COUNT)
    relation: str
    """The table or leaf, as ``regclass`` prints it with its schema."""
    first_page: int = field(metadata=COUNT)
    end_page: int | None = field(default=None, metadata=COUNT)
    """The first page that is not of it; ``None`` for all that follow."""
    count: int = field(metadata=COUNT)
    sum: str
    """Of a number made of each row's ``(ctid, xmin)`` and the table's file, in whatever order; a whole number as text,
    since it may have more digits than a reader of JSON keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationEntry(Record):
    """A table, view or query and the files that hold its rows."""

    schema: str | None = None
    """``None`` for a query."""
    name: str
    kind: RelationKind
    dataset: str | None = None
    """The name that it was asked for by, where that is another one."""
    filter: tuple[str, ...] | None = None
    """Terms that its rows fulfil, beside those of the options; each as the JSON text of the request."""
    limit: int | None = field(default=None, metadata=COUNT)
    """The most rows that were asked for of it."""
    sql_where: str | None = None
    """The condition in SQL that its rows fulfil. Nobody runs it again: a file is no place to take SQL from."""
    folder: str = field(default="", metadata={"read": members.folder})
    """Relative to the manifest's own; empty where that is it."""
    columns: tuple[ColumnEntry, ...] = ()
    primary_key: tuple[str, ...] = ()
    rows: int = field(metadata=COUNT)
    losses: Mapping[str, int] = field(default_factory=dict, metadata={"read": members.counts})
    """How many values an option made NULL, replaced or dropped, by column; columns without losses are left out."""
    parts: tuple[PartEntry, ...] = ()
    watermark: Watermark | None = None
    partition_columns: tuple[str, ...] = ()
    """Columns that the folders stand for, from the outermost."""
    fingerprints: tuple[SegmentFingerprint, ...] | None = None

    @property
    def full_name(self) -> str:
        """``schema.name`` for messages."""
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingRelation(Record):
    """A relation that was asked for and is not there."""

    schema: str | None = None
    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Record):
    """A set of files.

    Raises:
        SpecError: A member is wrong; ``field`` says which.
    """

    format_version: int = field(default=FORMAT_VERSION, metadata={"ge": FORMAT_VERSION, "le": FORMAT_VERSION})
    tool: Tool
    complete: bool
    """Whether everything that was asked for is there."""
    source: Origin
    options: WriteOptions
    relations: tuple[RelationEntry, ...] = ()
    missing: tuple[MissingRelation, ...] = ()
    digest: str = ""
    """``sha256:`` and the digest of everything else (:func:`polyglot_export.manifest.text.digest`)."""

    @property
    def intact(self) -> bool:
        """Whether it still says what it said when its digest was made."""
        return self.digest == self.with_digest().digest

    def with_digest(self) -> Manifest:
        """The same with the digest of its content."""
        return replace(self, digest=self._digested()["digest"])

    def to_json(self) -> bytes:
        """The file, with the digest of its content.

        Raises:
            ManifestError: It is larger than ``limits.MANIFEST_BYTES``.
        """
        content = text.write(self._digested())
        if len(content) > MANIFEST_BYTES:
            raise ManifestError(f"the manifest has {len(content)} bytes, and at most {MANIFEST_BYTES} can be read")
        return content

    @classmethod
    def from_json(cls, content: bytes, *, check_digest: bool = True) -> Manifest:
        """Read the file.

        Args:
            content: All of it.
            check_digest: Refuse it if it was changed; otherwise :attr:`intact` tells.

        Raises:
            ManifestError: It is no manifest, is of a later version, was changed, or names a file outside its folder.
        """
        given = text.read(content)
        version = given.get("formatVersion")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise ManifestError(
                f"the manifest has version {version}, and this program reads up to {FORMAT_VERSION}: take a later one"
            )
        try:
            manifest = read_record(cls, given)
        except SpecError as error:
            raise ManifestError(f"this is no manifest: {error.message}") from None
        if check_digest and not manifest.intact:
            raise ManifestError("the manifest was changed after it was written: its digest is that of other content")
        return manifest

    def _digested(self) -> dict[str, Any]:
        """The members, with the digest of the others."""
        content = write_record(self)
        del content["digest"]
        content["digest"] = text.digest(content)
        return content

    def _check(self) -> None:
        seen: set[str] = set()
        for index, relation in enumerate(self.relations):
            for number, part in enumerate(relation.parts):
                if part.path in seen:
                    raise SpecError(f"relations.{index}.parts.{number}.path", f"{part.path!r} is named twice")
                seen.add(part.path)
