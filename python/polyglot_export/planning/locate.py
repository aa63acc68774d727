"""From a source to what is read: a relation or a wrapped query, with its columns and their types.

The steps of one source, in the order in which :class:`polyglot_export.planning.moment.Moment` takes them:

1. :func:`look_up`, in a transaction of its own, since a query in the export's would take the snapshot before the lock;
2. :func:`locate`, with the locks held that LOCK can take;
3. :func:`hold`, which takes all other locks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import AccessDenied, SpecError, StatementFailed
from polyglot_export.planning.choose import exposed, query_columns
from polyglot_export.planning.statement import Statement, aliased
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.relations import Relation, find_relation
from polyglot_export.postgres.catalogue.tables import Tables, read_tables
from polyglot_export.postgres.catalogue.types import Types, read_types
from polyglot_export.postgres.condition import checked_condition
from polyglot_export.postgres.explain import explain_statement
from polyglot_export.postgres.expression import masked
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.names import is_text, shown
from polyglot_export.postgres.query import Query, describe_query, value_statements, wrong_value
from polyglot_export.postgres.settings import TABLE_SETTINGS
from polyglot_export.sources.base import QueryText, RelationName, Source

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm

__all__ = ["Located", "Moved", "Wanted", "denied", "hold", "locate", "look_up", "see_same_types", "settings_for"]


class Moved(Exception):
    """A relation changed between its look-up and its lock. The moment is taken again; no caller ever sees this."""

    def __init__(self, relations: Iterable[str]) -> None:
        super().__init__(", ".join(relations))


class Located(NamedTuple):
    """One source, as the catalogue describes it at the moment of the export."""

    title: str
    """For people and manifests."""
    relation: Relation | None
    """``None`` for a query."""
    from_: sql.Composable
    """What stands behind FROM: ``"schema"."table" AS r``, or ``(query) AS q(c1, …)``."""
    columns: tuple[SourceColumn, ...]
    """All columns, in their order."""
    exposed: tuple[SourceColumn, ...]
    """Those that may be exported, in the order of the exposure."""
    types: Types
    """The types of the columns, with everything under them."""
    unnamed: tuple[str, ...] = ()
    """Columns whose names are not UTF-8, as they are shown: they are in neither of the others."""
    rows: tuple[FilterTerm, ...] = ()
    """What every row fulfils that may be read; the terms may name any of ``columns``."""
    condition: sql.Composable | None = None
    """Of a relation, what else every row fulfils, between parentheses; that of a query is in ``from_``."""
    given: QueryText | None = None
    """The query whose parameters have values."""
    masked: bool = False
    """Whether something of ``exposed`` is an expression in place of the column of ``columns``."""
    query: Query | None = None
    """What ``from_`` is made of, where that is no relation."""

    def source_of(self, text: str) -> sql.Composable:
        """What stands behind FROM, with another text in the place of the query or the relation."""
        if self.query is not None:
            return self.query._replace(text=text).subquery
        return sql.SQL("(\n{}\n) AS r").format(sql.SQL(text))

    @property
    def can_grow(self) -> bool:
        """Whether it can come to read more while an export runs.

        ATTACH and INHERIT do not wait for our locks: what reads a table by way of a parent, a view, a query or a policy
        reads its new partitions and children too.
        """
        relation = self.relation
        if relation is None or self.condition is not None or self.masked:
            return True
        return relation.kind in "pv" or relation.has_children or relation.policies


def look_up(leader: Leader, source: Source) -> Relation | None:
    """The relation that a source names; ``None`` for a query, whose relations the server looks up as it parses.

    Raises:
        UnknownDataset: It does not exist, is no table or view, or is not offered.
        AccessDenied: The login may not look into the schema.
    """
    reads = source.reads
    return find_relation(leader, reads, source.title) if isinstance(reads, RelationName) else None


def settings_for(relation: Relation | None) -> tuple[str, ...]:
    """What is set for this source beside the settings of every export, by the leader and by the workers."""
    return TABLE_SETTINGS if relation is not None and relation.kind != "v" else ()


class Wanted(NamedTuple):
    """A source, and what the catalogue says of its relation before it is locked; ``None`` for a query."""

    source: Source
    relation: Relation | None


def locate(leader: Leader, wanted: Sequence[Wanted]) -> tuple[Located, ...]:
    """Read the catalogue, in the transaction of the export: once for all relations.

    Args:
        leader: With the locks held of the relations that can be locked.
        wanted: What is read, and what :func:`look_up` found for it.

    Raises:
        Moved: A relation is not any more what the look-up found.
        SpecError: A query is refused, or the exposure names a column that does not exist.
    """
    oids = [each.relation.oid for each in wanted if each.relation is not None]
    tables = read_tables(leader, oids)
    for each in wanted:
        if each.relation is not None and tables.relations.get(each.relation.oid) != each.relation:
            raise Moved([each.source.title or each.relation.title])
    return tuple(_locate_one(leader, each, tables) for each in wanted)


def _locate_one(leader: Leader, wanted: Wanted, tables: Tables) -> Located:
    reads, relation = wanted.source.reads, wanted.relation
    if isinstance(reads, QueryText):
        return _locate_query(leader, wanted.source, reads)
    if relation is None:
        raise Moved([wanted.source.title or reads.name])
    return _locate_relation(leader, wanted.source, relation, tables.columns[relation.oid], tables.types)


def _locate_relation(
    leader: Leader, source: Source, relation: Relation, every: Sequence[SourceColumn], types: Types
) -> Located:
    columns = tuple(column for column in every if is_text(column.name))
    unnamed = tuple(shown(column.name) for column in every if not is_text(column.name))
    if any(column.type not in types for column in columns):
        raise Moved([relation.title])
    title, from_ = source.title or relation.title, _from(relation)
    shown_columns = masked(leader, columns, dict(source.masks), from_, title)
    return Located(
        title,
        relation,
        from_,
        columns,
        exposed(shown_columns, source.columns),
        _with_types(leader, types, columns, shown_columns),
        unnamed if source.columns is None else (),
        source.rows,
        _condition(leader, source, from_),
        masked=bool(source.masks),
    )


def _condition(leader: Leader, source: Source, from_: sql.Composable) -> sql.Composable | None:
    return None if source.condition is None else checked_condition(leader, source.condition, from_)


def _with_types(
    leader: Leader, types: Types, columns: Sequence[SourceColumn], shown_columns: Sequence[SourceColumn]
) -> Types:
    """The types of the masks too."""
    of_masks = {column.type for column in shown_columns} - {column.type for column in columns}
    if not of_masks:
        return types
    return read_types(leader, {column.type for column in (*columns, *shown_columns)})


def _from(relation: Relation) -> sql.Composable:
    """The relation as FROM names it, without children that are added later: INHERIT does not wait for our locks."""
    return aliased(relation.identifier, only=relation.kind in "rf" and not relation.has_children)


def _locate_query(leader: Leader, source: Source, reads: QueryText) -> Located:
    query = describe_query(leader, reads, source.condition, dict(source.masks))
    types = read_types(leader, (type_ for _, type_, _ in query.described.columns))
    if any(type_ not in types for _, type_, _ in query.described.columns):
        raise Moved([source.title])
    columns = query_columns(query.described, types)
    shown_columns = tuple(
        query.masked.get(column.name, column)._replace(reference=_reference(query, column)) for column in columns
    )
    return Located(
        source.title,
        None,
        query.subquery,
        columns,
        exposed(shown_columns, source.columns),
        _with_types(leader, types, columns, shown_columns),
        rows=source.rows,
        given=reads if reads.casts else None,
        masked=bool(source.masks),
        query=query,
    )


def _reference(query: Query, column: SourceColumn) -> sql.Composable:
    """Behind the columns of the query stand the masks."""
    position = list(query.masked).index(column.name) if column.name in query.masked else None
    return column.reference if position is None else sql.SQL(f"q.m{position + 1}")


def hold(leader: Leader, found: Located) -> None:
    """Take the locks that LOCK did not take, so that no plan of this moment meets a relation that is not locked.

    EXPLAIN locks all that a statement reads. It names every column that a plan may choose: the planner leaves out
    partitions and joins that serve only columns which nobody asks for.

    Raises:
        Moved: The relation changed before it was locked.
        AccessDenied: The login may not read it.
        SpecError: The query locks rows.
    """
    relation = found.relation
    # A policy or condition may read other tables, and LOCK takes only the one that is named, and what is below it.
    if (
        relation is not None
        and relation.lockable
        and not relation.policies
        and not found.condition
        and not found.masked
    ):
        return
    columns = [column for column in found.exposed if column.readable] or list(found.exposed)
    judged = {term.column for term in found.rows}
    columns += [column for column in found.columns if column.name in judged and column not in columns]
    try:
        explained = explain_statement(leader, _reading(found, columns))
    except AccessDenied as error:
        raise denied(found, error) from None
    except StatementFailed as error:
        if relation is not None and error.sqlstate in (sqlstates.UNDEFINED_TABLE, sqlstates.UNDEFINED_COLUMN):
            raise Moved([found.title]) from None
        raise
    _check_domains(leader, found)
    if explained.locks_rows():
        raise SpecError("query", "must only read; FOR UPDATE and FOR SHARE lock rows")
    if relation is not None and not relation.lockable:
        see_same_types(leader, found)


def _check_domains(leader: Leader, found: Located) -> None:
    """A cast to a domain is judged when it is run, which takes the snapshot; by now EXPLAIN has taken it.

    Raises:
        SpecError: A value of a parameter is none of its domain.
    """
    if found.given is None:
        return
    for field, statement, type_ in value_statements(leader, found.given):
        try:
            # What it is does not matter, and Python has no room for some.
            leader.run(f"SELECT ({statement}) IS NULL")
        except StatementFailed as error:
            raise wrong_value(error, field, type_) from None


def denied(found: Located, error: AccessDenied) -> AccessDenied:
    """The server's refusal, with the columns that the login may read, if it may read some."""
    hint = error.hint
    readable = [column.name for column in found.columns if column.readable]
    if readable and len(readable) < len(found.columns):
        hint = f"this login may read only: {', '.join(readable)}"
    return AccessDenied(error.message, sqlstate=error.sqlstate, detail=error.detail, hint=hint)


def see_same_types(leader: Leader, found: Located) -> None:
    """Without LOCK the catalogue was read before the locks were taken; see that it was what is there now."""
    now = leader.describe(_reading(found, found.columns).as_string(leader.connection))
    # A description has the type under a domain (PostgreSQL's printtup.c, SendRowDescriptionMessage).
    read = [found.types.under(column.type, column.modifier) for column in found.columns]
    if [(type_, modifier) for _, type_, modifier in now.columns] != [(type_.oid, modifier) for type_, modifier in read]:
        raise Moved([found.title])


def _reading(found: Located, columns: Iterable[SourceColumn]) -> sql.Composable:
    filters = () if found.condition is None else (found.condition,)
    return Statement(tuple(column.reference for column in columns), found.from_, filters).select()
