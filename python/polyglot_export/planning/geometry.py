"""PostGIS's types in another form than PostgreSQL's own text: the server's functions make it, found wherever the
extension is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.planning.choose import Choice
from polyglot_export.postgres.catalogue.postgis import postgis_functions
from polyglot_export.postgres.catalogue.types import Type, Types
from polyglot_export.postgres.leader import Leader

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["Conversion", "conversions", "geometry_of"]

GEOMETRIES = frozenset({"geometry", "geography"})
DIGITS = 30
"""Digits behind the point that are asked for at most. PostGIS prints the shortest number that reads back the same, but
cuts it where its own default says: behind 15 digits, or 9 in GeoJSON. The shortest double below 1e-8, from where it
prints an exponent, has fewer than 30."""


SHOWN_CHARACTERS = 80
"""Of a value, in the message of an error."""


class _Form(NamedTuple):
    """A value of the option ``geometry``."""

    function: str
    kind: str
    """How its result is read, as if the column were of that type."""
    arguments: int
    call: Callable[[str, str, sql.Composable], sql.Composable]
    """Of the schema of PostGIS, the function, and the reference to a column."""


def _binary(schema: str, function: str, reference: sql.Composable) -> sql.Composable:
    return sql.SQL("{}({})").format(sql.Identifier(schema, function), reference)


def _text(schema: str, function: str, reference: sql.Composable) -> sql.Composable:
    return sql.SQL("{}({}, {})").format(sql.Identifier(schema, function), reference, sql.Literal(DIGITS))


def _json(schema: str, function: str, reference: sql.Composable) -> sql.Composable:
    """As a value of type json, so that the server refuses what is none: PostGIS prints a NaN as it is.

    M values, which PostGIS leaves out, are an error whose message has the text that is no number. (A constant one would
    be refused when the statement is planned.)
    """
    return sql.SQL(
        "CASE WHEN {flags}(CAST({column} AS {geometry})) OPERATOR(pg_catalog.=) ANY ('{{1,3}}'::pg_catalog.int2[])"
        " THEN pg_catalog.to_json(CAST(pg_catalog.concat('GeoJSON has no M values: ',"
        " pg_catalog.left({text}, {shown})) AS pg_catalog.int4))"
        " ELSE CAST({json} AS pg_catalog.json) END"
    ).format(
        flags=sql.Identifier(schema, "st_zmflag"),
        geometry=sql.Identifier(schema, "geometry"),
        column=reference,
        text=_text(schema, "st_astext", reference),
        shown=sql.Literal(SHOWN_CHARACTERS),
        json=_text(schema, function, reference),
    )


_FORMS = {
    "wkt": _Form("ST_AsText", "text", 2, _text),
    "ewkt": _Form("ST_AsEWKT", "text", 2, _text),
    "geojson": _Form("ST_AsGeoJSON", "json", 2, _json),
    "geoparquet": _Form("ST_AsBinary", "bytea", 1, _binary),
}


class Conversion(NamedTuple):
    """How the columns of one type are read."""

    kind: str
    expression: Callable[[sql.Composable], sql.Composable]
    """Of the reference to a column."""


def conversions(leader: Leader, choices: Iterable[Choice], types: Types, spec: ExportSpec) -> Mapping[int, Conversion]:
    """How each type of PostGIS among the chosen columns is read. The catalogue is asked only where there is one and the
    option wants another form.

    Raises:
        SpecError: PostGIS does not have the function.
    """
    form = _FORMS.get(spec.options.geometry)
    if form is None:
        return {}
    used = {geometry.oid: geometry for choice in choices if (geometry := geometry_of(choice, types)[0]) is not None}
    if not used:
        return {}
    schemas = postgis_functions(leader, form.function.lower(), form.arguments, used)
    for oid, type_ in used.items():
        if oid not in schemas:
            integer = ", integer" if form.arguments > 1 else ""
            reason = (
                f"the extension postgis has no {form.function}({type_.name}{integer}) in this database, which"
                f" {spec.options.geometry!r} needs"
            )
            raise SpecError("options.geometry", reason)
    return {oid: _conversion(form, schemas[oid]) for oid in used}


def _conversion(form: _Form, schema: str) -> Conversion:
    return Conversion(form.kind, lambda reference: form.call(schema, form.function.lower(), reference))


def geometry_of(choice: Choice, types: Types) -> tuple[Type | None, int]:
    """The type of PostGIS that a column is of, also under domains, and its modifier; ``None`` for all other types."""
    type_, modifier = types.under(choice.column.type, choice.column.modifier)
    is_geometry = type_.kind == "b" and type_.name in GEOMETRIES and type_.schema != "pg_catalog"
    return (type_ if is_geometry else None), modifier
