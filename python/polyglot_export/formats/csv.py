"""CSV and TSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from polyglot_export.errors import SpecError
from polyglot_export.fields import left_out, wrong
from polyglot_export.formats.base import EncoderOptions, FormatRecord, Options
from polyglot_export.formats.charsets import CHARSETS, UTF_8, UTF_16, is_multibyte, mime_name, read_charset
from polyglot_export.formats.patterns import DAY_DIRECTIVES, TIME_DIRECTIVES, read_pattern
from polyglot_export.formats.spreadsheets import ENGLISH, PROFILES, Profile, ProfileName
from polyglot_export.text.counts import read_count

__all__ = ["CSV", "TSV", "CsvOptions", "TsvOptions"]

SPREADSHEET: dict[str, Any] = {"bom": True, "line_end": "crlf", "formula_guard": True, "keep_text": True}
"""What every profile turns on."""
PLAIN: dict[str, Any] = {
    "bom": False,
    "line_end": "lf",
    "formula_guard": False,
    "keep_text": False,
    "decimal_comma": False,
    "delimiter": ",",
}
"""Where no profile is asked for."""
MAX_FLOAT_DIGITS = 30
REPLACEMENT = "?"
"""What stands for a character that the encoding lacks."""
NEVER_IN_CHARACTERS = frozenset(map(chr, (*range(0x30), *range(0x3A, 0x40))))
"""ASCII that is no part of another character in any of the encodings with several bytes a character."""


def _read_digits(given: object) -> int | None:
    """A number of digits; on the command line there is only text."""
    if given is None:
        return None
    digits = read_count(given) if isinstance(given, str) else given
    if isinstance(digits, int) and not isinstance(digits, bool) and 0 <= digits <= MAX_FLOAT_DIGITS:
        return digits
    raise wrong(f"must be a whole number from 0 to {MAX_FLOAT_DIGITS}", given)


def _filled_in(shown: object) -> Any:
    """A field whose default depends on other fields; the schema shows one."""
    return field(default=None, metadata=left_out(shown=shown))


@dataclass(frozen=True, slots=True)
class CsvOptions(Options):
    """CSV as ``COPY … (FORMAT csv, HEADER)`` writes it (PostgreSQL manual, COPY)."""

    profile: ProfileName | None = None
    """What Excel of a country expects: bom, formulaGuard, keepText, CRLF line ends, long numbers as text, times without
    an offset; and the delimiter and the decimal separator of the country.
    """
    delimiter: str = _filled_in(PLAIN["delimiter"])
    """A semicolon with ``decimalComma``."""
    header: bool = True
    """Whether the first line has the names of the columns."""
    null: str = ""
    """What stands for NULL; the same text as a value is quoted."""
    quote: str = '"'
    """What is around values that need it."""
    escape: str | None = None
    """The same as ``quote`` when not given."""
    force_quote: tuple[str, ...] | Literal["*"] = ()
    """Target names of columns whose values are always quoted, or ``*``."""
    line_end: Literal["lf", "crlf"] = _filled_in(PLAIN["line_end"])
    """What ends a line."""
    bom: bool = _filled_in(PLAIN["bom"])
    """UTF-16 always has one, and no other encoding but UTF-8 can."""
    formula_guard: bool = _filled_in(PLAIN["formula_guard"])
    """Text that a spreadsheet would run as a formula begins with an apostrophe."""
    keep_text: bool = _filled_in(PLAIN["keep_text"])
    """Text that a spreadsheet would read as a number, a date or a truth value is written as ``="…"``."""
    encoding: str = field(default=UTF_8, metadata={"read": read_charset, "json_schema_extra": {"enum": list(CHARSETS)}})
    """Of the characters of the file."""
    unencodable: Literal["error", "replace"] = "error"
    """What becomes of a character that the encoding lacks; ``replace`` writes a question mark, and is counted."""
    decimal_comma: bool = _filled_in(PLAIN["decimal_comma"])
    """real, double precision and numeric have a decimal comma."""
    float_digits: int | None = field(
        default=None, metadata={"read": _read_digits, "json_schema_extra": {"minimum": 0, "maximum": MAX_FLOAT_DIGITS}}
    )
    """Digits behind the point of real and double precision, as ``printf`` rounds them."""
    booleans: Literal["t/f", "true/false", "1/0"] = "t/f"
    """How true and false are written."""
    date_format: str | None = field(default=None, metadata={"read": read_pattern(DAY_DIRECTIVES)})
    """A pattern of ``strftime`` for date."""
    timestamp_format: str | None = field(
        default=None, metadata={"read": read_pattern(DAY_DIRECTIVES + TIME_DIRECTIVES)}
    )
    """The same for timestamp, and for timestamptz as the clock in ``timeZone`` shows it."""

    _DELIMITER: ClassVar[str | None] = None
    """Whatever the profile."""

    @property
    def local_times(self) -> bool:
        """Spreadsheets read a time with an offset as text, and a pattern has none."""
        return self.profile is not None or self.timestamp_format is not None

    @property
    def country(self) -> Profile:
        """What Excel of the profile's country expects."""
        return PROFILES[self.profile] if self.profile is not None else Profile()

    def _complete(self) -> None:
        """What was given may still be of any type here."""
        defaults = dict(PLAIN)
        country = PROFILES.get(self.profile) if isinstance(self.profile, str) else None
        if country is not None:
            defaults |= SPREADSHEET | {"decimal_comma": country.decimal_comma, "delimiter": country.delimiter}
        elif self.decimal_comma in (True, "true"):
            defaults["delimiter"] = ";"
        if self._DELIMITER is not None:
            defaults["delimiter"] = self._DELIMITER
        if self.encoding != UTF_8 and isinstance(self.encoding, str):
            defaults["bom"] = _has_mark(self.encoding, defaults["bom"])
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def _check(self) -> None:
        """The rules of ``ProcessCopyOptions`` (PostgreSQL's copy.c), and those of encodings."""
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
        if self.encoding != UTF_8:
            self._check_encoding()

    def _check_encoding(self) -> None:
        if self.bom != _has_mark(self.encoding, self.bom):
            has = "always has one" if self.encoding in UTF_16 else "has none"
            raise SpecError("bom", f"a file in {self.encoding} {has}; leave the option out")
        if self.encoding in UTF_16:
            return
        if not self.null.isascii():
            raise SpecError("null", wrong(f"must be ASCII in {self.encoding}", self.null).reason)
        marks = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape or self.quote}
        for name, value in marks.items():
            if is_multibyte(self.encoding) and value not in NEVER_IN_CHARACTERS:
                reason = f"must be none of the bytes that other characters have in {self.encoding}: 0 to 9 and @ to ~"
                raise SpecError(name, wrong(reason, value).reason)
        if self.unencodable == "replace" and REPLACEMENT in self.null + "".join(marks.values()):
            reason = f"no delimiter, quote, escape or null may hold {REPLACEMENT}, which stands for what is replaced"
            raise SpecError("unencodable", reason)


