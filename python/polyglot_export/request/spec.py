"""What the caller wants: one record for library, command line and HTTP, right by itself, with no database needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, camel, left_out, read_record, within, wrong
from polyglot_export.formats.registry import Format, FormatOptions
from polyglot_export.limits import (
    DUMP_PART_BYTES,
    MAX_COLUMNS,
    MAX_DATASETS,
    MAX_FILTER_TERMS,
    MAX_SORT_KEYS,
    MAX_SPLIT_PARTS,
)
from polyglot_export.request.sql_text import SqlText, read_sql_text
from polyglot_export.request.values import ParameterValue, Scalar, read_filter_value, read_parameters
from polyglot_export.request.words import FilterOp
from polyglot_export.text.file_names import UNSAFE_SHOWN, safe_name

__all__ = [
    "REST",
    "ColumnChoice",
    "DatasetChoice",
    "Delivery",
    "ExportSpec",
    "FilterTerm",
    "OrderTerm",
    "SplitBy",
]

Delivery = Literal["stream", "file", "store"]
"""How an export over HTTP reaches its caller: a stream, a file that is prepared first, or files in a configured
destination."""

REST = "*"
"""As the source of a column: all that are not named beside it, in their own order. A column that is really called so
is meant where there is one."""

MAX_LIMIT = 2**63 - 1
"""The largest count of PostgreSQL's LIMIT."""

MAX_NAME = 200
"""Characters of the name of a dataset in a set: of a folder, and of the file that a browser saves."""

MAX_FILENAME_BYTES = 240
"""Of the name that a caller gives a file: with the longest ending no more than the 255 of most file systems."""


