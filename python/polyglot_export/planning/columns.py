"""The type table: how each PostgreSQL type is read, and what it is in Parquet.

Native types have a record in ``rust/src/types``; every other type goes by text, with the one expression that equals
COPY's text for every value of every type. ``docs/formats/types.md`` is this table for people, with the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from polyglot_export.formats.columnar import MAX_DECIMAL_PRECISION, ColumnarOptions
from polyglot_export.formats.registry import Format, FormatOptions
from polyglot_export.planning.choose import Choice
from polyglot_export.planning.geometry import Conversion
from polyglot_export.planning.plan import Column
from polyglot_export.planning.type_table import NATIVE
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.types import Type, Types

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec


__all__ = ["ReadAs", "read_as", "remarks"]


_NUMERIC_HEADER = 4
"""``VARHDRSZ``, which a numeric's type modifier has added to it (PostgreSQL's numeric.c, ``make_numeric_typmod``)."""

SHOWN_COLUMNS = 5
"""Columns that a remark names."""
_TEXT = frozenset({"string", "list:string"})


class ReadAs(NamedTuple):
    """A column of the export and the expression that reads it."""

    column: Column
    expression: sql.Composable


def read_as(
    choices: Iterable[Choice], types: Types, spec: ExportSpec, geometries: Mapping[int, Conversion]
) -> list[ReadAs]:
    """How each of the chosen columns is read; ``geometries`` by the number of their type."""
    reader = _Reader(types, spec.format, spec.options, geometries)
    return [reader.read(choice.column, choice.target) for choice in choices]


def remarks(columns: Iterable[ReadAs], spec: ExportSpec) -> tuple[str, ...]:
    """What whoever reads the file may not expect of its columns, each with what to write for something else."""
    options = spec.options
    if not isinstance(options, ColumnarOptions):
        return ()
    found = [each.column for each in columns]
    numbers = [column for column in found if column.parquet in _TEXT and _element(column.kind) == "numeric"]
    refused = {
        name: [column for column in found if column.parquet.removeprefix("list:") == type_]
        for type_, name in options.refused.items()
    }
    said = [f"{_which(named)} {name}" for name, named in refused.items() if named]
    why = f"because the type numeric has no precision there that {spec.format.record.title} can hold"
    fallback = f"text, {why}; numericFallback=double or numericFallback=decimal(p,s) writes numbers"
    return (
        *([f"{_which(numbers)} {fallback}"] if numbers else []),
        *([f"{' and '.join(said)}, {options.remedy}"] if said else []),
    )


def _which(columns: Sequence[Column]) -> str:
    """The beginning of a sentence about columns."""
    names = [repr(column.target) for column in columns]
    more = f" and {len(names) - SHOWN_COLUMNS:,} more" if len(names) > SHOWN_COLUMNS else ""
    are = "column {} is" if len(names) == 1 else "columns {} are"
    return are.format(", ".join(names[:SHOWN_COLUMNS]) + more)


def _element(kind: str) -> str:
    """The kind of a column, or of the elements of an array."""
    return kind.removeprefix("array:").partition(":")[0]


class _Reader:
    """Chooses decoder, Parquet type and expression for the columns of one export."""

    def __init__(
        self, types: Types, format_: Format, options: FormatOptions, geometries: Mapping[int, Conversion]
    ) -> None:
        self._types = types
        self._geometries = geometries
        self._json = format_.record.reads_json
        self._xsd_times = format_.record.xsd_times
        self._parquet = options if isinstance(options, ColumnarOptions) else None
        # In text, other zones depend on the server's own zone tables. Parquet stores the instant, which needs no zone.
        utc = options.time_zone.upper() == "UTC"
        self._instants_native = utc or self._parquet is not None
        self._local_times = options.local_times
        self._utc = utc
        self._arrays_of_instants_native = utc or (self._parquet is not None and self._parquet.arrays == "list")

    def read(self, source: SourceColumn, target: str) -> ReadAs:
        """How one column is read."""
        type_, modifier = self._types.under(source.type, source.modifier)
        if self._local_times and self._scalar(type_) == "timestamptz":
            return self._local_time(source, target)
        if type_.oid in self._geometries:
            return self._geometry(source, target, self._geometries[type_.oid])
        kind = self._native(type_)
        parquet = "string"
        if self._parquet is not None:
            kind, parquet = self._in_parquet(type_, modifier, kind, self._parquet)
        elif kind is None:
            kind = self._unread(type_)
        expression = _expression(source.reference, kind, native=self._native(type_) == kind)
        return ReadAs(Column(source.name, target, kind, parquet, source.display), expression)

    def _local_time(self, source: SourceColumn, target: str) -> ReadAs:
        """A timestamptz as a timestamp in the session's zone. In UTC the two are sent as the same bytes."""
        in_zone = sql.SQL("CAST({} AS pg_catalog.timestamp)").format(source.reference)
        expression = source.reference if self._utc else in_zone
        return ReadAs(Column(source.name, target, "timestamp", "string", source.display), expression)

    def _geometry(self, source: SourceColumn, target: str, conversion: Conversion) -> ReadAs:
        """A geometry in the form that a function of PostGIS gives it."""
        parquet = NATIVE[conversion.kind].parquet
        if self._parquet is not None:
            parquet = self._parquet.written_as.get(parquet, parquet)
        column = Column(source.name, target, conversion.kind, parquet, source.display)
        return ReadAs(column, conversion.expression(source.reference))

    def _unread(self, type_: Type) -> str:
        """How a type without a decoder arrives."""
        if self._xsd_times and self._scalar(type_) == "timestamptz":
            return "timestamptz_iso"
        return "json_text" if self._json else "by_text"

    def _native(self, type_: Type) -> str | None:
        """The decoder of a type, or ``None`` where there is none."""
        scalar = self._scalar(type_)
        if scalar is not None:
            return scalar if scalar != "timestamptz" or self._instants_native else None
        element = self._types.element(type_)
        if element is None or not type_.sendable or not element.sendable:
            return None
        scalar = self._scalar(self._types.under(element.oid)[0])
        if scalar is None or (scalar == "timestamptz" and not self._arrays_of_instants_native):
            return None
        return f"array:{scalar}:{element.delimiter}"

    def _scalar(self, type_: Type) -> str | None:
        if not type_.sendable:
            return None
        if type_.kind == "e":
            return None if self._json and type_.json_cast else "text"
        if type_.schema != "pg_catalog" or type_.name not in NATIVE:
            return None
        return NATIVE[type_.name].kind

    def _in_parquet(self, type_: Type, modifier: int, kind: str | None, options: ColumnarOptions) -> tuple[str, str]:
        is_array = self._types.element(type_) is not None
        if is_array and options.arrays == "json":
            # The server's own JSON where there is no decoder; it arrives as a value of type json.
            parquet = options.written_as.get("json", "json")
            return (kind, parquet) if kind is not None and parquet == "json" else ("json", parquet)
        if kind is None:
            return "by_text", "string"
        if is_array:
            element, element_modifier = self._types.under(type_.element, modifier)
            return kind, f"list:{_parquet_scalar(element, element_modifier, options)}"
        return kind, _parquet_scalar(type_, modifier, options)


