"""Writes the files of several plans of one moment, one file after the other by all workers, and their manifest.

A dump (``run.py``) reads small tables side by side and plans each when its turn comes. Here everything is planned, and
the sizes of the plans say how much memory the whole set has.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from polyglot_export import _core
from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.store import Store
from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.relations import naming_relation
from polyglot_export.dumps.tickets import PartResult, Ticket, write_part
from polyglot_export.errors import Cancelled, PolyglotError, SpecError
from polyglot_export.execution.cause import cause_of
from polyglot_export.execution.engines.base import StreamProgress
from polyglot_export.execution.engines.local import LocalEngine
from polyglot_export.execution.rate import RateLimit
from polyglot_export.execution.run import Progress
from polyglot_export.fields import write_record
from polyglot_export.manifest.document import Manifest, PartEntry, RelationEntry
from polyglot_export.manifest.moment import TOOL, constraints_of, options_of, origin_of, relation_of
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.parts import parts_of
from polyglot_export.planning.plan import Plan
from polyglot_export.request.spec import ExportSpec
from polyglot_export.text.exact_json import dumps

__all__ = ["Chosen", "SetInTurn"]

POLL_SECONDS = 0.1
"""How often the thread that waits looks after the leader."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One of the plans, with what it is called in the set."""

    name: str
    """Of the dataset: of its folder, and in the manifest."""
    spec: ExportSpec
    plan: Plan


