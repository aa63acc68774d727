"""Which relations a dump is of: pg_dump's own language, asked of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.dumps.patterns import Pattern, schema_pattern, table_pattern
from polyglot_export.errors import AccessDenied, SpecError, StatementFailed
from polyglot_export.manifest.document import MissingRelation
from polyglot_export.postgres.catalogue.relations import Relation
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.names import is_text, shown

__all__ = ["Chosen", "Selected", "Selection", "select"]

TABLES = frozenset("rp")
"""``pg_class.relkind`` of what a dump is of when nothing else is said."""
VIEWS = frozenset("vm")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to dump. Without patterns: every table that the login may read outside the system's schemas.

    Raises:
        SpecError: A pattern is none, or two things are asked for that exclude each other.
    """

    schemas: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()
    views: bool = False
    """Views and materialized views too, where they are not named one by one."""
    queries: Mapping[str, str] = field(default_factory=dict)
    """Name → SELECT."""
    skip_unreadable: bool = False
    """Leave out what was named and the login may not read."""

    def __post_init__(self) -> None:
        if self.schemas and self.tables:
            raise SpecError("schema", "has no effect beside --table: name the tables as SCHEMA.NAME, or 'SCHEMA.*'")
        self.patterns()

    def patterns(self) -> Patterns:
        """The patterns, read."""
        return Patterns(
            tuple(schema_pattern(text, "schema") for text in self.schemas),
            tuple(table_pattern(text, "table") for text in self.tables),
            tuple(schema_pattern(text, "exclude_schema") for text in self.exclude_schemas),
            tuple(table_pattern(text, "exclude_table") for text in self.exclude_tables),
        )

    @property
    def is_default(self) -> bool:
        """Whether nothing was named."""
        return not self.schemas and not self.tables

    @property
    def only_queries(self) -> bool:
        """Whether queries were named and nothing else, so that no table is meant."""
        return bool(self.queries) and self.is_default and not self.views


class Patterns(NamedTuple):
    """All patterns of a selection."""

    schemas: tuple[Pattern, ...]
    tables: tuple[Pattern, ...]
    exclude_schemas: tuple[Pattern, ...]
    exclude_tables: tuple[Pattern, ...]


class Selected(NamedTuple):
    """A relation that is to be dumped."""

    relation: Relation
    pages: int
    """Of the heap and, for a partitioned table, of all its partitions, as the server last counted them."""
    rows: int | None
    """The server's estimate."""


class Chosen(NamedTuple):
    """What a selection means at one moment."""

    relations: tuple[Selected, ...]
    """In the order of their names, which is the order of their locks."""
    unreadable: tuple[MissingRelation, ...]


class _Candidate(NamedTuple):
    selected: Selected
    partition_of: int | None
    readable: bool
    matches: tuple[bool, ...]
    """For each pattern, those that include first."""


def select(leader: Leader, selection: Selection) -> Chosen:
    """Ask the catalogue.

    Args:
        leader: In a transaction.
        selection: What is asked for.

    Raises:
        SpecError: A pattern matches nothing, or a partition is left out of a table that is selected.
        AccessDenied: Something was named that the login may not read.
    """
    if selection.only_queries:
        return Chosen((), ())
    patterns = selection.patterns()
    candidates = _candidates(leader, patterns)
    excluded = _excluded(patterns, candidates)
    wanted = _wanted(selection, patterns, candidates, excluded)
    above = {each.selected.relation.oid: each.partition_of for each in candidates}
    _see_whole_tables(wanted, excluded, above)
    # A partition's rows are in the file of the table that it is a partition of.
    chosen = [each for each in wanted.values() if _ancestor(each, wanted, above) is None]
    unreadable = [each for each in chosen if not each.readable]
    if unreadable and not selection.is_default and not selection.skip_unreadable:
        names = ", ".join(each.selected.relation.title for each in unreadable)
        raise AccessDenied(f"this login may not read {names}; --skip-unreadable leaves out what it may not read")
    _see_names(each.selected.relation for each in chosen if each.readable)
    return Chosen(
        tuple(each.selected for each in chosen if each.readable),
        tuple(
            MissingRelation(
                schema=each.selected.relation.schema,
                name=each.selected.relation.name,
                reason="the login may not read it",
            )
            for each in unreadable
        ),
    )


def _wanted(
    selection: Selection, patterns: Patterns, candidates: Sequence[_Candidate], excluded: Sequence[_Candidate]
) -> dict[int, _Candidate]:
    """What is asked for and not excluded, by OID; every pattern must find something."""
    including = (*patterns.schemas, *patterns.tables)
    found = [0] * len(including)
    wanted = {}
    without = {each.selected.relation.oid for each in excluded}
    for each in candidates:
        kind = each.selected.relation.kind
        usual = kind in TABLES or (selection.views and kind in VIEWS)
        meant = usual and selection.is_default
        for index, pattern in enumerate(including):
            if each.matches[index] and (usual or (pattern.literal and pattern.name is not None)):
                found[index] += 1
                meant = True
        if meant and each.selected.relation.oid not in without:
            wanted[each.selected.relation.oid] = each
    for pattern, count in zip(including, found, strict=True):
        if not count:
            field = "table" if pattern.name is not None else "schema"
            raise SpecError(field, _nothing_found(pattern), given=pattern.text)
    return wanted


