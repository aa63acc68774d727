"""What a Parquet file must hold, from the driver's side and from a reader's side, in one form that can be compared.

A value is an int (also for dates, times and timestamps: days or microseconds since 1970 or midnight), the bits of a
float, a Decimal with its scale, text, bytes, or a list of these. Nothing passes through a Python date, which ends in
the year 9999.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import psycopg
import pyarrow as pa

from tests.types.catalogue import Catalogue, Column, quoted

__all__ = ["SPARK", "Expected", "canonical", "expected_column"]

_OF_DAY = "(extract(hour FROM {0}) * 3600 + extract(minute FROM {0}) * 60) * 1000000 + extract(microseconds FROM {0})"
_SINCE_2000 = "({0} - '2000-01-01 00:00+00')"
_MICROS = f"(extract(day FROM {_SINCE_2000}) * 86400000000 + {_OF_DAY.replace('{0}', _SINCE_2000)} + 946684800000000)"
"""Of a timestamp, since 1970. The server's own ``extract(epoch …)`` is only near to it in the last years."""
_INT64 = (-(1 << 63), (1 << 63) - 1)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A Parquet type: as Arrow shows it, and how the driver is asked for its values."""

    arrow: pa.DataType
    select: str
    """SQL of the value, to be read as text; NULL for one that the type cannot hold (and ``lost`` is true for it)."""
    parse: Callable[[bytes], Any]
    lost: str = "false"
    """SQL: the value cannot be held."""


def _text(raw: bytes) -> str:
    return raw.decode()


def _bits8(raw: bytes) -> bytes:
    return struct.pack("<d", float(raw))


def _bits4(raw: bytes) -> bytes:
    return struct.pack("<f", float(raw))


def _decimal(raw: bytes) -> Decimal:
    return Decimal(raw.decode())


_FINITE = "{0}::text IN ('infinity', '-infinity')"
_STAMP_LOST = f"({_FINITE} OR CASE WHEN NOT {_FINITE} THEN {_MICROS} NOT BETWEEN {_INT64[0]} AND {_INT64[1]} END)"
_STAMP = f"CASE WHEN NOT {_STAMP_LOST} THEN {_MICROS}::bigint END"
_STRING = Leaf(pa.string(), "{0}", _text)

LEAVES: dict[str, Leaf] = {
    "bool": Leaf(pa.bool_(), "{0}::int", lambda raw: raw == b"1"),
    "int2": Leaf(pa.int16(), "{0}", int),
    "int4": Leaf(pa.int32(), "{0}", int),
    "int8": Leaf(pa.int64(), "{0}", int),
    "oid": Leaf(pa.int64(), "{0}", int),
    "float4": Leaf(pa.float32(), "{0}", _bits4),
    "float8": Leaf(pa.float64(), "{0}", _bits8),
    "bytea": Leaf(pa.binary(), "encode({0}, 'hex')", lambda raw: bytes.fromhex(raw.decode())),
    "date": Leaf(pa.date32(), f"CASE WHEN NOT {_FINITE} THEN {{0}} - '1970-01-01'::date END", int, _FINITE),
    "time": Leaf(
        pa.time64("us"), f"CASE WHEN {{0}} <> '24:00:00' THEN ({_OF_DAY})::bigint END", int, "{0} = '24:00:00'"
    ),
    "timestamp": Leaf(pa.timestamp("us"), _STAMP, int, _STAMP_LOST),
    "timestamptz": Leaf(pa.timestamp("us", "UTC"), _STAMP, int, _STAMP_LOST),
    "uuid": Leaf(pa.uuid(), "{0}", lambda raw: bytes.fromhex(raw.decode().replace("-", ""))),
    "json": Leaf(pa.json_(), "{0}", _text),
    "jsonb": Leaf(pa.json_(), "{0}", _text),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "char", "interval", "timetz"), _STRING),
}
"""The table of ``docs/formats/parquet.md``, by the name of the native type; everything else is its text."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One column as the file must have it, with ``unrepresentable=null``."""

    arrow: pa.DataType
    values: list[Any]
    losses: int


SPARK = LEAVES | {"uuid": _STRING, "time": _STRING}
"""The same with ``profile=spark``."""


