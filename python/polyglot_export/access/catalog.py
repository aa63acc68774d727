"""What a caller may export: datasets with their columns, types and estimates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import pq, sql

from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.exposure import Exposure
from polyglot_export.access.parameters import Parameter
from polyglot_export.access.schema import ExposedTables
from polyglot_export.cancel import CancelToken
from polyglot_export.errors import PolyglotError, UnknownDataset
from polyglot_export.postgres.caller import CallerSettings, caller_settings
from polyglot_export.postgres.catalogue.columns import is_never_null, primary_keys, relation_columns
from polyglot_export.postgres.catalogue.relations import (
    KINDS,
    Relation,
    find_relation,
    found_oids,
    oid_array,
    privileged,
)
from polyglot_export.postgres.catalogue.types import read_types
from polyglot_export.postgres.errors import database_error
from polyglot_export.postgres.expression import masked
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.names import is_text, shown
from polyglot_export.postgres.query import describe_query
from polyglot_export.postgres.settings import NAME_SETTINGS
from polyglot_export.sources.base import QueryText, RelationName, Source

__all__ = ["Dataset", "DatasetColumn", "describe_dataset", "list_datasets"]

AS_THE_LOGIN = CallerSettings()
_RELATIONS = sql.SQL(
    "WITH closed AS MATERIALIZED (SELECT relation FROM pg_locks WHERE locktype = 'relation' AND mode = "
    "'AccessExclusiveLock'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),"
    " found AS MATERIALIZED (SELECT n.nspname, c.relname, c.relkind, c.oid,"
    " CASE WHEN c.reltuples >= 0 AND c.relkind <> 'v' AND (c.reltuples > 0 OR c.relpages > 0) THEN "
    "c.reltuples::bigint END AS rows,"
    " CASE WHEN c.relkind NOT IN ('r', 'm') THEN NULL"
    " WHEN c.oid IN (SELECT relation FROM closed) OR c.reltoastrelid IN (SELECT relation FROM closed)"
    " THEN nullif(c.relpages + coalesce(t.relpages, 0), 0) * current_setting('block_size')::bigint"
    " ELSE pg_table_size(c.oid) END AS bytes"
    " FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_class AS t ON t.oid = "
    "c.reltoastrelid"
    " WHERE {condition} AND c.relkind IN ({kinds}) AND NOT c.relispartition AND NOT pg_is_other_temp_schema(n.oid)"
    " AND has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT'))"
    " SELECT f.nspname, f.relname, f.relkind, a.attname, format_type(a.atttypid, a.atttypmod), NOT {filled}, "
    "f.rows, f.bytes, obj_description(f.oid, 'pg_class'), f.oid"
    " FROM found AS f JOIN pg_attribute AS a ON a.attrelid = f.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE has_column_privilege(f.oid, a.attnum, 'SELECT') ORDER BY f.nspname, f.relname, a.attnum"
)
"""Reads no table and waits for no lock. ``pg_table_size`` would wait for an ACCESS EXCLUSIVE lock, also behind one that
itself waits (for a running export, say), so it is not asked where ``pg_locks`` shows one."""


_USERS = sql.SQL("n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'")
_NO_EXTENSIONS = sql.SQL(
    "NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
    " AND d.deptype = 'e')"
)
"""An extension's own tables come with it (PostgreSQL manual, "Packaging Related Objects into an Extension")."""