def _filename(value: object) -> str | None:
    """What a browser may save a file as."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise SpecError(None, "must be text")
    if safe_name(value) != value or not value:
        raise SpecError(None, f"must be a name without {UNSAFE_SHOWN}, and without a dot or a space at its ends")
    if len(value.encode()) > MAX_FILENAME_BYTES:
        raise SpecError(None, f"must have at most {MAX_FILENAME_BYTES} bytes of UTF-8 (got {len(value.encode())})")
    return value


def _condition(value: object) -> SqlText | None:
    return None if value is None else read_sql_text(value)


def _split_values(value: object) -> str | SqlText | None:
    """Only Python makes an expression: no text that comes from outside becomes SQL."""
    if value is None or isinstance(value, SqlText):
        return value
    if not isinstance(value, str) or not value:
        raise wrong("must be the name of a column", value)
    return value


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
    value: Scalar | tuple[Scalar, ...] | None = field(default=None, metadata={"read": read_filter_value})

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


@dataclass(frozen=True, slots=True)
class SplitBy(Record):
    """The column whose ranges of values are read side by side, and into how many parts."""

    column: str = field(metadata={"min_length": 1})
    parts: int | None = field(default=None, metadata={"ge": 2, "le": MAX_SPLIT_PARTS})
    """As many as are good when not given, and only where an index or partitions make them cheap."""

    @classmethod
    def _expand(cls, given: object) -> object:
        return {"column": given} if isinstance(given, str) else given


COLUMNS = {"min_length": 1, "max_length": MAX_COLUMNS}
FILTER = {"max_length": MAX_FILTER_TERMS}
ORDER_BY = {"max_length": MAX_SORT_KEYS}
LIMIT = {"ge": 0, "le": MAX_LIMIT}


@dataclass(frozen=True, slots=True)
class DatasetChoice(Record):
    """One of several datasets of a set of files, and what of it is exported."""

    dataset: str = field(metadata={"min_length": 1})
    name: str = field(default=cast("str", None), metadata=left_out(min_length=1))
    """Of its folder in the set; the same as ``dataset`` when not given."""
    columns: tuple[ColumnChoice, ...] | None = field(default=None, metadata=COLUMNS)
    filter: tuple[FilterTerm, ...] = field(default=(), metadata=FILTER)
    order_by: tuple[OrderTerm, ...] = field(default=(), metadata=ORDER_BY)
    limit: int | None = field(default=None, metadata=LIMIT)
    parameters: Mapping[str, ParameterValue] | None = field(default=None, metadata={"read": read_parameters})
    """Values for the parameters of a configured query, by name."""

    def _complete(self) -> None:
        if cast("str | None", self.name) is None:
            object.__setattr__(self, "name", self.dataset)

    def _check(self) -> None:
        if len(self.name) > MAX_NAME:
            raise SpecError("name", f"must have at most {MAX_NAME} characters (got {len(self.name)})")
        _refuse_equal_targets(self.columns)

    @classmethod
    def _expand(cls, given: object) -> object:
        return {"dataset": given} if isinstance(given, str) else given


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class ExportSpec(Record):
    """An export, complete: what, in which format, and how.

    ``dataset`` is a table, view or configured name (``schema.table`` or ``table``); ``query`` and ``sql_where`` are SQL
    and are taken only from library and command line, never over HTTP.
    """

    format: Format
    dataset: str | None = field(default=None, metadata={"min_length": 1})
    query: str | None = field(default=None, metadata={"min_length": 1})
    columns: tuple[ColumnChoice, ...] | None = field(default=None, metadata=COLUMNS)
    exclude: tuple[str, ...] = field(default=(), metadata={"max_length": MAX_COLUMNS})
    """Columns that are left out where all are meant, by ``columns`` that are not given or by ``*`` in them."""
    filter: tuple[FilterTerm, ...] = field(default=(), metadata=FILTER)
    sql_where: SqlText | None = field(default=None, metadata={"read": _condition})
    """A condition in SQL, beside the filter."""
    order_by: tuple[OrderTerm, ...] = field(default=(), metadata=ORDER_BY)
    limit: int | None = field(default=None, metadata=LIMIT)
    split_by: SplitBy | None = None
    """Read by several connections, each of which takes the rows of a range of this column's values; the rows come in
    the order of the column."""
    split_values: str | SqlText | None = field(default=None, metadata={"read": _split_values})
    """The same with a statement for each value of this column, or expression in SQL, which has few of them."""
    parameters: Mapping[str, ParameterValue] | None = field(default=None, metadata={"read": read_parameters})
    """Values for the parameters of a configured query, by name."""
    datasets: tuple[DatasetChoice, ...] | None = field(
        default=None, metadata={"min_length": 1, "max_length": MAX_DATASETS}
    )
    """Over HTTP: several datasets of one moment, in place of one; for a destination."""
    compression: Compression | None = None
    filename: str | None = field(default=None, metadata={"read": _filename})
    """Over HTTP: what the file is called; its ending is added where it lacks it. Library and command line have no use
    for it."""
    compression_as: Literal["encoding", "file"] = "encoding"
    """Over HTTP: an encoding of the file, or a compressed file. Library and command line have no use for it."""
    delivery: Delivery = "stream"
    """Over HTTP; library and command line have no use for it."""
    destination: str | None = field(default=None, metadata={"min_length": 1})
    """Over HTTP: the name of the configured destination that the files go to."""
    part_size: int | None = field(default=None, metadata={"ge": DUMP_PART_BYTES, "le": MAX_LIMIT})
    """Over HTTP: bytes of a table's pages that make a file in a destination; one file a dataset when not given."""
    webhook: str | None = field(default=None, metadata={"min_length": 1})
    """Over HTTP: the configured webhook that is told of the end of every run. Library and command line have no use for
    it."""
    options: FormatOptions = field(default=cast("FormatOptions", None), metadata=left_out(read=_unread))
    """Those of the format when not given."""

    @property
    def in_background(self) -> bool:
        """Whether the service runs it by itself, at once, and not for a client that downloads."""
        return self.delivery != "stream"

    @property
    def split_column(self) -> str | None:
        """The column by which it is split; ``None`` where it is not, or by an expression."""
        if self.split_by is not None:
            return self.split_by.column
        return self.split_values if isinstance(self.split_values, str) else None

    def listed_values(self) -> int:
        """Values in the lists of filters and parameters, all together."""
        filters = (self.filter, *(choice.filter for choice in self.datasets or ()))
        parameters = (self.parameters, *(choice.parameters for choice in self.datasets or ()))
        values: list[ParameterValue] = [term.value for terms in filters for term in terms]
        values += [value for given in parameters if given is not None for value in given.values()]
        return sum(len(value) for value in values if isinstance(value, tuple))

    def each(self) -> tuple[ExportSpec, ...]:
        """The same for each of its datasets alone, in their order; itself where it is of one."""
        if self.datasets is None:
            return (self,)
        return tuple(
            replace(
                self,
                datasets=None,
                dataset=choice.dataset,
                columns=choice.columns,
                filter=choice.filter,
                order_by=choice.order_by,
                limit=choice.limit,
                parameters=choice.parameters,
            )
            for choice in self.datasets
        )

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
        _refuse_equal_targets(self.columns)
        _refuse_excluded(self.columns, self.exclude)
        self._check_split()
        self._check_delivery()
        self._check_datasets()

    def _check_split(self) -> None:
        if self.split_by is None and self.split_values is None:
            return
        name = "splitValues" if self.split_by is None else "splitBy"
        if self.split_by is not None and self.split_values is not None:
            raise SpecError("splitValues", "cannot stand beside splitBy; rows are shared out by one of them")
        if self.limit is not None and not self.order_by:
            raise SpecError(name, "cannot stand beside limit without orderBy: nothing says which rows are the first")
        column = self.split_column
        if self.order_by and column is None:
            raise SpecError(name, "the rows come in the order of the expression, so that there can be no orderBy")
        if self.order_by and self.order_by[0].column != column:
            reason = f"the rows come in the order of {column!r}, so that orderBy must begin with it"
            raise SpecError(name, f"{reason} and not with {self.order_by[0].column!r}")

    def _check_delivery(self) -> None:
        if self.delivery == "store":
            if self.destination is None:
                raise SpecError("destination", 'name the configured destination that "delivery": "store" is for')
            if self.filename is not None:
                raise SpecError("filename", "is for one file; those in a destination are called after their datasets")
            return
        for name in ("destination", "part_size", "datasets"):
            if getattr(self, name) is not None:
                raise SpecError(camel(name), f'is for "delivery": "store", and this is {self.delivery!r}')

    def _check_datasets(self) -> None:
        if self.datasets is None:
            return
        for name in (
            "dataset",
            "query",
            "columns",
            "exclude",
            "filter",
            "sql_where",
            "order_by",
            "limit",
            "split_by",
            "split_values",
        ):
            if getattr(self, name) not in (None, ()):
                raise SpecError(camel(name), "cannot stand beside datasets: each of them has its own")
        names = [choice.name.casefold() for choice in self.datasets]
        for index, name in enumerate(names):
            if name in names[:index]:
                reason = f"two datasets are called {self.datasets[index].name!r}; give one of them another name"
                raise SpecError(f"datasets.{index}.name", reason)


def _refuse_equal_targets(columns: tuple[ColumnChoice, ...] | None) -> None:
    seen: set[str] = set()
    for column in columns or ():
        if column.target in seen:
            raise SpecError("columns", f"two columns have the target {column.target!r}; targets must differ")
        seen.add(column.target)


def _refuse_excluded(columns: tuple[ColumnChoice, ...] | None, exclude: tuple[str, ...]) -> None:
    chosen = {column.source for column in columns or ()}
    for index, name in enumerate(exclude):
        if name in chosen:
            raise SpecError(f"exclude.{index}", f"{name!r} is among the columns that are asked for")
