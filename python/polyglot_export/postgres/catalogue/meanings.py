"""What decides which functions and relations the names in a statement mean, each with the transaction that has made it
so (``xmin``): read in two snapshots, it tells what has changed in between, and what was changed and changed back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from psycopg import sql

from polyglot_export.postgres.catalogue.relations import oid_array
from polyglot_export.postgres.leader import FIRST_USER_OID, Leader

__all__ = ["Meaning", "callables", "children", "definitions", "labels", "namesakes"]

_SQL_BODY = 140000
"""``server_version_num`` of the first version whose functions may have a parsed body in place of a text."""
_FIRST = sql.Literal(FIRST_USER_OID)
_NOT_TEMPORARY = sql.SQL("n.nspname !~ '^pg_(toast_)?temp_'")


class Meaning(NamedTuple):
    """A row of the catalogue."""

    kind: str
    """What it is, for people: ``function``, ``operator``, ``cast``, ``relation``, ``label``, ``children``."""
    key: str
    version: str
    """Another one once it was written anew. VACUUM, ANALYZE and freezing leave it as it is."""
    title: str
    by_being: bool = True
    """Whether a name may mean something else because this is there, or is not there any more."""
    by_version: bool = True
    """Whether a name may have meant something else where this was written anew."""
    text: str = ""
    """In which names stand that are resolved when it is called."""


def definitions(leader: Leader, relations: Collection[int]) -> list[str]:
    """The texts of views and policies among and on these relations.

    Raises:
        PolyglotError: The server does not answer.
    """
    rows = leader.catalogue(
        sql.SQL(
            "SELECT pg_get_viewdef(oid) FROM pg_class WHERE oid = ANY ({held}::oid[]) AND relkind = 'v'"
            " UNION ALL SELECT pg_get_expr(polqual, polrelid) FROM pg_policy"
            " WHERE polrelid = ANY ({held}::oid[]) AND polqual IS NOT NULL"
        ).format(held=oid_array(sorted(relations)))
    )
    return [row[0] for row in rows]


def callables(version: int, names: Collection[str], operators: Collection[str]) -> sql.Composable:
    """Asks for the functions, operators and casts of users that names may mean, in whatever schema.

    The functions of aggregates, operators and casts are among them.

    Args:
        version: ``server_version_num``.
        names: Of functions.
        operators: The symbols of operators.
    """
    body = "coalesce(pg_get_function_sqlbody(p.oid), p.prosrc)" if version >= _SQL_BODY else "p.prosrc"
    return sql.SQL(
        "WITH named(oid) AS (SELECT oid FROM pg_proc WHERE proname = ANY ({names}::name[])),"
        " symbols AS (SELECT oid, xmin, oprname, oprcode FROM pg_operator"
        " WHERE oid >= {first} AND oprname = ANY ({operators}::name[])),"
        " called(oid) AS (SELECT oid FROM named UNION SELECT oprcode::oid FROM symbols"
        " UNION SELECT castfunc FROM pg_cast WHERE oid >= {first}"
        " UNION SELECT unnest(ARRAY[aggtransfn, aggfinalfn, aggmtransfn, aggminvtransfn, aggmfinalfn]::oid[])"
        " FROM pg_aggregate JOIN named ON named.oid = aggfnoid)"
        " SELECT 'function', p.oid::text, p.xmin::text, n.nspname || '.' || p.proname || '()', true, true, {body}"
        " FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
        " WHERE p.oid IN (SELECT oid FROM called) AND p.oid >= {first} AND {not_temporary}"
        " UNION ALL SELECT 'operator', oid::text, xmin::text, oprname, true, true, '' FROM symbols"
        " UNION ALL SELECT 'cast', oid::text, xmin::text,"
        " format_type(castsource, NULL) || ' as ' || format_type(casttarget, NULL), true, true, ''"
        " FROM pg_cast WHERE oid >= {first}"
    ).format(
        names=_names(names),
        operators=_names(operators),
        first=_FIRST,
        body=sql.SQL(body),
        not_temporary=_NOT_TEMPORARY,
    )


def namesakes(relations: Collection[int], path: Sequence[str]) -> sql.Composable:
    """Asks for other relations of the names of these, of which one would be found instead by the search path.

    Where no schema stands before that of a relation, nothing can come to be found in its place.

    Args:
        relations: What is read.
        path: The schemas in which names are looked up.
    """
    return sql.SQL(
        "WITH held AS (SELECT c.relname, max(array_position({path}::text[], n.nspname::text)) AS place"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.oid = ANY ({held}::oid[]) GROUP BY 1)"
        " SELECT 'relation', c.oid::text, c.xmin::text || ' ' || n.nspname, n.nspname || '.' || c.relname,"
        " coalesce(array_position({path}::text[], n.nspname::text) < held.place, false), true, ''"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " JOIN held ON held.relname = c.relname AND held.place > 1"
        " WHERE c.oid <> ALL ({held}::oid[]) AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {not_temporary}"
    ).format(held=oid_array(sorted(relations)), path=sql.Literal([*path]), not_temporary=_NOT_TEMPORARY)


def children(relations: Collection[int], since: str) -> sql.Composable:
    """Asks which tables are partitions and children of these, and what tells that others were.

    A table that became a child and is none any more has left no row in ``pg_inherits``. The first child makes a new row
    of ``pg_class`` for its parent, with ``relhassubclass``, which ANALYZE takes back later in that same row. Each child
    gets new rows in ``pg_attribute`` (``attinhcount``): of a parent all tables that have its columns are asked for.

    Args:
        relations: What is read.
        since: The time of the moment, as the server writes it. Only where ANALYZE came after it a new row of
            ``pg_class`` is suspicious: GRANT makes one too.
    """
    return sql.SQL(
        "WITH held AS (SELECT oid, xmin, oid::regclass::text AS title, relkind, relhassubclass FROM pg_class"
        " WHERE oid = ANY ({held}::oid[]) AND relkind IN ('r', 'p', 'f'))"
        " SELECT 'children', i.inhparent || ' ' || i.inhrelid, i.xmin::text, held.title, true, true, ''"
        " FROM held JOIN pg_inherits AS i ON i.inhparent = held.oid"
        " UNION ALL SELECT 'children', oid::text, xmin::text, title, true, coalesce({since}::timestamptz <= greatest("
        "pg_stat_get_last_analyze_time(oid), pg_stat_get_last_autoanalyze_time(oid)), false), ''"
        " FROM held WHERE relkind <> 'p' AND NOT relhassubclass"
        " UNION ALL SELECT 'children', held.oid || ' as ' || a.attrelid,"
        " string_agg(a.xmin::text, ' ' ORDER BY a.attnum), held.title, true, true, ''"
        " FROM held JOIN pg_attribute AS p ON p.attrelid = held.oid AND p.attnum > 0 AND NOT p.attisdropped"
        " JOIN pg_attribute AS a ON a.attname = p.attname AND a.atttypid = p.atttypid AND a.attnum > 0"
        " JOIN pg_class AS c ON c.oid = a.attrelid AND c.relkind IN ('r', 'f') AND c.relpersistence <> 't'"
        " WHERE held.relkind <> 'p' AND held.relhassubclass AND c.oid <> ALL ({held}::oid[])"
        " GROUP BY held.oid, held.title, a.attrelid HAVING count(*) ="
        " (SELECT count(*) FROM pg_attribute WHERE attrelid = held.oid AND attnum > 0 AND NOT attisdropped)"
    ).format(held=oid_array(sorted(relations)), since=sql.Literal(since))


def labels() -> sql.Composable:
    """Asks for the labels of all enums of users: a bound is one, and reads as another value once two are swapped."""
    return sql.SQL(
        "SELECT 'label', oid::text, xmin::text, format_type(enumtypid, NULL) || ' ' || quote_literal(enumlabel),"
        " false, true, '' FROM pg_enum WHERE oid >= {}"
    ).format(_FIRST)


def _names(names: Collection[str]) -> sql.Composable:
    return sql.Literal(sorted(names))
