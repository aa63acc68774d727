"""Hypothesis strategies for columns: a type, and values of it as text that a user could type."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

__all__ = ["ENUM_LABELS", "Kind", "RandomTable", "tables"]

Texts = st.SearchStrategy[str | None]
ENUM_LABELS = ("sad", "", 'a "b",\\c', "ü😀", "null")

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=15)


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of a random column."""

    sql: str
    """Its name; ``{}`` stands for the schema of the table."""
    define: str
    """SQL that makes it, or nothing."""
    values: st.SearchStrategy[str]

    def __repr__(self) -> str:
        return self.sql


@dataclass(frozen=True, slots=True)
class RandomTable:
    """What one example is; prints as what is needed to repeat it."""

    columns: tuple[tuple[str, Kind], ...]
    rows: tuple[tuple[str | None, ...], ...]


def _integers(bits: int) -> st.SearchStrategy[str]:
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1).map(str)


def _floats(bits: Literal[32, 64]) -> st.SearchStrategy[str]:
    pair = "<f" if bits == 32 else "<d"
    whole = st.integers(0, (1 << bits) - 1).map(lambda n: struct.unpack(pair, n.to_bytes(bits // 8, "little"))[0])
    return st.one_of(whole, st.floats(width=bits), st.integers(-(10**25), 10**25).map(float)).map(repr)


_DIGITS = st.text("0123456789", min_size=1, max_size=60)
_NUMERICS = st.one_of(
    st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), _DIGITS, _DIGITS),
    st.builds("{}{}e{}".format, st.sampled_from(["", "-"]), _DIGITS, st.integers(-200, 200)),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "10000"]),
)


def _fixed(digits: int, scale: int) -> st.SearchStrategy[str]:
    """Values that numeric(digits, scale) holds, the largest ones too."""
    most = 10**digits - 1
    return st.one_of(st.integers(-most, most).map(lambda n: f"{n}e-{scale}"), st.just("NaN"))


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
ODD_TEXT = st.text("\\.\"',;\n\r\t|{}()[] nNtf0-=é😀", max_size=40)
_SHORT_TEXT = (TEXT | ODD_TEXT).map(lambda text: text[:7])  # within a record a longer one is an error
_CLOCK = st.builds(
    "{:02}:{:02}:{:02}.{:06}".format,
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 999_999),
)
_ZONE = st.builds(
    "{}{:02}:{:02}:{:02}".format, st.sampled_from("+-"), st.integers(0, 15), st.integers(0, 59), st.integers(0, 59)
)
_AFTER = st.builds(
    "{:04}-{:02}-{:02}".format,
    st.one_of(st.integers(1, 9999), st.integers(1, 294_246)),
    st.integers(1, 12),
    st.integers(1, 28),
)
_BEFORE = st.builds("{:04}-{:02}-{:02}".format, st.integers(1, 4712), st.integers(1, 12), st.integers(1, 28))
_ENDS = st.sampled_from(["infinity", "-infinity"])
_STAMPS = st.one_of(st.builds("{} {}".format, _AFTER, _CLOCK), st.builds("{} {} BC".format, _BEFORE, _CLOCK), _ENDS)
_INTERVALS = st.builds(
    "{} mons {} days {} microseconds".format,
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**53), 2**53),  # the parser goes through a double
)
_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)


def _documents(strings: st.SearchStrategy[str], *, escaped: bool) -> st.SearchStrategy[str]:
    """JSON as text; lone surrogates can only be written as escapes."""
    values = st.recursive(
        st.one_of(_LEAVES, strings),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=12,
    )
    ascii_only = st.just(True) if escaped else st.booleans()
    return st.builds(
        lambda value, indent, ascii_: json.dumps(value, indent=indent, ensure_ascii=ascii_),
        values,
        st.sampled_from([None, 2]),
        ascii_only,
    )