def _nothing_found(pattern: Pattern) -> str:
    if pattern.name is None:
        return "no schema that this login can see has a table and matches it"
    if pattern.literal:
        return "there is no table or view of this name that this login can see"
    return "no table matches it (views only with --views)"


def _excluded(patterns: Patterns, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    first = len(patterns.schemas) + len(patterns.tables)
    return [each for each in candidates if any(each.matches[first:])]


def _see_whole_tables(
    wanted: Mapping[int, _Candidate], excluded: Sequence[_Candidate], above: Mapping[int, int | None]
) -> None:
    for each in excluded:
        parent = _ancestor(each, wanted, above)
        if parent is not None:
            partition, whole = each.selected.relation.title, wanted[parent].selected.relation.title
            reason = f"{partition} is a partition of {whole}, which is dumped as a whole: exclude that one"
            raise SpecError("exclude_table", f"{reason}, and name the partitions that you want")


def _ancestor(each: _Candidate, wanted: Mapping[int, _Candidate], above: Mapping[int, int | None]) -> int | None:
    """The nearest table that a relation is a partition of and that is wanted."""
    parent = each.partition_of
    while parent is not None and parent not in wanted:
        parent = above.get(parent)
    return parent


def _see_names(relations: Iterable[Relation]) -> None:
    for relation in relations:
        if not is_text(relation.schema) or not is_text(relation.name):
            raise SpecError(
                None, f"the name of {shown(relation.title)} is not UTF-8, so it cannot be dumped; exclude it"
            )


_SYSTEM = sql.SQL("n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'")
_READ = sql.SQL(
    "WITH RECURSIVE tree(root, relation) AS (SELECT oid, oid FROM pg_class WHERE relkind = 'p'"
    " UNION ALL SELECT tree.root, i.inhrelid FROM tree JOIN pg_inherits AS i ON i.inhparent = tree.relation),"
    " leaves(root, pages, rows) AS (SELECT tree.root, sum(l.relpages), sum(greatest(l.reltuples, 0))"
    " FROM tree JOIN pg_class AS l ON l.oid = tree.relation WHERE l.relkind <> 'p' GROUP BY tree.root)"
    " SELECT c.oid, n.nspname, c.relname, c.relkind, am.amname, c.relhassubclass, has_table_privilege(c.oid, 'SELECT'),"
    " row_security_active(c.oid), false,"
    " coalesce(leaves.pages, c.relpages)::bigint, coalesce(leaves.rows, c.reltuples)::bigint,"
    " CASE WHEN c.relispartition THEN (SELECT inhparent FROM pg_inherits WHERE inhrelid = c.oid LIMIT 1) END,"
    " has_schema_privilege(n.oid, 'USAGE'), {flags}"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_am AS am ON am.oid = c.relam"
    " LEFT JOIN leaves ON leaves.root = c.oid"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT pg_is_other_temp_schema(n.oid)"
    " AND ({where})"
    ' ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"'
)


def _candidates(leader: Leader, patterns: Patterns) -> list[_Candidate]:
    """Every relation that could be meant, and which patterns it matches."""
    every = (*patterns.schemas, *patterns.tables, *patterns.exclude_schemas, *patterns.exclude_tables)
    visible = _visible(leader, any(each.schema is None for each in every))
    conditions = [_condition(each, visible) for each in every]
    including = conditions[: len(patterns.schemas) + len(patterns.tables)]
    where = sql.SQL(" OR ").join([sql.SQL("({})").format(_SYSTEM), *including])
    flags = sql.SQL("ARRAY[{}]::boolean[]").format(sql.SQL(", ").join(conditions))
    try:
        rows = leader.catalogue(_READ.format(flags=flags, where=where))
    except StatementFailed as error:
        if error.sqlstate == sqlstates.INVALID_REGULAR_EXPRESSION:
            raise SpecError(None, f"a pattern is no regular expression: {error.message}") from None
        raise
    return [
        _Candidate(
            Selected(Relation(*row[:9]), int(row[9]), int(row[10]) if row[10] >= 0 else None),
            row[11],
            bool(row[6] and row[12]),
            tuple(row[13]),
        )
        for row in rows
    ]


def _visible(leader: Leader, needed: bool) -> sql.Composable:
    """The OIDs of the schemas that the login's search path finds, which is another one while the catalogue is read."""
    rows = leader.run("SELECT unnest(pg_catalog.current_schemas(false))") if needed else []
    return sql.Literal([row[0] for row in rows] or [""])


def _condition(pattern: Pattern, visible: sql.Composable) -> sql.Composable:
    """Whether a relation matches a pattern."""
    terms = []
    if pattern.schema is not None:
        terms.append(sql.SQL("n.nspname::text ~ {}").format(sql.Literal(f"^({pattern.schema})$")))
    else:
        terms.append(sql.SQL("n.nspname = ANY ({}::name[])").format(visible))
    if pattern.name is not None:
        terms.append(sql.SQL("c.relname::text ~ {}").format(sql.Literal(f"^({pattern.name})$")))
    return sql.SQL("({})").format(sql.SQL(" AND ").join(terms))