def _parquet_scalar(type_: Type, modifier: int, options: ColumnarOptions) -> str:
    if type_.kind == "e":
        return "string"
    parquet = NATIVE[type_.name].parquet
    if parquet == "decimal":
        return _decimal(modifier) or options.numeric_fallback
    return options.written_as.get(parquet, parquet)


def _decimal(modifier: int) -> str | None:
    """DECIMAL(p,s) of a numeric's modifier; ``None`` where it has none, or one that DECIMAL cannot express.

    The scale is an 11-bit two's complement number from PostgreSQL 15 on, and never negative before.
    """
    if modifier < _NUMERIC_HEADER:
        return None
    packed = modifier - _NUMERIC_HEADER
    precision = packed >> 16
    scale = ((packed & 0x7FF) ^ 0x400) - 0x400
    if not (1 <= precision <= MAX_DECIMAL_PRECISION and 0 <= scale <= precision):
        return None
    return f"decimal({precision},{scale})"


def _expression(reference: sql.Composable, kind: str, *, native: bool) -> sql.Composable:
    """What is selected.

    By text it is not ``c::text`` (differs for bool, inet, bpchar, xml and wherever a user made a cast) and not guarded
    by IS NOT NULL (which drops a composite of NULLs).
    """
    if native:
        return reference
    if kind == "by_text":
        return sql.SQL("CASE WHEN {0} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {0}) END").format(reference)
    json = sql.SQL("pg_catalog.to_json({})").format(reference)
    if kind == "timestamptz_iso":
        return sql.SQL("{} OPERATOR(pg_catalog.#>>) '{{}}'::pg_catalog.text[]").format(json)
    return json
