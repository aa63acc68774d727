"""The plan of an export, made inside the transaction that will hold its moment."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from psycopg import sql

from polyglot_export.errors import AccessDenied, PolyglotError, SourceChanged, SpecError, StatementFailed
from polyglot_export.formats.registry import Format
from polyglot_export.limits import Limits
from polyglot_export.planning import choose
from polyglot_export.planning.choose import unknown_column
from polyglot_export.planning.columns import Chosen, Reading
from polyglot_export.planning.filters import Filters, refused_value
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.row_bound import largest_row
from polyglot_export.planning.segments import Cut, cut
from polyglot_export.planning.statement import Statement, aliased
from polyglot_export.postgres.catalogue import columns as catalogue
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.relations import Relation, find_relation, read_relation
from polyglot_export.postgres.catalogue.types import Types, read_types
from polyglot_export.postgres.explain import Explained, explain_statement
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.moved import Moved
from polyglot_export.postgres.settings import TABLE_SETTINGS, session_settings, worker_settings
from polyglot_export.sources.base import QuerySource, TableSource
from polyglot_export.sources.query import describe_query

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["Planned", "make_plan"]

ATTEMPTS = 5
"""How often the moment is tried to be taken. Each failure needs someone to rewrite a relation in the milliseconds
between snapshot and lock, so more than two are hardly ever needed."""
EARLY_LOCK_LEAVES = 256
"""Leaves that every worker locks at once. The server's lock table has about 6,400 places by default
(``max_locks_per_transaction`` times connections), and leader and workers fill one a leaf each."""
PAUSE = 0.05
"""Seconds before the second attempt; twice that before the third, and so on."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what the leader needs to watch over it."""

    plan: Plan
    recheck: sql.Composable | None
    """A statement whose relations may have got new children: to be explained again once the workers have begun."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What is read, as the locked catalogue describes it."""

    relation: Relation | None
    from_: sql.Composable
    columns: tuple[SourceColumn, ...]
    types: Types
    title: str


def make_plan(
    leader: Leader, source: TableSource | QuerySource, spec: ExportSpec, limits: Limits, session: tuple[str, ...] = ()
) -> Planned:
    """Lock, take the snapshot, prove that nothing moved, and plan; the leader's transaction stays open.

    Args:
        leader: Connected, outside a transaction.
        source: What the exposure gave for the spec.
        spec: What the caller wants.
        limits: The sizes granted; fewer workers than that are used where there is less to share.
        session: Further ``SET LOCAL`` statements of the workers, which win over those of every export.

    Raises:
        SpecError: Something in the request is wrong; ``field`` names it.
        SourceChanged: A relation was rewritten again and again while its moment was being taken.
        AccessDenied: The login may not read it.
    """
    views = source.views if isinstance(source, TableSource) else True
    settings = session_settings(leader.connection, spec.options.time_zone, views=views is not False)
    moved: Moved | None = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * attempt)
        try:
            planned = _attempt(leader, source, spec, limits, settings)
        except Moved as error:
            moved = error
            leader.rollback()
        else:
            return replace(planned, plan=replace(planned.plan, session=(*planned.plan.session, *session)))
    raise SourceChanged(f"{moved} was rewritten or dropped each time its moment was being taken ({ATTEMPTS} attempts)")


def _attempt(
    leader: Leader, source: TableSource | QuerySource, spec: ExportSpec, limits: Limits, settings: tuple[str, ...]
) -> Planned:
    if isinstance(source, TableSource):
        relation = _look_up(leader, source)
        if relation.kind != "v":
            settings += TABLE_SETTINGS
        _begin_locked(leader, relation, settings)
        found = _relation_source(leader, relation, source)
    else:
        relation = None
        leader.begin(settings, None)
        found = _query_source(leader, source)
    chosen = _choose(found, source.columns, spec)
    statement, names = _statement(leader, found, source.columns, chosen, spec)
    explained = _explain(leader, found, statement)
    if relation is not None and not relation.lockable:
        _check_types(leader, found, chosen)
    moved = leader.moved()
    if moved:
        raise Moved(moved)
    parts = cut(leader, relation, statement, explained, columns=names, format_=spec.format)
    snapshot = leader.export_snapshot()
    plan = Plan(
        connection=leader.parameters(),
        session=(*settings, *worker_settings(leader.connection), *_early_lock(leader, relation, parts)),
        snapshot=snapshot,
        server_version=leader.version,
        scans=parts.scans,
        columns=tuple(each.column for each in chosen),
        encoder=spec.format.record.encoder_options(
            spec.options,
            [each.column.target for each in chosen],
            {"source": found.title, "snapshot": snapshot},
        ),
        compression=spec.compression.value if spec.compression is not None else None,
        compression_level=spec.compression.record.level if spec.compression is not None else 0,
        notes=parts.notes,
        source=found.title,
        estimated_rows=_estimate(explained, spec),
        largest_row=largest_row(
            leader, relation, (source for source, _ in _pairs(found, source.columns, spec)), found.types
        ),
    )
    return Planned(_limited(plan, limits), _recheck(leader, plan, statement))


