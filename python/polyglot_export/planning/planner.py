"""From a moment and a spec to a plan. Nothing is read but the catalogue and the server's answers to EXPLAIN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyglot_export.errors import AccessDenied
from polyglot_export.limits import Limits
from polyglot_export.planning.choose import choose_columns
from polyglot_export.planning.columns import read_as, remarks
from polyglot_export.planning.geometry import conversions
from polyglot_export.planning.locate import Located, denied
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Plan, Resolved, Route
from polyglot_export.planning.row_bound import largest_row, stored_once
from polyglot_export.planning.segments import Cut, cut
from polyglot_export.planning.session import worker_session
from polyglot_export.planning.statement import Statement
from polyglot_export.postgres.explain import Explained, explain_statement
from polyglot_export.postgres.leader import Leader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg import sql

    from polyglot_export.planning.choose import Choice
    from polyglot_export.planning.partition import Partition
    from polyglot_export.planning.split.split import Split
    from polyglot_export.request.spec import ExportSpec

__all__ = ["plan"]


def plan(
    moment: Moment,
    spec: ExportSpec,
    limits: Limits,
    *,
    source: int = 0,
    session: tuple[str, ...] = (),
    partition: Partition | None = None,
) -> Plan:
    """Plan the export of one of the moment's sources.

    Args:
        moment: What is held.
        spec: What the caller wants. Its dataset or query is not looked up again: ``source`` says what is read.
        limits: The sizes granted; fewer workers than that are used where there is less to share.
        source: Which source of the moment is read.
        session: Further ``SET LOCAL`` statements of the workers, which win over those of every export.
        partition: By what the rows are laid into several files. Such a plan is for parts, and one worker reads each.

    Raises:
        SpecError: Something in the request is wrong; ``field`` names it.
        AccessDenied: The login may not read what was chosen.
        PolyglotError: What else the server says to the statement.
    """
    leader, found = moment.leader, moment.sources[source]
    chosen = choose_columns(found.exposed, spec, found.unnamed)
    if partition is not None and not partition.in_file:
        chosen = [choice for choice in chosen if choice.column is not partition.column]
    columns = read_as(chosen, found.types, spec, conversions(leader, chosen, found.types, spec))
    footer, of_footer = _geoparquet(found, chosen, spec)
    condition = () if found.condition is None else (found.condition,)
    filters = condition + _terms(leader, found, spec)
    order = _order(leader, found, spec)
    expressions = [column.expression for column in columns]
    stored = [choice.column for choice in chosen]
    if partition is not None:
        # In front, so that what follows it is the row of the file.
        expressions.insert(0, partition.expression)
        stored += [partition.column] if not partition.in_file else []
    statement = Statement(tuple(expressions), found.from_, filters, order, spec.limit)
    explained = _explain(leader, found, statement)
    storage = moment.storage(found.relation)
    read = {column.name for column in stored} | {term.column for term in (*found.rows, *spec.filter)}
    if condition:
        # It may read any of them; only the server knows which.
        read |= {column.name for column in found.columns}
    parts = _split(leader, found, statement, explained, spec, session)
    if parts is not None and parts.scans:
        segments = Cut(parts.scans, parts.notes, whole=True)
    else:
        segments = cut(
            leader,
            found,
            statement,
            explained,
            columns=read,
            format_=spec.format,
            storage=storage,
            locked=moment.locked,
        )
        segments = segments._replace(notes=segments.notes + (parts.notes if parts is not None else ()))
    targets = [choice.target for choice in chosen]
    manifest = {"source": found.title, "snapshot": moment.snapshot}
    encoder = spec.format.record.encoder_options(spec.options, targets, manifest)
    return Plan(
        connection=leader.parameters(),
        session=worker_session(moment, found, segments) + session,
        snapshot=moment.snapshot,
        server_version=leader.version,
        scans=segments.scans,
        columns=tuple(column.column for column in columns),
        encoder=encoder._replace(metadata=encoder.metadata + footer),
        compression=spec.compression.value if spec.compression is not None else None,
        compression_level=spec.compression.record.level if spec.compression is not None else 0,
        notes=segments.notes,
        remarks=remarks(columns, spec) + of_footer + (parts.remarks if parts is not None else ()),
        source=found.title,
        estimated_rows=_estimate(explained, spec.limit),
        largest_row=largest_row(leader, found.relation, stored, found.types, storage),
        stored_once=segments.below is None and stored_once(stored),
        watched=_watched(leader, found, statement, segments),
        resolved=_resolved(found, segments, spec),
        route=None if partition is None else Route(partition.column.name, partition.key, partition.in_file),
    ).resized(limits)


# Most exports have none of the following five, and start without what they need.


def _terms(leader: Leader, found: Located, spec: ExportSpec) -> tuple[sql.Composable, ...]:
    """What the rows must fulfil."""
    if not (found.rows or spec.filter):
        return ()
    from polyglot_export.planning.filters import filter_terms, row_terms

    return row_terms(leader, found) + filter_terms(leader, found, spec.filter)


def _order(leader: Leader, found: Located, spec: ExportSpec) -> tuple[sql.Composable, ...]:
    """How the rows are sorted."""
    if not spec.order_by:
        return ()
    from polyglot_export.planning.order import sort_keys

    return sort_keys(leader, found, spec.order_by)


def _split(
    leader: Leader,
    found: Located,
    statement: Statement,
    explained: Explained,
    spec: ExportSpec,
    session: tuple[str, ...],
) -> Split | None:
    """The parts by the values of a column, where some are asked for."""
    if spec.split_by is None and spec.split_values is None:
        return None
    from polyglot_export.planning.split.split import split

    return split(leader, found, statement, explained, spec, session)


def _geoparquet(
    found: Located, chosen: Sequence[Choice], spec: ExportSpec
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """What the footer says of geometries, and what is to be said of that."""
    if spec.options.geometry != "geoparquet":
        return (), ()
    from polyglot_export.planning.geoparquet import crs_remark, geo_columns, geo_metadata

    geometries = geo_columns(chosen, found.types)
    return geo_metadata(geometries), crs_remark(geometries)


def _resolved(found: Located, segments: Cut, spec: ExportSpec) -> Resolved | None:
    """One of several statements, where names in it may come to mean something else."""
    if len(segments.scans) == 1 and segments.scans[0].segments == 1:
        return None
    from polyglot_export.planning.meanwhile import resolved_anew

    return resolved_anew(found, segments, spec)


def _explain(leader: Leader, found: Located, statement: Statement) -> Explained:
    """Ask for the rights of everything that is read, and how the server would read it."""
    try:
        return explain_statement(leader, statement.select())
    except AccessDenied as error:
        raise denied(found, error) from None


def _estimate(explained: Explained, limit: int | None) -> int:
    return explained.rows if limit is None else min(explained.rows, limit)


def _watched(leader: Leader, found: Located, statement: Statement, segments: Cut) -> str | None:
    """The statement that a worker plans as a whole, where it may then read more than the moment holds."""
    if not (segments.whole and found.can_grow):
        return None
    return statement.select().as_string(leader.connection)