def _has_mark(encoding: str, wanted: bool) -> bool:
    """Whether a file begins with a byte order mark."""
    try:
        name = read_charset(encoding)
    except SpecError:
        # The check of the field says so.
        return wanted
    return name in UTF_16 or (name == UTF_8 and wanted)


@dataclass(frozen=True, slots=True)
class TsvOptions(CsvOptions):
    """CSV with a tab between the fields."""

    delimiter: str = _filled_in("\t")

    _DELIMITER: ClassVar[str | None] = "\t"


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
        long_numbers_as_text=options.profile is not None,
        keep_text=options.keep_text,
        truth_words=f"{ENGLISH.truth_words} {options.country.truth_words}",
        month_words=f"{ENGLISH.month_words} {options.country.month_words}",
        encoding=options.encoding,
        replace_unencodable=options.unencodable == "replace",
        decimal_comma=options.decimal_comma,
        float_digits=options.float_digits,
        booleans=options.booleans,
        date_format=options.date_format or "",
        timestamp_format=options.timestamp_format or "",
    )


def _reading(options: CsvOptions) -> EncoderOptions:
    return EncoderOptions(
        "csv",
        delimiter=options.delimiter,
        quote=options.quote,
        escape=options.escape or options.quote,
        header=options.header,
        bom=options.bom,
        encoding=options.encoding,
    )


def _charset_parameter(options: CsvOptions) -> str:
    return f"; charset={mime_name(options.encoding)}"


def _csv_parameters(options: CsvOptions) -> str:
    """RFC 4180, section 3: the encoding, and whether the first line names the columns."""
    return f"{_charset_parameter(options)}; header={'present' if options.header else 'absent'}"


CSV = FormatRecord(
    name="csv",
    title="CSV",
    endings=(".csv",),
    media_type="text/csv",
    media_parameters=_csv_parameters,
    options=CsvOptions,
    encoder_options=_encoder_options,
    reading=_reading,
    repeated_names=True,
)
TSV = FormatRecord(
    name="tsv",
    title="TSV",
    endings=(".tsv",),
    media_type="text/tab-separated-values",
    media_parameters=_charset_parameter,
    options=TsvOptions,
    encoder_options=_encoder_options,
    reading=_reading,
    repeated_names=True,
)