def _look_up(leader: Leader, source: TableSource) -> Relation:
    """In a transaction of its own: a query in the export's transaction would take the snapshot before the lock."""
    leader.begin((), None)
    try:
        return find_relation(leader, source)
    finally:
        leader.rollback()


def _begin_locked(leader: Leader, relation: Relation, settings: tuple[str, ...]) -> None:
    """Open the transaction with the lock, and see that name, kind and rights are still those of the look-up."""
    try:
        leader.begin(settings, relation.identifier if relation.lockable else None)
    except StatementFailed as error:
        if error.sqlstate in ("42P01", "3F000", "42809", "XX000"):  # dropped or replaced since the look-up
            raise Moved([relation.title]) from None
        raise
    if read_relation(leader, relation.oid) != relation:
        raise Moved([relation.title])


def _relation_source(leader: Leader, relation: Relation, source: TableSource) -> _Source:
    columns = catalogue.relation_columns(leader, relation)
    types = read_types(leader, (column.type for column in columns))
    if any(column.type not in types for column in columns):
        raise Moved([relation.title])
    return _Source(relation, aliased(relation.identifier), columns, types, source.title or relation.title)


def _query_source(leader: Leader, source: QuerySource) -> _Source:
    query = describe_query(leader, source.query)
    types = read_types(leader, (type_ for _, type_, _ in query.described.columns))
    if any(type_ not in types for _, type_, _ in query.described.columns):
        raise Moved([source.title])
    return _Source(None, query.subquery, choose.query_columns(query.described, types), types, source.title)


def _choose(found: _Source, allowed: tuple[str, ...] | None, spec: ExportSpec) -> list[Chosen]:
    reading = Reading(found.types, spec.format, spec.options)
    return [reading.choose(column, target) for column, target in _pairs(found, allowed, spec)]


def _pairs(found: _Source, allowed: tuple[str, ...] | None, spec: ExportSpec) -> list[tuple[SourceColumn, str]]:
    """The columns that are exported, each with its target name."""
    return choose.choose_columns(choose.exposed(found.columns, allowed), spec.columns)


def _statement(
    leader: Leader, found: _Source, allowed: tuple[str, ...] | None, chosen: list[Chosen], spec: ExportSpec
) -> tuple[Statement, frozenset[str]]:
    """The whole statement, and the names of the columns that it reads."""
    usable = choose.named(choose.exposed(found.columns, allowed))
    filters = Filters(leader, usable, found.types)
    terms = tuple(filters.term(term, index) for index, term in enumerate(spec.filter))
    for index, term in enumerate(terms):
        # Alone first: the server's complaint then is about this term.
        _try(leader, Statement((), found.from_, (term,)), f"filter.{index}")
    order = _order(leader, found, usable, spec)
    for index, key in enumerate(order[: len(spec.order_by)]):
        _try(leader, Statement((), found.from_, order=(key,)), f"orderBy.{index}")
    names = {each.column.source for each in chosen} | {term.column for term in spec.filter}
    statement = Statement(tuple(each.expression for each in chosen), found.from_, terms, order, spec.limit)
    return statement, frozenset(names)


