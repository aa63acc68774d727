"""CSV and TSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from polyglot_export.errors import SpecError
from polyglot_export.formats.base import EncoderOptions, _Options

__all__ = ["CsvOptions", "OneByte", "TsvOptions"]


def _one_byte(value: str) -> str:
    if len(value.encode()) != 1:
        raise ValueError("must be exactly one single-byte character, as in COPY")
    if value in "\r\n\0":
        raise ValueError("must not be a carriage return, a newline or a NUL, as in COPY")
    return value


OneByte = Annotated[str, AfterValidator(_one_byte)]


class CsvOptions(_Options):
    """CSV as ``COPY … (FORMAT csv, HEADER)`` writes it (PostgreSQL manual, COPY)."""

    profile: Literal["excel"] | None = None
    """``excel`` turns on bom, formulaGuard, CRLF line ends and long numbers as text."""
    delimiter: OneByte = ","
    header: bool = True
    null: str = ""
    quote: OneByte = '"'
    escape: OneByte | None = None
    """The same as ``quote`` when not given."""
    force_quote: tuple[str, ...] | Literal["*"] = ()
    """Target names of columns whose values are always quoted, or ``*``."""
    line_end: Literal["lf", "crlf"] = "lf"
    bom: bool = False
    formula_guard: bool = False

    @model_validator(mode="before")
    @classmethod
    def _profile_sets_defaults(cls, value: object) -> object:
        if not isinstance(value, dict) or value.get("profile") != "excel":
            return value
        # A field given by either of its names is the caller's; both names at once would be refused.
        preset: dict[str, tuple[str, object]] = {
            "bom": ("bom", True),
            "lineEnd": ("line_end", "crlf"),
            "formulaGuard": ("formula_guard", True),
        }
        return {alias: wanted for alias, (name, wanted) in preset.items() if name not in value} | value

    @model_validator(mode="after")
    def _as_copy_checks(self) -> CsvOptions:
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ, as in COPY")
        if any(character in self.null for character in "\r\n\0"):
            raise ValueError("null must not hold a carriage return, a newline or a NUL, as in COPY")
        if self.delimiter in self.null:
            raise ValueError("delimiter must not appear in null, as in COPY")
        if self.quote in self.null:
            raise ValueError("quote must not appear in null, as in COPY")
        return self


class TsvOptions(CsvOptions):
    """CSV with a tab between the fields."""

    delimiter: OneByte = "\t"


def _csv(options: CsvOptions, targets: Sequence[str]) -> EncoderOptions:
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
