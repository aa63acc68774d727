"""Every type of the catalogue in XML: three strict parsers read it, and each leaf is what ``query_to_xml`` writes.

That is the text of the type's output function, which also says what a text with characters is that no parser reads, but
for a few types, where the function itself is asked. Infinities, an error of both, are left out of the tables.

Characters that XML 1.0 cannot hold are replaced here; that they are an error by default is in
``tests/formats/test_xml.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from lxml import etree

from polyglot_export import export
from polyglot_export.planning.type_table import NATIVE
from tests.formats.xml_reader import Json, Members, column, from_json, leaf, marked, records, without_scalar_types
from tests.types.catalogue import Catalogue, Column, Table, Type, quoted

OWN_FORM = {"bool", "date", "timestamp", "timestamptz", "bytea"}
"""Types of ``pg_catalog`` that ``query_to_xml`` writes in a form of their own."""
INFINITE = {"date", "timestamp", "timestamptz"}
FEWEST_NESTED = 30
"""Columns of json and arrays that must be among them."""


@pytest.fixture(autouse=True)
def _deep_documents() -> Iterator[None]:
    """Readers written in Python recurse, and the samples nest a thousand levels."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(before)


def test_every_type_is_what_query_to_xml_writes(catalogue: Catalogue, debian_dsn: str) -> None:
    deviations: list[str] = []
    nested = 0
    with (
        psycopg.connect(catalogue.dsn, autocommit=True) as conn,
        psycopg.connect(debian_dsn, autocommit=True) as oracle,
    ):
        for table in catalogue.tables:
            with export(
                catalogue.dsn,
                query=_finite_rows(catalogue, table),
                format="xml",
                options={"invalidXmlChars": "replace"},
            ) as chunks:
                found = records(b"".join(chunks))
                losses = set(chunks.result().losses)
            lossy = set()
            for each in table.columns:
                expected = _expected(conn, oracle, catalogue, table, each)
                is_nested = any(isinstance(value, list | Members) for value in expected)
                nested += is_nested
                held = [_held(value) for value in expected]
                read = marked if is_nested or _is_json(catalogue, each) else leaf
                actual = [read(element) for element in column(found, each.name)]
                if actual != held:
                    at = next((at for at, pair in enumerate(zip(actual, held, strict=False)) if pair[0] != pair[1]), -1)
                    deviations.append(
                        f"{table.name}.{each.name} row {at}: {actual[at]!r:.300}, the server says {held[at]!r:.300}"
                    )
                if held != expected:
                    lossy.add(each.name)
            assert losses == lossy, table.name
    assert deviations == []
    assert nested >= FEWEST_NESTED


def _finite_rows(catalogue: Catalogue, table: Table) -> str:
    columns = ", ".join(f"{_finite(catalogue, each)} AS {quoted(each.name)}" for each in table.columns)
    return f"SELECT id, {columns} FROM {table.name} ORDER BY id"


def _finite(catalogue: Catalogue, each: Column) -> str:
    """The column, with NULL in place of a value that is or holds an infinity, or the moment after the last one, which is
    printed by its type and not read.
    """
    name = quoted(each.name)
    type_, _ = catalogue.under(each.type.oid)
    scalar = catalogue.under(type_.element)[0] if type_.element else type_
    if scalar.schema != "pg_catalog" or scalar.name not in INFINITE:
        return name
    return f"CASE WHEN {name}::text !~ 'infinity|294277-01-01' THEN {name} END"


def _expected(
    conn: psycopg.Connection, oracle: psycopg.Connection, catalogue: Catalogue, table: Table, each: Column
) -> list[Json]:
    """What the server says about a column, a value a row."""
    type_, _ = catalogue.under(each.type.oid)
    value = _finite(catalogue, each)
    if type_.element and _nests(catalogue, type_):
        element, _ = catalogue.under(type_.element)
        source = f"FROM {table.name}, unnest({value}) WITH ORDINALITY AS u(v, place) ORDER BY id, place"
        flat: dict[str, list[Json]] = {}
        for (at,), item in zip(
            _texts(conn, f"SELECT id {source}"), _values(conn, oracle, element, f"u.v {source}"), strict=True
        ):
            flat.setdefault(str(at), []).append(item)
        lengths = ", ".join(f"array_length({value}, {at})" for at in (1, 2, 3))
        rows = _texts(conn, f"SELECT id, {value} IS NULL, {lengths} FROM {table.name} ORDER BY id")
        return [
            None if null == "t" else _shaped(flat.get(str(at), []), [int(n) for n in sizes if n])
            for at, null, *sizes in rows
        ]
    return _values(conn, oracle, type_, f"{value} FROM {table.name} ORDER BY id")


def _values(conn: psycopg.Connection, oracle: psycopg.Connection, type_: Type, selected: str) -> list[Json]:
    """The values of what stands behind SELECT. ``query_to_xml`` is asked where there is a libxml; its form is that of
    every version.
    """
    texts = [text for (text,) in _texts(conn, f"SELECT {selected}")]
    if type_.schema != "pg_catalog" or type_.name not in OWN_FORM:
        return [_value(type_, text) for text in texts]
    with oracle.transaction(force_rollback=True):
        oracle.execute("SET LOCAL TimeZone = 'UTC'")
        oracle.execute(f"CREATE TEMP TABLE asked (place serial, v {type_.name})")
        oracle.cursor().executemany(
            f"INSERT INTO asked (v) VALUES (%s::text::{type_.name})", [[text] for text in texts]
        )
        query = "SELECT query_to_xml('SELECT v FROM asked ORDER BY place', true, false, '')::text"
        document = str((oracle.execute(query).fetchone() or ("",))[0])
    return [leaf(row[0]) for row in etree.fromstring(document, etree.XMLParser(huge_tree=True))]


def _nests(catalogue: Catalogue, array: Type) -> bool:
    """Arrays of types with a decoder have items; others are PostgreSQL's text."""
    element, _ = catalogue.under(array.element)
    return catalogue.types[array.element].kind != "c" and (
        element.kind == "e" or (element.schema == "pg_catalog" and element.name in NATIVE)
    )


def _is_json(catalogue: Catalogue, each: Column) -> bool:
    return catalogue.under(each.type.oid)[0].name in ("json", "jsonb")


def _value(type_: Type, text: str | None) -> Json:
    if text is None:
        return None
    if type_.name in ("json", "jsonb"):
        return without_scalar_types(from_json(text))
    return text


def _shaped(flat: list[Json], lengths: list[int]) -> Json:
    """The items in their dimensions."""
    if len(lengths) < 2:
        return flat
    step = len(flat) // lengths[0]
    return [_shaped(flat[at : at + step], lengths[1:]) for at in range(0, len(flat), step)]


def _held(value: Json) -> Json:
    """With U+FFFD for what XML 1.0 cannot hold; keys are escaped instead."""
    match value:
        case str():
            return "".join(
                "\ufffd" if (c < " " and c not in "\t\n\r") or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" else c
                for c in value
            )
        case Members(pairs):
            return Members(tuple((key, _held(item)) for key, item in pairs))
        case list():
            return [_held(item) for item in value]
    return value


def _texts(conn: psycopg.Connection, query: str) -> list[list[Any]]:
    """Rows of texts as the output functions print them, before any conversion of the driver."""
    with conn.transaction(force_rollback=True), conn.cursor() as cursor:
        conn.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute(query.encode())
        result = cursor.pgresult
        assert result is not None
        values = [[result.get_value(row, field) for field in range(result.nfields)] for row in range(result.ntuples)]
    return [[None if value is None else value.decode() for value in row] for row in values]
