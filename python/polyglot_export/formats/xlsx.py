"""xlsx: Excel's workbooks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from polyglot_export.errors import SpecError
from polyglot_export.fields import wrong
from polyglot_export.formats.base import EncoderOptions, FormatRecord, Memory, Options
from polyglot_export.limits import COMPRESSOR_BYTES

__all__ = ["XLSX", "XlsxOptions"]

SHEET_UNITS = 31
"""UTF-16 units of the name of a sheet (Excel specifications and limits)."""
COLUMNS = 16_384
"""Columns of a sheet (the same)."""
UNNAMED = "Sheet1"
"""A sheet for which there is no name; what Excel calls its first one."""
_FORBIDDEN = re.compile(r"[\x00-\x1f\ufffe\uffff:\\/?*\[\]]")
_RESERVED = "history"
"""Excel keeps this name, in any case, for itself."""


@dataclass(frozen=True, slots=True)
class XlsxOptions(Options):
    """Excel's workbooks (ECMA-376), written as a stream."""

    sheet: str | None = None
    """Name of the first sheet; that of the table when not given. Further ones have their number behind it."""
    long_text: Literal["error", "truncate"] = "error"
    """What happens to a text of more than 32,767 characters; ``truncate`` is counted."""

    @property
    def local_times(self) -> bool:
        """A cell knows no zone."""
        return True

    def _check(self) -> None:
        if self.sheet is not None and _sheet_name(self.sheet) != self.sheet:
            reason = (
                f"must be a name that Excel takes: 1 to {SHEET_UNITS} characters, none of : \\ / ? * [ ], no "
                "apostrophe at an end, and not History"
            )
            raise SpecError("sheet", wrong(reason, self.sheet).reason)


def _sheet_name(text: str) -> str:
    """The nearest name that Excel takes."""
    name = _FORBIDDEN.sub("_", text)
    while len(name.encode("utf-16-le", "surrogatepass")) > 2 * SHEET_UNITS:
        name = name[:-1]
    name = name.strip("'")
    if not name.strip():
        return UNNAMED
    return f"{name}_" if name.lower() == _RESERVED else name


def _of_source(source: str) -> str:
    """A table without its schema, as people call it."""
    return _sheet_name(source.rpartition(".")[2])


def _encoder_options(options: XlsxOptions, targets: Sequence[str], manifest: Mapping[str, str]) -> EncoderOptions:
    if not 1 <= len(targets) <= COLUMNS:
        raise SpecError("columns", f"xlsx needs 1 to {COLUMNS:,} columns, not {len(targets):,}")
    return EncoderOptions(
        "xlsx",
        sheet=options.sheet if options.sheet is not None else _of_source(manifest.get("source", "")),
        truncate_long_text=options.long_text == "truncate",
    )


XLSX = FormatRecord(
    name="xlsx",
    title="xlsx",
    endings=(".xlsx",),
    media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    options=XlsxOptions,
    encoder_options=_encoder_options,
    reading=lambda _options: EncoderOptions("xlsx"),
    is_text=False,
    repeated_names=True,
    memory=Memory(worker_bytes=COMPRESSOR_BYTES),
)
