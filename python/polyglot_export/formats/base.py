"""What every format has."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

__all__ = ["EncoderOptions"]


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


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)

    time_zone: str = "UTC"
    """Zone in which timestamptz is written; any name that PostgreSQL knows."""