def expected_column(
    conn: psycopg.Connection,
    catalogue: Catalogue,
    table: str,
    column: Column,
    leaves: Mapping[str, Leaf] = MappingProxyType(LEAVES),
) -> Expected:
    """Ask the driver for all values of a column, in the order of ``id``."""
    type_, modifier = catalogue.under(column.type.oid, column.modifier)
    if type_.element:
        element, modifier = catalogue.under(type_.element, modifier)
        leaf = _leaf(element.schema, element.name, element.kind, modifier, leaves)
        if leaf is not None:
            return _list(conn, table, quoted(column.name), leaf)
    leaf = _leaf(type_.schema, type_.name, type_.kind, modifier, leaves) or _STRING
    reference = quoted(column.name)
    rows = _read(conn, f"SELECT {leaf.select}, coalesce({leaf.lost}, false) FROM {table} ORDER BY id", reference)
    values = [None if raw is None or lost == b"t" else leaf.parse(raw) for raw, lost in rows]
    return Expected(leaf.arrow, values, sum(lost == b"t" for _, lost in rows))


def _leaf(schema: str, name: str, kind: str, modifier: int, leaves: Mapping[str, Leaf]) -> Leaf | None:
    """``None`` for what goes by text."""
    if kind == "e":
        return _STRING
    if schema != "pg_catalog":
        return None
    if name == "numeric":
        return _numeric(modifier)
    return leaves.get(name)


def _numeric(modifier: int) -> Leaf:
    packed = modifier - 4
    precision, scale = packed >> 16, ((packed & 0x7FF) ^ 0x400) - 0x400
    if modifier < 0 or precision > 38 or not 0 <= scale <= precision:
        return _STRING
    lost = "{0} IN ('NaN', 'Infinity', '-Infinity')"
    return Leaf(pa.decimal128(precision, scale), "{0}", _decimal, lost)


def _list(conn: psycopg.Connection, table: str, reference: str, leaf: Leaf) -> Expected:
    """A list has one dimension: others are lost whole."""
    rows = _read(
        conn, f"SELECT id, {{0}} IS NULL, coalesce(array_ndims({{0}}), 1) > 1 FROM {table} ORDER BY id", reference
    )
    found: dict[bytes | None, list[Any] | None] = {
        at: None if null == b"t" or deep == b"t" else [] for at, null, deep in rows
    }
    losses = sum(deep == b"t" for _, _, deep in rows)
    select = (
        f"SELECT id, {leaf.select.format('the_item')}, coalesce({leaf.lost.format('the_item')}, false) FROM {table}"
    )
    items = f"{select}, unnest({{0}}) WITH ORDINALITY AS u(the_item, place) WHERE coalesce(array_ndims({{0}}), 1) = 1 ORDER BY id, place"
    for at, raw, lost in _read(conn, items, reference):
        values = found[at]
        assert values is not None
        values.append(None if raw is None or lost == b"t" else leaf.parse(raw))
        losses += lost == b"t"
    return Expected(pa.list_(leaf.arrow), list(found.values()), losses)


def _read(conn: psycopg.Connection, query: str, reference: str) -> list[tuple[bytes | None, ...]]:
    """The rows as the server's text, before any conversion of the driver."""
    with conn.transaction(force_rollback=True), conn.cursor() as cursor:
        conn.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 1")
        cursor.execute(query.replace("{0}", reference).encode())
        result = cursor.pgresult
        assert result is not None
        return [tuple(result.get_value(row, field) for field in range(result.nfields)) for row in range(result.ntuples)]


def canonical(values: pa.ChunkedArray | pa.Array, type_: pa.DataType) -> list[Any]:
    """A reader's column in the same form."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    if pa.types.is_list(type_):
        # Slices of the flat values: elements may be of an extension type, which pylist would convert.
        flat = canonical(values.values, type_.value_type)
        offsets = values.offsets.to_pylist()
        valid = values.is_valid().to_pylist()
        return [flat[start:end] if ok else None for (start, end), ok in zip(pairwise(offsets), valid, strict=True)]
    plain: list[Any] = values.cast(_plain(type_)).to_pylist()
    if pa.types.is_floating(type_):
        code = "<f" if type_ == pa.float32() else "<d"
        return [None if value is None else struct.pack(code, value) for value in plain]
    return plain


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_date32(type_):
        return pa.int32()
    if pa.types.is_timestamp(type_) or pa.types.is_time64(type_):
        return pa.int64()
    if isinstance(type_, pa.BaseExtensionType):
        return type_.storage_type
    return type_