SCALARS: tuple[Kind, ...] = tuple(
    Kind(name, "", values)
    for name, values in {
        "bool": st.sampled_from(["t", "f"]),
        "int2": _integers(16),
        "int4": _integers(32),
        "int8": _integers(64),
        "oid": st.integers(0, 2**32 - 1).map(str),
        "float4": _floats(32),
        "float8": _floats(64),
        "numeric": _NUMERICS,
        "numeric(7,2)": _fixed(7, 2),
        "numeric(18,18)": _fixed(18, 18),
        "numeric(38,9)": _fixed(38, 9),
        "text": TEXT | ODD_TEXT,
        "varchar(7)": _SHORT_TEXT,
        "bpchar(7)": _SHORT_TEXT,
        "name": ODD_TEXT,
        '"char"': st.sampled_from([*"aZ09\"',\\ \n\r\t", ""]),
        "bytea": st.binary(max_size=40).map(lambda value: "\\x" + value.hex()),
        "date": st.one_of(_AFTER, _BEFORE.map("{} BC".format), _ENDS),
        "time": _CLOCK,
        "timetz": st.builds("{}{}".format, _CLOCK, _ZONE),
        "timestamp": _STAMPS,
        "timestamptz": _STAMPS,
        "interval": _INTERVALS,
        "uuid": st.uuids().map(str),
        "json": _documents(st.text(max_size=10), escaped=True),
        "jsonb": _documents(TEXT, escaped=False),
        "inet": st.ip_addresses().map(str),
        "int4range": st.builds("[{},{}]".format, st.integers(-9, 0), st.integers(0, 9)),
        "point": st.builds("({},{})".format, _floats(64), _floats(64)),
    }.items()
)


def _quoted(value: str | None) -> str:
    """An element of an array or a field of a record: always between quotes, NULL never."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if value is not None else ""


def _array(element: Kind, _number: int) -> Kind:
    def literal(rows: list[list[str | None]], lower: int, deep: bool) -> str:
        items = [[_quoted(value) or "NULL" for value in row] for row in rows]
        width = min(map(len, items), default=0)
        if deep and width:
            return "{" + ",".join("{" + ",".join(row[:width]) + "}" for row in items) + "}"
        flat = [value for row in items for value in row]
        return (f"[{lower}:{lower + len(flat) - 1}]={{" if flat else "{") + ",".join(flat) + "}"

    rows = st.lists(st.lists(st.none() | element.values, max_size=4), max_size=3)
    return Kind(
        f"{element.sql}[]",
        element.define,
        st.builds(literal, rows, st.integers(-2, 3) | st.just(1), st.sampled_from([False, False, False, True])),
    )


def _domain(base: Kind, number: int) -> Kind:
    return Kind(
        f"{{}}.domain_{number}", f"{base.define} CREATE DOMAIN {{}}.domain_{number} AS {base.sql};", base.values
    )


def _composite(field: Kind, number: int) -> Kind:
    values = st.builds(
        "({},{})".format, st.builds(_quoted, st.none() | field.values), st.builds(_quoted, st.none() | ODD_TEXT)
    )
    return Kind(
        f"{{}}.pair_{number}",
        f'{field.define} CREATE TYPE {{}}.pair_{number} AS (f {field.sql}, "g ""h" text);',
        values,
    )


def _enum(number: int) -> Kind:
    labels = ", ".join("'" + label.replace("'", "''") + "'" for label in ENUM_LABELS)
    return Kind(
        f"{{}}.enum_{number}", f"CREATE TYPE {{}}.enum_{number} AS ENUM ({labels});", st.sampled_from(ENUM_LABELS)
    )


_WRAPPERS: tuple[Callable[[Kind, int], Kind], ...] = (_array, _domain, _composite)


@st.composite
def _kinds(draw: st.DrawFn, number: int) -> Kind:
    """A scalar or enum, with up to two wrappers around it."""
    kind = draw(st.sampled_from(SCALARS) | st.just(_enum(number)))
    for level, wrap in enumerate(draw(st.lists(st.sampled_from(_WRAPPERS), max_size=2))):
        if wrap is _array and kind.sql.endswith("[]"):
            continue  # an array of an array is the same type
        kind = wrap(kind, 10 * number + level)
    return kind


@st.composite
def tables(draw: st.DrawFn) -> RandomTable:
    """Up to six columns and eight rows; shrinks to the one column and value that matter."""
    names = draw(st.lists(NAMES, max_size=6, unique_by=lambda name: name.encode()[:63]))
    columns = tuple((name, draw(_kinds(number))) for number, name in enumerate(names) if name != "id")
    rows = draw(st.lists(st.tuples(*(st.none() | kind.values for _, kind in columns)), max_size=8))
    return RandomTable(columns, tuple(rows))
