"""Takes the moment of a dump: all of its relations locked in one order, before the one snapshot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.store import Store
from polyglot_export.dumps.cluster.held import part_workers
from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.partitions import with_partitions
from polyglot_export.dumps.relations import Relations
from polyglot_export.dumps.request import DumpRequest
from polyglot_export.dumps.selection import Chosen, Selection, select
from polyglot_export.errors import SpecError
from polyglot_export.planning.moment import Moment, Wanted
from polyglot_export.postgres.leader import Leader
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

if TYPE_CHECKING:
    from polyglot_export.execution.engines.executor import ExecutorEngine

__all__ = ["Opened", "leader_of", "opened"]


def leader_of(request: DumpRequest, dsn: str | None, token: CancelToken | None) -> Leader:
    """Connect the leader of a dump.

    Raises:
        ConnectionFailed: The database cannot be reached or refused the login.
        Cancelled: By the token.
    """
    name = request.run.application_name or f"polyglot dump {os.urandom(4).hex()}"
    return Leader.open(dsn, application_name=name, token=token)


def _take_moment(leader: Leader, request: DumpRequest) -> tuple[Moment, Chosen]:
    """Lock what a dump is of and take its snapshot. A table that was made or dropped between its look-up and the
    snapshot is found by looking again within the snapshot.

    Args:
        leader: Connected, outside a transaction. The moment holds it.
        request: What is asked for.

    Returns:
        The moment, whose sources are those relations and then the queries; and what the selection means in it.

    Raises:
        SpecError: The selection is empty, or a pattern or query is wrong.
        PolyglotError: As :meth:`polyglot_export.planning.moment.Moment.open`.
    """
    found = _Found(request.selection)
    moment = Moment.of(
        leader,
        found.choose,
        time_zone=request.form.options.time_zone,
        lock_timeout=request.run.lock_timeout,
        again=found.choose,
        caller=request.run.caller(),
    )
    return moment, found.chosen


class Opened(NamedTuple):
    """A dump whose moment is taken; nothing is written yet."""

    request: DumpRequest
    """With all of its names as relations of the moment."""
    moment: Moment
    chosen: Chosen
    relations: Relations


def opened(leader: Leader, request: DumpRequest, layout: Layout, place: Store, engine: ExecutorEngine | None) -> Opened:
    """Take the moment of a dump and see what its request means in it.

    Args:
        leader: Connected, outside a transaction. The moment holds it.
        request: What is asked for.
        layout: How its files are called; gets the folders of the relations.
        place: Where they go.
        engine: Writes them elsewhere.

    Raises:
        SpecError: The selection is empty, a pattern or query is wrong, or a name means no relation or no column.
        PolyglotError: As :meth:`polyglot_export.planning.moment.Moment.open`.
    """
    moment, chosen = _take_moment(leader, request)
    request = with_partitions(request, moment)
    relations = Relations(
        request,
        layout,
        moment,
        chosen,
        part_workers=part_workers(engine),
        upload_bytes=place.capabilities.memory_bytes,
    )
    return Opened(request, moment, chosen, relations)


class _Found:
    """What a selection meant when it was last looked up."""

    def __init__(self, selection: Selection) -> None:
        self.chosen = Chosen((), ())
        self._selection = selection

    def choose(self, leader: Leader) -> list[Wanted]:
        """Look it up."""
        self.chosen = select(leader, self._selection)
        queries = self._selection.queries
        if not self.chosen.relations and not queries:
            raise SpecError(None, "there is nothing to dump: no table that this login may read is selected")
        tables = [each.relation for each in self.chosen.relations]
        return [
            *(Wanted(TableSource(each.name, each.schema), each) for each in tables),
            *(Wanted(QuerySource(query, title=name), None) for name, query in queries.items()),
        ]
