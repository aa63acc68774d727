"""What the catalogue says of the functions, operators and casts that the server names in a plan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from psycopg import sql

from polyglot_export.postgres.leader import FIRST_USER_OID, Leader

__all__ = ["Calls", "Function", "read_calls"]

_KINDS = 110000
"""``server_version_num`` of the first version with ``pg_proc.prokind``."""


class Function(NamedTuple):
    """All functions of one name in one schema."""

    schema: str
    name: str
    volatile: bool
    """One of them may answer something else each time (PostgreSQL manual, "Function Volatility Categories")."""
    aggregate: bool


class Calls(NamedTuple):
    """What a plan may call."""

    functions: tuple[Function, ...]
    path: tuple[str, ...]
    """The schemas in which a name without one is looked up."""
    operators: frozenset[str]
    """The symbols of operators of users that have a volatile function."""
    casts: frozenset[str]
    """The types, as they are printed, that somebody casts to with a volatile function."""

    def named(self, schema: str | None, name: str) -> tuple[Function, ...]:
        """Those that a name may mean."""
        schemas = self.path if schema is None else (schema,)
        return tuple(each for each in self.functions if each.name == name and each.schema in schemas)


def read_calls(leader: Leader, names: Iterable[str]) -> Calls:
    """Look up functions by name, in whatever schema, and all operators and casts that are volatile.

    Raises:
        PolyglotError: The server does not answer.
    """
    ((path,),) = leader.run("SELECT pg_catalog.current_schemas(true)")
    aggregate = sql.SQL("p.prokind = 'a'" if leader.version >= _KINDS else "p.proisagg")
    rows = leader.catalogue(
        sql.SQL(
            "SELECT 'function', n.nspname::text, p.proname::text, bool_or(p.provolatile = 'v'), bool_or({aggregate})"
            " FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
            " WHERE p.proname = ANY ({names}::name[]) GROUP BY n.nspname, p.proname"
            " UNION ALL SELECT DISTINCT 'operator', '', o.oprname::text, true, false FROM pg_operator AS o"
            " JOIN pg_proc AS p ON p.oid = o.oprcode WHERE p.provolatile = 'v' AND o.oid >= {first}"
            " UNION ALL SELECT DISTINCT 'cast', '', format_type(c.casttarget, NULL), true, false FROM pg_cast AS c"
            " JOIN pg_proc AS p ON p.oid = c.castfunc WHERE p.provolatile = 'v' AND c.oid >= {first}"
        ).format(aggregate=aggregate, names=sql.Literal(sorted(set(names))), first=sql.Literal(FIRST_USER_OID))
    )
    return Calls(
        tuple(Function(*row) for kind, *row in rows if kind == "function"),
        tuple(path),
        frozenset(row[2] for row in rows if row[0] == "operator"),
        frozenset(row[2] for row in rows if row[0] == "cast"),
    )
