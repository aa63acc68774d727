"""What the caller wants: one record for library, command line and HTTP, right by itself, with no database needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Literal, cast
from uuid import UUID

from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, left_out, read_record, within
from polyglot_export.formats.registry import Format, FormatOptions
from polyglot_export.limits import MAX_COLUMNS, MAX_FILTER_TERMS, MAX_SORT_KEYS
from polyglot_export.request.words import FilterOp

__all__ = ["ColumnChoice", "ExportSpec", "FilterTerm", "OrderTerm", "Scalar"]

MAX_LIMIT = 2**63 - 1
"""The largest count of PostgreSQL's LIMIT."""

Scalar = bool | Decimal | str
"""Numbers are decimals: a double would round them. Dates, times and UUIDs of Python become the text of theirs."""


def _scalar(value: object) -> Scalar:
    """One value of a filter, exact."""
    match value:
        case bool():
            return value
        case int():
            return Decimal(value)
        case float() | Decimal():
            number = value if isinstance(value, Decimal) else Decimal(repr(value))
            if not number.is_finite():
                raise SpecError(None, "a number must be finite; give NaN and Infinity as strings")
            return number
        case datetime() | date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case str():
            if "\0" in value:
                raise SpecError(None, "must not hold the character U+0000, which no PostgreSQL text can hold")
            if not value.isprintable() and any("\ud800" <= character <= "\udfff" for character in value):
                raise SpecError(None, "must be text; half of a surrogate pair is none")
            return value
        case None:
            raise SpecError(None, "must not be null; use isNull or isNotNull")
        case _:
            raise SpecError(None, "must be a string, a number or a boolean, or a list of these for in and between")


def _filter_value(value: object) -> Scalar | tuple[Scalar, ...] | None:
    if value is None:
        return None
    return tuple(_scalar(item) for item in value) if isinstance(value, list | tuple) else _scalar(value)


def _unread(value: object) -> object:
    """The options are read when the format is known."""
    return value


@dataclass(frozen=True, slots=True)
class ColumnChoice(Record):
    """One column of the export and its name in the file."""

    source: str = field(metadata={"min_length": 1})
    target: str = field(default=cast("str", None), metadata=left_out(min_length=1))
    """The same as ``source`` when not given."""

    def _complete(self) -> None:
        if cast("str | None", self.target) is None:
            object.__setattr__(self, "target", self.source)

    @classmethod
    def _expand(cls, given: object) -> object:
        return {"source": given} if isinstance(given, str) else given


@dataclass(frozen=True, slots=True)
class FilterTerm(Record):
    """One of the ``and``-ed terms of a filter. The planner checks operator and value against the column's type."""

    column: str = field(metadata={"min_length": 1})
    op: FilterOp
    value: Scalar | tuple[Scalar, ...] | None = field(default=None, metadata={"read": _filter_value})

    def _check(self) -> None:
        match self.op:
            case FilterOp.IS_NULL | FilterOp.IS_NOT_NULL:
                if self.value is not None:
                    raise SpecError(None, f"operator {self.op} takes no value")
            case FilterOp.IN:
                if not isinstance(self.value, tuple):
                    raise SpecError(None, "operator in takes a list of values")
            case FilterOp.BETWEEN:
                if not isinstance(self.value, tuple) or len(self.value) != 2:
                    raise SpecError(None, "operator between takes a list of two values")
            case _:
                if self.value is None:
                    raise SpecError(None, f"operator {self.op} takes a value that is not null; use isNull or isNotNull")
                if isinstance(self.value, tuple):
                    raise SpecError(None, f"operator {self.op} takes one value, not a list")


@dataclass(frozen=True, slots=True)
class OrderTerm(Record):
    """One sort key."""

    column: str = field(metadata={"min_length": 1})
    direction: Literal["asc", "desc"] = "asc"


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class ExportSpec(Record):
    """An export, complete: what, in which format, and how.

    ``dataset`` is a table, view or configured name (``schema.table`` or ``table``); ``query`` is SQL and is taken only
    from library and command line, never over HTTP.
    """

    format: Format
    dataset: str | None = field(default=None, metadata={"min_length": 1})
    query: str | None = field(default=None, metadata={"min_length": 1})
    columns: tuple[ColumnChoice, ...] | None = field(
        default=None, metadata={"min_length": 1, "max_length": MAX_COLUMNS}
    )
    filter: tuple[FilterTerm, ...] = field(default=(), metadata={"max_length": MAX_FILTER_TERMS})
    order_by: tuple[OrderTerm, ...] = field(default=(), metadata={"max_length": MAX_SORT_KEYS})
    limit: int | None = field(default=None, metadata={"ge": 0, "le": MAX_LIMIT})
    compression: Compression | None = None
    compression_as: Literal["encoding", "file"] = "encoding"
    """Over HTTP: an encoding of the file, or a compressed file. Library and command line have no use for it."""
    delivery: Literal["stream", "file"] = "stream"
    """Over HTTP: a stream, or a file that is prepared first. Library and command line have no use for it."""
    webhook: str | None = field(default=None, metadata={"min_length": 1})
    """Over HTTP: the configured webhook that is told of the end of every run. Library and command line have no use for
    it."""
    options: FormatOptions = field(default=cast("FormatOptions", None), metadata=left_out(read=_unread))
    """Those of the format when not given."""

    def listed_values(self) -> int:
        """Values in the lists of the filter, all terms together."""
        return sum(len(term.value) for term in self.filter if isinstance(term.value, tuple))

    def _check(self) -> None:
        record = self.format.record
        given = cast("FormatOptions | None", self.options)
        # The options of TSV are CSV options too: the class must be the very one.
        if isinstance(given, Record) and type(given) is not record.options:
            raise SpecError("options", f"must be those of {record.title}, which are {record.options.__name__}")
        with within("options"):
            options = read_record(record.options, {} if given is None else given)
        object.__setattr__(self, "options", options)
        if self.query is not None and self.dataset is not None:
            raise SpecError(None, "dataset and query exclude each other")
        if self.compression is not None and not record.is_text:
            codec = f"for {record.name} set options.compression, the codec inside the file"
            raise SpecError("compression", f"is for text formats; {codec}")
        self._refuse_equal_targets()

    def _refuse_equal_targets(self) -> None:
        seen: set[str] = set()
        for column in self.columns or ():
            if column.target in seen:
                raise SpecError("columns", f"two columns have the target {column.target!r}; targets must differ")
            seen.add(column.target)