@dataclass(frozen=True, slots=True)
class DatasetColumn:
    """A column that may be exported."""

    name: str
    type: str
    """As PostgreSQL prints it, with its modifier."""
    nullable: bool
    comment: str | None = None
    """Where details are asked for."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Something that may be exported."""

    name: str
    """What an export's ``dataset`` is set to."""
    kind: str
    """``table``, ``view``, ``materialized view``, ``partitioned table``, ``foreign table`` or ``query``."""
    columns: tuple[DatasetColumn, ...]
    estimated_rows: int | None
    """From the last ANALYZE; ``None`` where there is none, and where only some rows may be read."""
    estimated_bytes: int | None
    """Size of the heap with TOAST now, or at the last VACUUM or ANALYZE while someone holds or waits for the one lock
    that excludes readers; ``None`` for what is not stored."""
    comment: str | None = None
    """Of the database."""
    key: tuple[str, ...] = ()
    """The columns of the primary key that are offered, in its order; where details are asked for."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """Of a configured query, by name."""


def list_datasets(
    connection: psycopg.Connection,
    exposure: Exposure,
    caller: CallerSettings = AS_THE_LOGIN,
    *,
    schema: str | None = None,
    extensions: bool = True,
) -> list[Dataset]:
    """All that the exposure offers and the login may read.

    Args:
        connection: In autocommit mode.
        exposure: What may be read. A configured dataset that does not exist (any more) is left out.
        caller: The role and the settings under which is looked.
        schema: Where everything is offered, only what is in this schema.
        extensions: Where everything is offered, what belongs to an extension too.

    Raises:
        PolyglotError: The database refused a query.
    """
    with _reading(connection, caller) as leader:
        if isinstance(exposure, ConfiguredDatasets):
            plain = _plain_tables(leader, exposure)
            every = [plain.get(name) or _configured(leader, exposure, name) for name in exposure.datasets]
            found = [each for each in every if each is not None]
        elif isinstance(exposure, ExposedTables):
            views = not privileged(leader) if exposure.views is None else exposure.views
            kinds = [kind for kind in KINDS if kind != "v" or views]
            found = _relations(leader, _in_schema(exposure.schema), kinds, bare=True)
        else:
            terms: list[sql.Composable] = [_USERS if schema is None else _in_schema(schema)]
            if not extensions:
                terms.append(_NO_EXTENSIONS)
            found = _relations(leader, sql.SQL(" AND ").join(terms), list(KINDS), bare=False)
    return [replace(_without_sizes(each, caller), parameters=exposure.parameters_of(each.name)) for each in found]


def describe_dataset(
    connection: psycopg.Connection,
    exposure: Exposure,
    name: str,
    caller: CallerSettings = AS_THE_LOGIN,
    *,
    details: bool = False,
    source: Source | None = None,
) -> Dataset:
    """One dataset.

    Args:
        connection: In autocommit mode.
        exposure: What may be read.
        name: Of the dataset.
        caller: The role and the settings under which is looked.
        details: Ask for comments and the primary key too.
        source: What is read for it, where a request has said more than its name.

    Raises:
        UnknownDataset: There is none of that name, or it is not exposed.
        PolyglotError: The database refused a query.
    """
    source = exposure.resolve(name) if source is None else source
    with _reading(connection, caller) as leader:
        found = _without_sizes(_describe(leader, source, name, details=details), caller)
    return replace(found, parameters=exposure.parameters_of(name))


def _without_sizes(dataset: Dataset, caller: CallerSettings) -> Dataset:
    """For a role, or with settings, policies may leave rows out, of which the sizes would tell."""
    return dataset if caller == AS_THE_LOGIN else replace(dataset, estimated_rows=None, estimated_bytes=None)


@contextmanager
def _reading(connection: psycopg.Connection, caller: CallerSettings) -> Iterator[Leader]:
    """A read-only transaction that is rolled back."""
    try:
        leader = Leader(connection, CancelToken())
        leader.begin((*NAME_SETTINGS, *caller_settings(connection, caller)), None)
        try:
            yield leader
        finally:
            if connection.info.transaction_status != pq.TransactionStatus.UNKNOWN:
                leader.rollback()
    except psycopg.Error as error:
        raise database_error(error) from None


def _plain_tables(leader: Leader, exposure: ConfiguredDatasets) -> dict[str, Dataset]:
    """Tables and views without masks, looked up together: one by one, two thousand of them take seconds. What is not
    found here has to be looked at by itself.
    """
    sources = {name: source for name in exposure.datasets if (source := _plain_table(exposure, name)) is not None}
    names = [source.reads for source in sources.values() if isinstance(source.reads, RelationName)]
    leader.run("SAVEPOINT datasets")
    try:
        oids = found_oids(leader, names)
    except PolyglotError:
        if leader.connection.closed:
            raise
        oids = []
    finally:
        if not leader.connection.closed:
            leader.run("ROLLBACK TO SAVEPOINT datasets")
    known = {oid for oid in oids if oid is not None}
    condition = sql.SQL("c.oid = ANY ({}::oid[])").format(oid_array(sorted(known)))
    found = _relations_by_oid(leader, condition, list(KINDS), bare=False)
    return {
        name: _as_read(found[oid], source, name)
        for (name, source), oid in zip(sources.items(), oids, strict=False)
        if oid in found
    }


def _plain_table(exposure: ConfiguredDatasets, name: str) -> Source | None:
    try:
        source = exposure.resolve(name)
    except PolyglotError:
        return None
    # Whether a login may see a view is for the way by which one is described.
    is_plain = isinstance(source.reads, RelationName) and source.reads.views is True and not source.masks
    return source if is_plain else None


def _as_read(relation: Dataset, source: Source, name: str) -> Dataset:
    """A relation as a dataset offers it, before its masks."""
    one = replace(relation, name=name, columns=_allowed(relation.columns, source.columns))
    if source.rows or source.condition or source.masks:
        # They would tell of rows and values that are not for this caller.
        return replace(one, estimated_rows=None, estimated_bytes=None)
    return one


def _configured(leader: Leader, exposure: ConfiguredDatasets, name: str) -> Dataset | None:
    leader.run("SAVEPOINT dataset")
    try:
        return _describe(leader, exposure.resolve(name), name)
    except PolyglotError:
        if leader.connection.closed:
            raise
        return None
    finally:
        if not leader.connection.closed:
            leader.run("ROLLBACK TO SAVEPOINT dataset")


def _in_schema(schema: str) -> sql.Composable:
    return sql.SQL("n.nspname = {}").format(sql.Literal(schema))


def _describe(leader: Leader, source: Source, name: str, *, details: bool = False) -> Dataset:
    reads = source.reads
    if isinstance(reads, QueryText):
        described = describe_query(leader, reads).described
        types = read_types(leader, (type_ for _, type_, _ in described.columns))
        columns = tuple(DatasetColumn(column, types[type_].display, True) for column, type_, _ in described.columns)
        if source.masks:
            of_masks = describe_query(leader, reads, None, dict(source.masks)).masked
            columns = tuple(
                replace(each, type=of_masks[each.name].display) if each.name in of_masks else each for each in columns
            )
        return Dataset(name, "query", _allowed(columns, source.columns), None, None)
    relation = find_relation(leader, reads, source.title)
    found = _relations(leader, sql.SQL("c.oid = {}").format(sql.Literal(relation.oid)), list(KINDS), bare=False)
    if not found:
        raise UnknownDataset("dataset", f"there is no table or view {name!r} that this login can see")
    one = _as_read(found[0], source, name)
    if source.masks:
        one = replace(one, columns=_as_masked(leader, one.columns, relation, source))
    return _detailed(leader, relation.oid, one) if details else one


def _as_masked(
    leader: Leader, columns: tuple[DatasetColumn, ...], relation: Relation, source: Source
) -> tuple[DatasetColumn, ...]:
    """The columns with the types of their masks; any expression may be NULL."""
    every = relation_columns(leader, [relation.oid])[relation.oid]
    from_ = sql.SQL("{} AS r").format(relation.identifier)
    of_masks = {each.name: each for each in masked(leader, every, dict(source.masks), from_, source.title)}
    names = dict(source.masks)
    return tuple(
        replace(each, type=shown(of_masks[each.name].display), nullable=True) if each.name in names else each
        for each in columns
    )


def _detailed(leader: Leader, oid: int, dataset: Dataset) -> Dataset:
    """The same with its comments and its key."""
    rows = leader.catalogue(
        sql.SQL(
            "SELECT a.attname, d.description FROM pg_description AS d LEFT JOIN pg_attribute AS a"
            " ON a.attrelid = d.objoid AND a.attnum = d.objsubid AND d.objsubid > 0"
            " WHERE d.classoid = 'pg_class'::regclass AND d.objoid = {}"
        ).format(sql.Literal(oid))
    )
    comments = {column: shown(comment) for column, comment in rows}
    names = {column.name for column in dataset.columns}
    return replace(
        dataset,
        columns=tuple(replace(column, comment=comments.get(column.name)) for column in dataset.columns),
        comment=comments.get(None),
        key=tuple(name for name in primary_keys(leader, [oid])[oid] if name in names),
    )


def _allowed(columns: tuple[DatasetColumn, ...], allowed: tuple[str, ...] | None) -> tuple[DatasetColumn, ...]:
    if allowed is None:
        return columns
    by_name = {column.name: column for column in columns}
    return tuple(by_name[name] for name in allowed if name in by_name)


def _relations(leader: Leader, condition: sql.Composable, kinds: Sequence[str], *, bare: bool) -> list[Dataset]:
    """Relations with the columns that the login may read. The leaves of a partitioned table are not listed beside
    it.
    """
    return list(_relations_by_oid(leader, condition, kinds, bare=bare).values())


def _relations_by_oid(
    leader: Leader, condition: sql.Composable, kinds: Sequence[str], *, bare: bool
) -> dict[int, Dataset]:
    rows = leader.catalogue(
        _RELATIONS.format(
            condition=condition,
            kinds=sql.SQL(", ").join(sql.Literal(kind) for kind in kinds),
            filled=is_never_null(leader.version),
        )
    )
    # What nobody can ask for by its name is not offered.
    askable = [row for row in rows if all(map(is_text, (row[0], row[1], row[3])))]
    return {group[0][-1]: _dataset(group, bare=bare) for group in _grouped(askable)}


def _grouped(rows: list[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    group: list[tuple[Any, ...]] = []
    for row in rows:
        if group and group[-1][-1] != row[-1]:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def _dataset(rows: list[tuple[Any, ...]], *, bare: bool) -> Dataset:
    schema, name, kind, *_, estimated_rows, estimated_bytes, comment, _ = rows[0]
    columns = tuple(DatasetColumn(row[3], shown(row[4]), row[5]) for row in rows)
    title = name if bare else f"{schema}.{name}"
    shown_comment = shown(comment) if comment is not None else None
    return Dataset(title, KINDS[kind], columns, estimated_rows, estimated_bytes, shown_comment)