class SetInTurn:
    """One set of files. One thread writes it; any other one may ask for its progress.

    Memory:
        Of the plan that needs most (``planning.reservation``), and the manifest.

    Args:
        moment: In which all plans were made; it stays open.
        chosen: What is read: the source of each plan has its number in the moment.
        place: Where the files go.
        layout: How they are called.
        generation: Of their names (:meth:`Layout.part`).
        most_files: Of all datasets together.
        rate_limit: Bytes a second that may be read.
        token: Ends it.

    Raises:
        SpecError: There would be more files than that.
    """

    def __init__(
        self,
        moment: Moment,
        chosen: Sequence[Chosen],
        place: Store,
        layout: Layout,
        *,
        generation: int,
        most_files: int,
        rate_limit: float | None,
        token: CancelToken,
    ) -> None:
        self._moment = moment
        self._chosen = chosen
        self._place = place
        self._token = token
        self._rate = RateLimit(rate_limit) if rate_limit is not None else None
        self._folders = [layout.folder(None, each.name) for each in chosen]
        self._tickets = [*self._cut(layout, generation, most_files)]
        self._segments = sum(ticket.plan.segments for ticket in self._tickets)
        self._results: list[PartResult] = []
        self._begun: set[str] = set()
        self._running: Callable[[], StreamProgress] | None = None
        self._asking = threading.Lock()
        """Held by the thread that asks the leader something."""

    @property
    def files(self) -> int:
        """How many there will be, without the manifest."""
        return len(self._tickets)

    def write(self) -> Manifest:
        """Write every file; gives the manifest, which is not written yet.

        Raises:
            PolyglotError: It failed; :attr:`written` is what is to be removed.
        """
        leader = self._moment.leader
        described = self._described()
        sessions = _core.Sessions()
        engine = LocalEngine(sessions)
        try:
            for ticket in self._tickets:
                if self._token.cancelled:
                    raise Cancelled("the export was cancelled")
                self._begun.add(ticket.path)
                self._results.append(self._write(ticket, engine))
            # The locks kept the rows where they are, so the leader must have been connected to the end.
            leader.prove_alive()
            resolved = {each.plan.resolved for each in self._chosen if each.plan.resolved is not None}
            if resolved:
                self._moment.see_same_meaning(resolved)
        finally:
            sessions.close()
        return replace(
            described,
            relations=tuple(self._with_results(index, each) for index, each in enumerate(described.relations)),
        )

    @property
    def written(self) -> frozenset[str]:
        """The paths of all files that were begun: those that are in their place, and one that may be."""
        return frozenset(self._begun)

    def progress(self) -> Progress:
        """How far the set is; never blocks."""
        done = list(self._results)
        asked = self._running
        now = asked() if asked is not None else None
        rows = sum(each.rows for each in _entries(done)) + (now.rows if now is not None else 0)
        size = sum(each.bytes for each in _entries(done)) + (now.bytes if now is not None else 0)
        segments = sum(each.ticket.plan.segments for each in done) + (now.segments_done if now is not None else 0)
        return Progress(
            rows=rows,
            bytes=size,
            segments_done=min(segments, self._segments),
            segments_total=self._segments,
            estimated_rows=sum(each.plan.estimated_rows or 0 for each in self._chosen),
            losses=self._losses(done),
            finished=len(done) == len(self._tickets),
        )

    def _cut(self, layout: Layout, generation: int, most_files: int) -> Iterator[Ticket]:
        count = 0
        for index, each in enumerate(self._chosen):
            for number, part in enumerate(parts_of(each.plan, each.spec.part_size, most_files)):
                count += 1
                if count > most_files:
                    raise SpecError("partSize", f"would make more than {most_files:,} files; give a larger one")
                path = layout.part(self._folders[index], number, generation)
                yield Ticket(index, number, path, part.plan, part.first_segment, part.last_segment)

    def _write(self, ticket: Ticket, engine: LocalEngine) -> PartResult:
        """Write one file in another thread, so that this one notices when the leader is lost, however long the server
        says nothing to the others.
        """
        token = CancelToken()
        forget = self._token.on_cancel(token.cancel)
        try:
            with ThreadPoolExecutor(1, "polyglot-part") as thread:
                writing = thread.submit(self._part, ticket, engine, token)
                try:
                    while not wait([writing], POLL_SECONDS).done:
                        self._see_leader()
                except BaseException:
                    token.cancel()
                    raise
            return writing.result()
        except PolyglotError as error:
            title = self._chosen[ticket.relation].name
            cause = cause_of(error, self._moment.leader, self._token, title)
            raise (naming_relation(cause, title) if len(self._chosen) > 1 else cause) from None
        finally:
            forget()
            self._running = None

    def _part(self, ticket: Ticket, engine: LocalEngine, token: CancelToken) -> PartResult:
        return write_part(
            ticket,
            self._place,
            engine,
            rate=self._rate,
            token=token,
            on_start=self._note,
            on_planned=self._see_nothing_new,
        )

    def _see_leader(self) -> None:
        """Look after the leader, unless the other thread asks it something just now, which will notice."""
        if self._asking.acquire(blocking=False):
            try:
                self._moment.leader.check()
            finally:
                self._asking.release()

    def _note(self, progress: Callable[[], StreamProgress]) -> None:
        self._running = progress

    def _see_nothing_new(self, plan: Plan) -> None:
        if plan.watched is not None:
            with self._asking:
                self._moment.see_nothing_new(plan.watched, plan.source)

    def _described(self) -> Manifest:
        first = self._chosen[0].spec
        constraints = constraints_of(self._moment)
        return Manifest(
            tool=TOOL,
            complete=True,
            source=origin_of(self._moment),
            options=replace(options_of(first), filter=(), limit=None, part_size=first.part_size),
            relations=tuple(
                replace(
                    relation_of(self._moment, each.plan, each.spec, constraints, source=index),
                    dataset=each.name,
                    folder=self._folders[index],
                    filter=tuple(dumps(write_record(term)) for term in each.spec.filter) or None,
                    limit=each.spec.limit,
                )
                for index, each in enumerate(self._chosen)
            ),
        )

    def _with_results(self, index: int, entry: RelationEntry) -> RelationEntry:
        results = [each for each in self._results if each.ticket.relation == index]
        parts = tuple(_entries(results))
        return replace(
            entry,
            rows=sum(each.rows for each in parts),
            losses=dict(sum((Counter(each.losses) for each in results), Counter[str]())),
            parts=parts,
        )

    def _losses(self, results: Sequence[PartResult]) -> Mapping[str, int]:
        """By column; where there are several datasets, with the name of theirs before it."""
        losses: Counter[str] = Counter()
        for each in results:
            prefix = f"{self._chosen[each.ticket.relation].name}." if len(self._chosen) > 1 else ""
            losses.update({f"{prefix}{column}": count for column, count in each.losses.items()})
        return losses


def _entries(results: Sequence[PartResult]) -> Iterator[PartEntry]:
    return (entry for result in results for entry in result.entries)
