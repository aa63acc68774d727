"""The order of a type's values: the operators of its default btree operator class, which ORDER BY sorts by."""

from __future__ import annotations

from typing import NamedTuple

from psycopg import sql

from polyglot_export.postgres.catalogue.types import Type, Types
from polyglot_export.postgres.leader import Leader

__all__ = ["Operators", "read_operators"]

_GENERIC = {"e": "anyenum", "r": "anyrange", "m": "anymultirange", "c": "record"}
"""``typtype`` → the pseudo-type whose operator class serves all types of the kind."""


class Operators(NamedTuple):
    """Two of the five strategies of a btree (PostgreSQL manual, "B-Tree Support Functions"): of any value that is not
    NULL exactly one of them holds, NaN and infinity too.
    """

    at_most: sql.Composable
    above: sql.Composable


def read_operators(leader: Leader, types: Types, type_: Type) -> Operators | None:
    """The operators that compare two values of a type; ``None`` where it has no order.

    Args:
        leader: In a transaction.
        types: With everything under the type.
        type_: No domain.

    Raises:
        PolyglotError: The server does not answer.
    """
    generic = "anyarray" if types.element(type_) is not None else _GENERIC.get(type_.kind, "")
    # The class of the very type, else that of one which its values are stored as, as the server looks for it.
    rows = leader.catalogue(
        sql.SQL(
            "WITH class AS (SELECT c.opcfamily AS family, c.opcintype AS type FROM pg_opclass AS c"
            " JOIN pg_am AS m ON m.oid = c.opcmethod JOIN pg_type AS t ON t.oid = c.opcintype"
            " WHERE m.amname = 'btree' AND c.opcdefault AND (c.opcintype = {type}::oid OR t.typname = {generic}"
            " OR c.opcintype IN (SELECT k.casttarget FROM pg_cast AS k WHERE k.castsource = {type}::oid"
            " AND k.castmethod = 'b' AND k.castcontext = 'i'))"
            " ORDER BY c.opcintype = {type}::oid DESC, t.typispreferred DESC, c.opcintype LIMIT 1)"
            " SELECT a.amopstrategy, n.nspname, o.oprname FROM class"
            " JOIN pg_amop AS a ON a.amopfamily = class.family AND a.amoplefttype = class.type"
            " AND a.amoprighttype = class.type AND a.amopstrategy IN (2, 5)"
            " JOIN pg_operator AS o ON o.oid = a.amopopr JOIN pg_namespace AS n ON n.oid = o.oprnamespace"
        ).format(type=sql.Literal(type_.oid), generic=sql.Literal(generic))
    )
    found = {
        strategy: sql.SQL("OPERATOR({}.{})").format(sql.Identifier(schema), sql.SQL(name))
        for strategy, schema, name in rows
    }
    return Operators(found[2], found[5]) if len(found) == 2 else None
