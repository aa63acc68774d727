"""PostgreSQL's types as the catalogue describes them: what is under a domain, in an array, and how it can be sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from psycopg import sql

from polyglot_export.postgres.catalogue.relations import oid_array
from polyglot_export.postgres.leader import Leader, Row

__all__ = ["Type", "Types", "read_types", "types_of", "types_query"]


class Type(NamedTuple):
    """One row of ``pg_type``."""

    oid: int
    schema: str
    name: str
    kind: str
    """``typtype``: b base, c composite, d domain, e enum, p pseudo, r range, m multirange."""
    category: str
    """``typcategory``: N for numbers, B for booleans, S for strings …"""
    base: int
    """Of a domain, the type under it."""
    base_modifier: int
    """Of a domain, the modifier it gives to that type; -1 for none."""
    element: int
    array: int
    """The type whose elements are of this one."""
    sendable: bool
    """Binary COPY can send it (``typsend``)."""
    delimiter: str
    json_cast: bool
    """Someone made a cast function to json; row_to_json then uses it (PostgreSQL's json.c, only for types of users)."""
    display: str
    """As ``format_type`` prints it."""

    @property
    def identifier(self) -> sql.Identifier:
        """Schema-qualified, quoted, and without a modifier."""
        return sql.Identifier(self.schema, self.name)


class Types:
    """The types that one statement needs, with everything under them."""

    def __init__(self, types: Iterable[Type]) -> None:
        self._types = {each.oid: each for each in types}

    def __getitem__(self, oid: int) -> Type:
        return self._types[oid]

    def __contains__(self, oid: int) -> bool:
        return oid in self._types

    def under(self, oid: int, modifier: int = -1) -> tuple[Type, int]:
        """The type under all domains, and the modifier that counts: the innermost domain's where there is one."""
        found = self._types[oid]
        while found.kind == "d":
            found, modifier = self._types[found.base], found.base_modifier
        return found, modifier

    def element(self, array: Type) -> Type | None:
        """The element type of a true array; ``None`` for int2vector and the like, which only have a subscript."""
        element = self._types.get(array.element)
        return element if element is not None and element.array == array.oid else None


def read_types(leader: Leader, oids: Iterable[int]) -> Types:
    """Read the given types and, through domains and arrays, the types they are made of."""
    given = sql.SQL("SELECT unnest({}::oid[])").format(oid_array(sorted(set(oids))))
    return types_of(leader.catalogue(types_query(given)))


def types_query(given: sql.Composable) -> sql.Composable:
    """The question of :func:`read_types` about the types whose OIDs a SELECT gives."""
    return sql.SQL(
        "WITH RECURSIVE needed(oid) AS ("
        " {}"
        " UNION SELECT part.oid FROM needed JOIN pg_type AS t ON t.oid = needed.oid,"
        " LATERAL (VALUES (t.typbasetype), (t.typelem)) AS part(oid) WHERE part.oid <> 0)"
        " SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory, t.typbasetype, t.typtypmod, t.typelem, "
        "t.typarray,"
        " t.typsend <> 0, t.typdelim, EXISTS (SELECT FROM pg_cast AS c WHERE c.castsource = t.oid"
        " AND c.casttarget = 'json'::regtype AND c.castmethod = 'f'), format_type(t.oid, NULL)"
        " FROM needed JOIN pg_type AS t ON t.oid = needed.oid JOIN pg_namespace AS n ON n.oid = t.typnamespace"
    ).format(given)


def types_of(rows: Iterable[Row]) -> Types:
    """The answer to it."""
    return Types(Type(*row) for row in rows)
