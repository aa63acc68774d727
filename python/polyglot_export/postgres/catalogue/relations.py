"""From a dataset's name to a relation of the catalogue: what it is and how it can be locked and read.

A name without quotes is taken literally first (``Orders`` finds the table "Orders"), with and without a schema in front
of a dot, and then as SQL reads it (folded to lower case). A name with quotes is read as SQL reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import AccessDenied, PolyglotError, SpecError, UnknownDataset
from polyglot_export.postgres.leader import Leader, Row
from polyglot_export.postgres.names import is_text, shown
from polyglot_export.sources.base import RelationName

__all__ = [
    "Relation",
    "ancestors",
    "find_relation",
    "found_oids",
    "oid_array",
    "privileged",
    "read_relations",
    "relations_of",
    "relations_query",
]

KINDS = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
}
"""``pg_class.relkind`` of what can be exported."""
_OTHER_KINDS = {"S": "a sequence", "i": "an index", "I": "an index", "c": "a composite type", "t": "a TOAST table"}

_NO_NAME = (
    sqlstates.INVALID_NAME,
    sqlstates.SYNTAX_ERROR,
    # A name with another database in front.
    sqlstates.FEATURE_NOT_SUPPORTED,
    # Characters that the database's encoding lacks.
    sqlstates.UNTRANSLATABLE_CHARACTER,
)
"""What the server says to words that nothing can be called."""

_IDENTIFIER = r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")'
_SQL_NAME = rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})?"
MAX_NAME = 1_000
"""Characters of a name that are looked at; PostgreSQL's identifiers have at most 63 bytes."""


class Relation(NamedTuple):
    """What the catalogue said before the locks; the planner reads it again once they are held."""

    oid: int
    schema: str
    name: str
    kind: str
    """``pg_class.relkind``."""
    access_method: str | None
    has_children: bool
    """``pg_class.relhassubclass``: it is, or once was, the parent of others (inheritance)."""
    select: bool
    """The login may read all of it (not only granted columns)."""
    policies: bool
    """Row-level security is active for this login."""
    other_temporary: bool
    """It is a temporary table of another session."""

    @property
    def identifier(self) -> sql.Identifier:
        """The qualified name, quoted."""
        return sql.Identifier(self.schema, self.name)

    @property
    def lockable(self) -> bool:
        """Whether ``LOCK TABLE … IN ACCESS SHARE MODE`` is possible (PostgreSQL manual, LOCK)."""
        return self.kind in "rp" and self.select

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.schema}.{self.name}"


def find_relation(leader: Leader, source: RelationName, title: str = "") -> Relation:
    """Look the relation up; to be called in a transaction that the locks do not belong to.

    Args:
        leader: In a transaction.
        source: What is looked for.
        title: What the caller calls it, where that is another name.

    Raises:
        UnknownDataset: It does not exist, is no table or view, or is not offered.
        AccessDenied: The login may not look into the schema.
    """
    oid = _oid(leader, source)
    if oid is None:
        raise _unknown(title or source.name)
    relation = read_relations(leader, [oid]).get(oid)
    if relation is None:
        raise _unknown(title or source.name)
    if relation.kind not in KINDS:
        raise UnknownDataset(
            "dataset",
            f"{source.name!r} is {_OTHER_KINDS.get(relation.kind, 'no table or view')}; what can be exported "
            "are tables and views",
        )
    if not is_text(relation.schema):
        reason = f"its schema's name, {shown(relation.schema)}, is not UTF-8, so it cannot be read"
        raise SpecError("dataset", reason)
    if relation.other_temporary:
        raise SpecError("dataset", f"{source.name!r} is a temporary table of another session and cannot be read")
    if relation.kind == "v" and not _views_allowed(leader, source):
        raise _unknown(title or source.name)
    return relation


def found_oids(leader: Leader, sources: Sequence[RelationName]) -> list[int | None]:
    """The relations of many names by one question; ``None`` for a name that stands for nothing.

    Raises:
        PolyglotError: One of the names cannot be asked for; the transaction then takes no further statement.
    """
    spellings = [(at, name) for at, source in enumerate(sources) for name in _candidates(source, leader)]
    found: list[int | None] = [None] * len(sources)
    rows = leader.run(
        sql.SQL(
            "SELECT pg_catalog.to_regclass(name)::pg_catalog.oid"
            " FROM pg_catalog.unnest({}::pg_catalog.text[]) WITH ORDINALITY AS spelling(name, at) ORDER BY at"
        ).format(sql.Literal([name for _, name in spellings]))
    )
    for (at, _), (oid,) in zip(spellings, rows, strict=True):
        if oid is not None and found[at] is None:
            found[at] = int(oid)
    return found


