"""CSV and TSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from polyglot_export.errors import SpecError
from polyglot_export.fields import left_out, wrong
from polyglot_export.formats.base import EncoderOptions, FormatRecord, Options

__all__ = ["CSV", "TSV", "CsvOptions", "TsvOptions"]

EXCEL: dict[str, Any] = {"bom": True, "line_end": "crlf", "formula_guard": True}
"""What the profile ``excel`` turns on."""
PLAIN: dict[str, Any] = {"bom": False, "line_end": "lf", "formula_guard": False}
"""The same options where no profile is asked for."""


def _by_profile(name: str) -> Any:
    """A field whose default depends on ``profile``."""
    return field(default=None, metadata=left_out(shown=PLAIN[name]))


@dataclass(frozen=True, slots=True)
class CsvOptions(Options):
    """CSV as ``COPY … (FORMAT csv, HEADER)`` writes it (PostgreSQL manual, COPY)."""

    profile: Literal["excel"] | None = None
    """``excel`` turns on bom, formulaGuard, CRLF line ends, long numbers as text and times without an offset."""
    delimiter: str = ","
    header: bool = True
    null: str = ""
    quote: str = '"'
    escape: str | None = None
    """The same as ``quote`` when not given."""
    force_quote: tuple[str, ...] | Literal["*"] = ()
    """Target names of columns whose values are always quoted, or ``*``."""
    line_end: Literal["lf", "crlf"] = _by_profile("line_end")
    bom: bool = _by_profile("bom")
    formula_guard: bool = _by_profile("formula_guard")

    @property
    def local_times(self) -> bool:
        """Spreadsheets read a time with an offset as text."""
        return self.profile == "excel"

    def _complete(self) -> None:
        for name, value in (EXCEL if self.profile == "excel" else PLAIN).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def _check(self) -> None:
        """The rules of ``ProcessCopyOptions`` (PostgreSQL's copy.c)."""
        for name in ("delimiter", "quote", "escape"):
            _one_byte(name, getattr(self, name))
        if self.delimiter == self.quote:
            raise SpecError(None, "delimiter and quote must differ, as in COPY")
        if any(character in self.null for character in "\r\n\0"):
            raise SpecError(None, "null must not hold a carriage return, a newline or a NUL, as in COPY")
        if self.delimiter in self.null:
            raise SpecError(None, "delimiter must not appear in null, as in COPY")
        if self.quote in self.null:
            raise SpecError(None, "quote must not appear in null, as in COPY")


@dataclass(frozen=True, slots=True)
class TsvOptions(CsvOptions):
    """CSV with a tab between the fields."""

    delimiter: str = "\t"


def _one_byte(name: str, value: str | None) -> None:
    if value is None:
        return
    if len(value.encode()) != 1:
        raise SpecError(name, wrong("must be exactly one single-byte character, as in COPY", value).reason)
    if value in "\r\n\0":
        reason = "must not be a carriage return, a newline or a NUL, as in COPY"
        raise SpecError(name, wrong(reason, value).reason)


def _encoder_options(options: CsvOptions, targets: Sequence[str], _manifest: Mapping[str, str]) -> EncoderOptions:
    quoted = targets if options.force_quote == "*" else options.force_quote
    unknown = next((name for name in quoted if name not in targets), None)
    if unknown is not None:
        message = f"there is no column {unknown!r} in the export; allowed are {', '.join(targets)}"
        raise SpecError("options.forceQuote", message)
    return EncoderOptions(
        "csv",
        delimiter=options.delimiter,
        quote=options.quote,
        escape=options.escape or options.quote,
        null=options.null,
        header=options.header,
        force_quote=tuple(target in quoted for target in targets),
        crlf=options.line_end == "crlf",
        bom=options.bom,
        formula_guard=options.formula_guard,
        long_numbers_as_text=options.profile == "excel",
    )


def _reading(options: CsvOptions) -> EncoderOptions:
    return EncoderOptions(
        "csv",
        delimiter=options.delimiter,
        quote=options.quote,
        escape=options.escape or options.quote,
        header=options.header,
    )


def _header_parameter(options: CsvOptions) -> str:
    """RFC 4180, section 3: whether the first line names the columns."""
    return f"; header={'present' if options.header else 'absent'}"


CSV = FormatRecord(
    name="csv",
    title="CSV",
    endings=(".csv",),
    media_type="text/csv; charset=utf-8",
    media_parameters=_header_parameter,
    options=CsvOptions,
    encoder_options=_encoder_options,
    reading=_reading,
    repeated_names=True,
)
TSV = FormatRecord(
    name="tsv",
    title="TSV",
    endings=(".tsv",),
    media_type="text/tab-separated-values; charset=utf-8",
    options=TsvOptions,
    encoder_options=_encoder_options,
    reading=_reading,
    repeated_names=True,
)