def _order(
    leader: Leader, found: _Source, usable: Mapping[str, SourceColumn], spec: ExportSpec
) -> tuple[sql.Composable, ...]:
    """The sort keys, with the primary key behind them so that equal rows come in the same order each time."""
    keys: list[sql.Composable] = []
    for index, term in enumerate(spec.order_by):
        column = usable.get(term.column)
        if column is None:
            raise unknown_column(term.column, usable, f"orderBy.{index}.column")
        keys.append(sql.SQL("{} DESC" if term.direction == "desc" else "{} ASC").format(column.reference))
    if keys and found.relation is not None:
        named = {term.column for term in spec.order_by}
        every = choose.named(found.columns)
        keys += [every[name].reference for name in catalogue.primary_key(leader, found.relation) if name not in named]
    return tuple(keys)


def _try(leader: Leader, statement: Statement, field: str) -> None:
    try:
        explain_statement(leader, statement.select())
    except PolyglotError as error:
        if error.sqlstate == "42P01":
            raise Moved([field]) from None
        raise refused_value(error, field) from None


def _explain(leader: Leader, found: _Source, statement: Statement) -> Explained:
    """Takes the locks that LOCK could not take, and asks for the rights of everything that is read."""
    try:
        explained = explain_statement(leader, statement.select())
    except AccessDenied as error:
        raise _denied(leader, found, error) from None
    except StatementFailed as error:
        if found.relation is not None and error.sqlstate in (
            "42P01",
            "42703",
        ):  # dropped, or its columns changed, just now
            raise Moved([found.title]) from None
        raise
    if explained.locks_rows():
        raise SpecError("query", "must only read; FOR UPDATE and FOR SHARE lock rows")
    return explained


def _denied(leader: Leader, found: _Source, error: AccessDenied) -> AccessDenied:
    """Say which columns the login may read, if it may read some."""
    leader.rollback()
    hint = error.hint
    if found.relation is not None:
        leader.begin((), None)
        columns = catalogue.readable_columns(leader, found.relation)
        if columns and len(columns) < len(found.columns):
            hint = f"this login may read only: {', '.join(columns)}"
    return AccessDenied(error.message, sqlstate=error.sqlstate, detail=error.detail, hint=hint)


def _check_types(leader: Leader, found: _Source, chosen: list[Chosen]) -> None:
    """Without LOCK the catalogue was read before the locks were taken; what is planned must be what is there now."""
    by_name = {column.name: column for column in found.columns}
    columns = [by_name[each.column.source] for each in chosen]
    references = sql.SQL(", ").join(column.reference for column in columns)
    now = leader.describe(sql.SQL("SELECT {} FROM {}").format(references, found.from_).as_string(leader.connection))
    # A description has the type under a domain (PostgreSQL's printtup.c, SendRowDescriptionMessage).
    planned = [found.types.under(column.type, column.modifier) for column in columns]
    if [(type_, modifier) for _, type_, modifier in now.columns] != [
        (type_.oid, modifier) for type_, modifier in planned
    ]:
        raise Moved([found.title])


def _estimate(explained: Explained, spec: ExportSpec) -> int:
    return explained.rows if spec.limit is None else min(explained.rows, spec.limit)


def _limited(plan: Plan, limits: Limits) -> Plan:
    """No more workers than there are segments: a small table takes one connection."""
    workers = max(1, min(limits.workers, plan.segments))
    row_bytes = min(limits.row_bytes, Format(plan.encoder.format).record.memory.row_bytes)
    return replace(plan, limits=replace(limits, workers=workers, row_bytes=row_bytes))


def _early_lock(leader: Leader, relation: Relation | None, parts: Cut) -> tuple[str, ...]:
    """Let each worker lock all leaves when it begins, not when it reaches them: see ``session.WORKER_SETTINGS``."""
    if relation is None or not relation.lockable or len(parts.scans) > EARLY_LOCK_LEAVES:
        return ()
    return (sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(relation.identifier).as_string(leader.connection),)


def _recheck(leader: Leader, plan: Plan, statement: Statement) -> sql.Composable | None:
    """A whole statement on a parent is planned again by the worker, and ATTACH does not wait for our locks."""
    if all(scan.pages is not None for scan in plan.scans):
        return None
    parents = leader.catalogue(
        sql.SQL(
            "SELECT EXISTS (SELECT FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation"
            " WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'"
            " AND (c.relkind = 'p' OR (c.relhassubclass AND c.relkind IN ('r', 'f'))))"
        )
    )
    return statement.select() if parents[0][0] else None