def read_relations(leader: Leader, oids: Iterable[int]) -> dict[int, Relation]:
    """What the catalogue says about relations; those that are gone are left out."""
    return relations_of(leader.catalogue(relations_query(oids)))


def relations_query(oids: Iterable[int]) -> sql.Composable:
    """The question of :func:`read_relations`."""
    return sql.SQL(
        "SELECT c.oid, n.nspname, c.relname, c.relkind, am.amname, c.relhassubclass, has_table_privilege(c.oid, "
        "'SELECT'),"
        " row_security_active(c.oid), pg_is_other_temp_schema(c.relnamespace)"
        " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_am AS am ON am.oid = "
        "c.relam"
        " WHERE c.oid = ANY ({}::oid[])"
    ).format(oid_array(oids))


def relations_of(rows: Iterable[Row]) -> dict[int, Relation]:
    """The answer to it."""
    return {row[0]: Relation(*row) for row in rows}


def oid_array(oids: Iterable[int]) -> sql.Literal:
    """OIDs as the text of an array."""
    return sql.Literal("{" + ",".join(map(str, oids)) + "}")


def ancestors(leader: Leader, oids: Iterable[int]) -> frozenset[int]:
    """The tables that relations are partitions or children of, directly or by way of others."""
    rows = leader.catalogue(
        sql.SQL(
            "WITH RECURSIVE above(oid) AS ("
            " SELECT inhparent FROM pg_inherits WHERE inhrelid = ANY ({}::oid[])"
            " UNION SELECT i.inhparent FROM above JOIN pg_inherits AS i ON i.inhrelid = above.oid)"
            " SELECT oid FROM above"
        ).format(oid_array(sorted(oids)))
    )
    return frozenset(row[0] for row in rows)


def privileged(leader: Leader) -> bool:
    """Whether the login may do more than read what was granted to it: superuser, RLS bypass, a predefined role."""
    rows = leader.catalogue(
        sql.SQL(
            "SELECT bool_or(r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication) OR EXISTS ("
            "SELECT FROM pg_roles AS p WHERE p.rolname LIKE 'pg\\_%' AND p.rolname <> 'pg_database_owner'"
            " AND pg_has_role(p.oid, 'USAGE')) FROM pg_roles AS r WHERE r.rolname = current_user"
        )
    )
    return bool(rows[0][0])


def _views_allowed(leader: Leader, source: RelationName) -> bool:
    return not privileged(leader) if source.views is None else source.views


def _oid(leader: Leader, source: RelationName) -> int | None:
    candidates = _candidates(source, leader)
    if not candidates:
        return None
    # to_regclass gives NULL for a name that stands for nothing; the search path is the login's own here.
    tries = sql.SQL(", ").join(
        sql.SQL("pg_catalog.to_regclass({})::pg_catalog.oid").format(sql.Literal(name)) for name in candidates
    )
    try:
        found = leader.run(sql.SQL("SELECT {}").format(tries))[0]
    except AccessDenied:
        raise
    except PolyglotError as error:
        if error.sqlstate in _NO_NAME:
            return None
        raise
    return next((int(oid) for oid in found if oid is not None), None)


def _candidates(source: RelationName, leader: Leader) -> list[str]:
    """The spellings to try, most literal first, each as SQL text."""
    name = source.name
    if not name or len(name) > MAX_NAME or "\0" in name:
        return []

    def quoted(*parts: str) -> str:
        return sql.Identifier(*parts).as_string(leader.connection)

    if source.schema is not None:
        return [quoted(source.schema, name)]
    spellings: list[str] = []
    if '"' not in name:
        spellings.append(quoted(name))
        spellings += [
            quoted(name[:at], name[at + 1 :])
            for at, character in enumerate(name)
            if character == "." and 0 < at < len(name) - 1
        ]
    if re.fullmatch(_SQL_NAME, name):
        spellings.append(name)
    return spellings


def _unknown(name: str) -> UnknownDataset:
    reason = f"there is no table or view {name!r} that this login can see"
    return UnknownDataset("dataset", reason, sqlstate=sqlstates.UNDEFINED_TABLE)
