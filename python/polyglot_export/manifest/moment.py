"""What a manifest says of a moment and of a relation, asked of the server while the moment is held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from psycopg import sql

from polyglot_export import _core
from polyglot_export.errors import StatementFailed
from polyglot_export.fields import write_record
from polyglot_export.manifest.document import (
    ColumnEntry,
    Origin,
    RelationEntry,
    RelationKind,
    SegmentFingerprint,
    Tool,
    WriteOptions,
)
from polyglot_export.planning.fingerprint import Fingerprint, fingerprints
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Plan
from polyglot_export.postgres.catalogue.columns import never_null, primary_keys
from polyglot_export.postgres.catalogue.relations import KINDS
from polyglot_export.postgres.leader import Leader
from polyglot_export.request.spec import ExportSpec
from polyglot_export.text.exact_json import dumps

__all__ = [
    "QUERY",
    "TOOL",
    "Constraints",
    "constraints_of",
    "options_of",
    "origin_of",
    "relation_of",
    "system_identifier_of",
]

TOOL = Tool(name="polyglot-export", version=_core.version)
QUERY = "query"
"""The name of a query that has none."""

_KNOWN = sql.SQL(
    "SELECT current_setting('server_version'), current_database(),"
    " to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"+00:00\"')"
)
_SYSTEM = sql.SQL("SELECT system_identifier::text FROM pg_control_system()")
_LSN = sql.SQL(
    "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text"
)


def origin_of(moment: Moment) -> Origin:
    """The moment as a manifest tells it; to be asked as soon as it is taken.

    Raises:
        PolyglotError: The server does not answer.
    """
    leader = moment.leader
    [(version, database, taken_at)] = leader.catalogue(_KNOWN)
    return Origin(
        server_version=version,
        database=database,
        system_identifier=system_identifier_of(leader),
        snapshot=moment.snapshot,
        lsn=_if_allowed(leader, _LSN),
        taken_at=taken_at,
    )


def options_of(spec: ExportSpec) -> WriteOptions:
    """What files of a spec were asked to be."""
    return WriteOptions(
        format=spec.format,
        compression=spec.compression,
        format_options=write_record(spec.options),
        filter=tuple(dumps(write_record(term)) for term in spec.filter),
        limit=spec.limit,
    )


class Constraints(NamedTuple):
    """What a table's constraints say of its columns."""

    primary_key: tuple[str, ...] = ()
    never_null: frozenset[str] = frozenset()


def constraints_of(moment: Moment) -> dict[int, Constraints]:
    """The constraints of the moment's tables, by OID. Of what a view or query gives the server does not know, and those
    of a foreign table are what somebody claims of another server's.

    Raises:
        PolyglotError: The server does not answer.
    """
    relations = (found.relation for found in moment.sources)
    tables = [relation.oid for relation in relations if relation is not None and relation.kind in "rp"]
    if not tables:
        return {}
    keys = primary_keys(moment.leader, tables)
    filled = never_null(moment.leader, tables)
    return {oid: Constraints(tuple(keys[oid]), filled[oid]) for oid in tables}


def relation_of(
    moment: Moment,
    plan: Plan,
    spec: ExportSpec,
    constraints: Mapping[int, Constraints],
    *,
    source: int = 0,
    with_fingerprints: bool = False,
) -> RelationEntry:
    """What a plan of the moment reads, without the files that are not written yet.

    Args:
        moment: What is held.
        plan: How it is read.
        spec: What was asked for.
        constraints: What :func:`constraints_of` has found in the moment.
        source: Which source of the moment it is.
        with_fingerprints: Ask the server for the fingerprints of its segments, which reads all of its pages.

    Raises:
        PolyglotError: The server does not answer.
    """
    found = moment.sources[source]
    relation = found.relation
    known = constraints.get(relation.oid, Constraints()) if relation is not None else Constraints()
    typed = spec.format.record.columnar
    prints = fingerprints(moment.leader, plan) if with_fingerprints else None
    columns = tuple(
        ColumnEntry(
            name=column.target,
            type=column.sql_type,
            nullable=column.source not in known.never_null,
            file_type=column.parquet if typed else None,
        )
        for column in plan.columns
    )
    if relation is None:
        return RelationEntry(name=QUERY, kind="query", columns=columns, rows=0)
    targets = {column.source: column.target for column in plan.columns}
    key = [targets.get(name) for name in known.primary_key]
    return RelationEntry(
        schema=relation.schema,
        name=relation.name,
        kind=cast("RelationKind", KINDS[relation.kind]),
        sql_where=None if found.condition is None else found.condition.as_string(moment.leader.connection),
        columns=columns,
        # A part of a key identifies nothing.
        primary_key=tuple(name for name in key if name is not None) if None not in key else (),
        rows=0,
        fingerprints=_entries(prints),
    )


def _entries(prints: Sequence[Fingerprint] | None) -> tuple[SegmentFingerprint, ...] | None:
    if prints is None:
        return None
    return tuple(
        SegmentFingerprint(
            segment=number,
            relation=each.relation,
            first_page=each.first_page,
            end_page=each.end_page,
            count=each.rows,
            sum=each.sum,
        )
        for number, each in enumerate(prints)
    )


def system_identifier_of(leader: Leader) -> str | None:
    """Which server it is; to be asked in a transaction. ``None`` where the login may not know."""
    return _if_allowed(leader, _SYSTEM)


def _if_allowed(leader: Leader, query: sql.Composable) -> str | None:
    """What a function says that not every login may call, and that not every service has."""
    leader.run("SAVEPOINT asked")
    try:
        [(value,)] = leader.catalogue(query)
    except StatementFailed:
        leader.run("ROLLBACK TO SAVEPOINT asked")
        return None
    leader.run("RELEASE SAVEPOINT asked")
    return None if value is None else str(value)
