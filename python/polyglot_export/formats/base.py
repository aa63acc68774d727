"""What a format is: a record with all that the other rooms ask about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from polyglot_export.fields import Record
from polyglot_export.limits import PAGES_PER_SEGMENT, ROW_BYTES, ROW_GROUP_BYTES, ROW_GROUP_ROWS, TEXT_ROW_FACTOR

__all__ = ["EncoderOptions", "FormatRecord", "Memory", "Options"]


@dataclass(frozen=True, slots=True)
class Options(Record):
    """What the options of every format have."""

    time_zone: str = "UTC"
    """Zone in which timestamptz is written, and in which a date of a filter begins; any name that PostgreSQL knows."""
    geometry: Literal["postgres", "wkt", "ewkt", "geojson"] = "postgres"
    """How PostGIS's geometry and geography are written: as PostgreSQL writes them, or as a function of PostGIS does."""

    @property
    def local_times(self) -> bool:
        """Whether a timestamptz is written as the wall clock of the zone shows it, without an offset."""
        return False


O = TypeVar("O", bound=Options)  # noqa: E741 - the options of the format


class EncoderOptions(NamedTuple):
    """What the core is told: the options of all formats, resolved; an encoder reads its own."""

    format: str
    """One of ``_core.formats()``. Two formats of ours may share one: TSV is the core's CSV."""
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
    keep_text: bool = False
    truth_words: str = ""
    month_words: str = ""
    encoding: str = "utf-8"
    replace_unencodable: bool = False
    decimal_comma: bool = False
    float_digits: int | None = None
    booleans: str = "t/f"
    date_format: str = ""
    timestamp_format: str = ""
    # json
    big_numbers_as_strings: bool = False
    # xml
    root: str = "records"
    record: str = "record"
    json_types: str = "containers"
    invalid_xml_chars: str = "error"
    xml_binary: str = "base64"
    # parquet
    parquet_compression: str = "snappy"
    unrepresentable_as_null: bool = False
    row_group_bytes: int = ROW_GROUP_BYTES
    row_group_rows: int = ROW_GROUP_ROWS
    metadata: tuple[tuple[str, str], ...] = ()
    # xlsx
    sheet: str = "Sheet1"
    truncate_long_text: bool = False
    # arrow
    arrow_container: str = "stream"
    arrow_compression: str = "none"


class Memory(NamedTuple):
    """What an export in this format holds besides the chunks that every export holds; ``limits.py`` has the reasons."""

    row_bytes: int = ROW_BYTES
    """Largest row that is accepted."""
    row_factor: float = TEXT_ROW_FACTOR
    """How often a large row is held."""
    column_bytes: int = 0
    """A worker's buffers of one column …"""
    columns_bytes: int = 0
    """… and at most of all its columns."""
    worker_bytes: int = 0
    """A worker's other buffers."""
    row_groups: bool = False
    """Whether each worker collects a row group before it hands anything out."""
    batch_bytes: int = 0
    """Values that a worker collects before it hands them out as one batch …"""
    batch_factor: int = 0
    """… and how often it holds them meanwhile."""


DEFAULT_MEMORY = Memory()


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatRecord(Generic[O]):
    """A format: its names, its options, and what it asks of the rooms that plan, reserve and serve."""

    name: str
    title: str
    """As it is written in a sentence."""
    endings: tuple[str, ...]
    """Of files, with the dot; files of this format are given the first one."""
    media_type: str
    media_parameters: Callable[[O], str] | None = None
    """What follows the media type and depends on the options."""
    options: type[O]
    encoder_options: Callable[[O, Sequence[str], Mapping[str, str]], EncoderOptions]
    """Options, names of the columns in the file and manifest → what the core is told. May raise ``SpecError``."""
    reading: Callable[[O], EncoderOptions]
    """Options → what the core is told that counts the rows of a file (``_core.RowCounter``)."""
    is_text: bool = True
    """Whether a terminal can show it, and whether the whole file may be compressed."""
    columnar: bool = False
    """Whether values are stored by type; then columns have a type in the file, and times are instants."""
    xsd_times: bool = False
    """Whether a timestamptz that the server prints, since only it knows the zone, has the form of XML Schema."""
    reads_json: bool = False
    """Whether a type without a decoder is read as the server's JSON; otherwise as the server's text."""
    repeated_names: bool = False
    """Whether two columns may have the same name."""
    pages_per_segment: int = PAGES_PER_SEGMENT
    """Heap pages that are read as one segment."""
    memory: Memory = DEFAULT_MEMORY

    def content_type(self, options: Any) -> str:
        """The media type of a file that is written with these options."""
        return self.media_type + (self.media_parameters(options) if self.media_parameters is not None else "")
