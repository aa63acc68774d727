"""Makes a dump: claim the place, take the moment, write every part, write the manifest."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from polyglot_export import _core
from polyglot_export.cancel import CancelToken
from polyglot_export.dumps.cluster.held import Held
from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.moment import leader_of, opened
from polyglot_export.dumps.place import Before, holds, layout_of, look, of_generation, remove, see_place
from polyglot_export.dumps.relations import Relations, naming_relation
from polyglot_export.dumps.request import DumpRequest, DumpResult, OnDumpProgress
from polyglot_export.dumps.routed import write_ticket
from polyglot_export.dumps.schedule import OnStart, Schedule
from polyglot_export.dumps.tickets import PartResult, Ticket
from polyglot_export.errors import Cancelled, ConnectionLost, PolyglotError, SpecError, TargetFailed
from polyglot_export.execution.cause import cause_of
from polyglot_export.execution.engines.local import LocalEngine
from polyglot_export.execution.rate import RateLimit
from polyglot_export.manifest.document import Manifest, MissingRelation
from polyglot_export.manifest.moment import TOOL, options_of, origin_of
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Plan, Resolved

if TYPE_CHECKING:
    from polyglot_export.dumps.cluster.writer import ClusterWriter
    from polyglot_export.execution.engines.executor import ExecutorEngine

__all__ = ["dump_set"]

FATAL = (Cancelled, ConnectionLost, TargetFailed)
"""What no other relation would escape."""


def dump_set(
    request: DumpRequest,
    *,
    dsn: str | None = None,
    engine: ExecutorEngine | None = None,
    on_progress: OnDumpProgress | None = None,
    token: CancelToken | None = None,
) -> DumpResult:
    """Write many relations of one moment into a set of files.

    Memory:
        ``limits.DUMP_BYTES`` for all parts that are written at a time, and the manifest.

    Args:
        request: What to dump, and where to.
        dsn: URI or key=value string; ``None`` leaves it to libpq's environment variables and files.
        engine: Writes the parts elsewhere; ``None`` writes them in this process.
        on_progress: Called in this thread, about ten times a second.
        token: Ends the dump.

    Raises:
        SpecError: The request is wrong, or the place holds something already.
        PolyglotError: What else went wrong. No file of this dump is left, and what was there before is untouched.
    """
    if engine is not None and engine.send_dsn and dsn is None:
        raise SpecError("send_dsn", "there is no connection string to send: the environment names the database")
    if engine is not None and request.run.rate_limit is not None:
        raise SpecError(
            "rate_limit", "cannot be kept by several machines together: leave it out where there is an engine"
        )
    started = time.monotonic()
    token = token or CancelToken()
    layout = layout_of(request)
    place, claim = see_place(request, layout)
    with leader_of(request, dsn, token) as leader:
        # What is wrong with the request is known before anything is made.
        request, moment, chosen, relations = opened(leader, request, layout, place, engine)
        with claim:
            before = look(place, layout, layout.folders)
            claim.see_first(before.claims)
            before.see_writable(place, overwrite=request.overwrite)
            held = Held(place, layout.root, layout.manifest, claim, leader, dsn)
            dump = _Dump(request, held, layout, moment, relations, before, engine, token)
            with dump.taken_back_on_failure():
                manifest = dump.write(on_progress, chosen.unreadable)
                leader.close()
                claim.see_held()
                dump.publish(manifest)
            left = remove(place, before.parts)
    return DumpResult(request.manifest or place.url, manifest.with_digest(), time.monotonic() - started, left)


class _Dump:
    """One dump that runs."""

    def __init__(
        self,
        request: DumpRequest,
        held: Held,
        layout: Layout,
        moment: Moment,
        relations: Relations,
        before: Before,
        engine: ExecutorEngine | None,
        token: CancelToken,
    ) -> None:
        self._request = request
        self._held = held
        self._layout = layout
        self._place = held.place
        self._engine = engine
        self._moment = moment
        self._leader = moment.leader
        self._relations = relations
        self._before = before
        self._asking = threading.Lock()
        """Held by the thread that asks the leader something."""
        self._token = token
        self._written: set[str] = set()
        self._resolved: set[Resolved] = set()
        """Statements whose names must have meant the same all the time."""
        self._published = b""

    def write(self, on_progress: OnDumpProgress | None, unreadable: tuple[MissingRelation, ...]) -> Manifest:
        """Write every part; gives the manifest, which is not written yet.

        Raises:
            PolyglotError: It failed.
        """
        origin = origin_of(self._moment)
        self._run(on_progress)
        # The locks kept the rows where they are, so the leader must have been connected to the end.
        self._leader.prove_alive()
        if self._resolved:
            self._moment.see_same_meaning(self._resolved)
        failed = self._relations.failed
        return Manifest(
            tool=TOOL,
            complete=not failed,
            source=origin,
            options=replace(
                options_of(self._request.form),
                part_size=self._request.part_size,
                partition_by=dict(self._request.partition_by),
                keep_partition_column=self._request.keep_partition_column,
            ),
            relations=self._relations.entries(),
            missing=(*unreadable, *failed),
        )

    def publish(self, manifest: Manifest) -> None:
        """Write the manifest, with which the set is there."""
        self._published = manifest.to_json()
        path = self._before.manifest
        if self._before.complete:
            self._place.replace(path, self._published)
        elif not self._place.create(path, self._published) and not self._is_published():
            raise TargetFailed(f"another dump has written its manifest into {self._place.url}")

    @contextmanager
    def taken_back_on_failure(self) -> Iterator[None]:
        """Remove what was written if the block fails; not if it did so right after the manifest was written."""
        try:
            yield
        except BaseException as error:
            if self._is_published():
                raise
            left = remove(self._place, frozenset(self._written) | self._written_elsewhere())
            if left:
                error.add_note(f"{len(left):,} files could not be removed from {self._place.url}; they are no dump")
            raise

    def _written_elsewhere(self, relation: int | None = None) -> frozenset[str]:
        """Files of parts that make many, by machines that may have died before they told of them."""
        if self._engine is None:
            return frozenset()
        folders = self._relations.routed_folders(relation)
        return of_generation(self._place, self._layout, folders, self._before.generation)

    def _is_published(self) -> bool:
        return bool(self._published) and holds(self._place, self._before.manifest, self._published)

    def _run(self, on_progress: OnDumpProgress | None) -> None:
        sessions = _core.Sessions()
        local = LocalEngine(sessions)
        elsewhere = self._elsewhere()
        wanted = self._request.run.rate_limit
        rate = RateLimit(wanted) if wanted is not None else None

        def tend() -> None:
            self._tend()
            if on_progress is not None:
                on_progress(self._relations.progress(*schedule.progress()))

        def write(ticket: Ticket, token: CancelToken, on_start: OnStart) -> PartResult:
            return write_ticket(
                ticket,
                self._place,
                local,
                rate=rate,
                token=token,
                on_start=on_start,
                on_planned=self._see_nothing_new,
                on_file=self._written.add,
                count=self._relations.counted(ticket.relation) if ticket.plan.route is not None else None,
            )

        limits = self._request.run.limits()
        held = self._place.capabilities.memory_bytes

        def stop() -> None:
            schedule.cancel(lambda _: True)
            if elsewhere is not None:
                elsewhere.end()

        with (
            elsewhere or nullcontext(),
            Schedule(limits.workers, held, elsewhere or write, tend, here=elsewhere is None) as schedule,
        ):
            forget = self._token.on_cancel(stop)
            try:
                for ticket in self._tickets():
                    while not schedule.has_room(ticket):
                        self._settle(schedule)
                    if self._relations.wants(ticket):
                        if elsewhere is not None:
                            self._written.add(ticket.path)
                        schedule.start(ticket)
                while not schedule.idle:
                    self._settle(schedule)
            finally:
                forget()
                sessions.close()
                if elsewhere is not None:
                    elsewhere.end()
        if self._token.cancelled:
            raise Cancelled("the dump was cancelled")
        if on_progress is not None:
            on_progress(self._relations.progress(0, 0))

    def _elsewhere(self) -> ClusterWriter | None:
        if self._engine is None:
            return None
        from polyglot_export.dumps.cluster.writer import ClusterWriter

        return ClusterWriter(self._engine, self._held, token=self._token, on_planned=self._see_nothing_new)

    def _tickets(self) -> Iterator[Ticket]:
        """Every part; a relation is planned when its turn comes."""
        for index in self._relations.in_order():
            if self._token.cancelled:
                return
            with self._asking:
                tickets = self._planned(index)
            self._resolved |= {each.plan.resolved for each in tickets if each.plan.resolved is not None}
            yield from tickets

    def _planned(self, index: int) -> tuple[Ticket, ...]:
        if not self._request.keep_going:
            return self._relations.plan(index, self._before.generation)
        self._leader.run("SAVEPOINT relation")
        try:
            tickets = self._relations.plan(index, self._before.generation)
        except PolyglotError as error:
            if isinstance(error, FATAL):
                raise
            self._leader.run("ROLLBACK TO SAVEPOINT relation")
            self._relations.fail(index, error)
            return ()
        self._leader.run("RELEASE SAVEPOINT relation")
        return tickets

    def _settle(self, schedule: Schedule) -> None:
        """Wait until a part has ended, and note what became of it.

        Raises:
            PolyglotError: It failed, and so does the dump.
        """
        for ticket, outcome in schedule.ended():
            if isinstance(outcome, PolyglotError):
                self._failed(schedule, ticket, outcome)
            elif self._relations.has_failed(ticket.relation):
                remove(self._place, frozenset(each.path for each in outcome.entries))
            else:
                self._done(schedule, outcome)

    def _done(self, schedule: Schedule, result: PartResult) -> None:
        try:
            self._relations.done(result)
        except SpecError as error:
            self._failed(schedule, result.ticket, error)

    def _failed(self, schedule: Schedule, ticket: Ticket, error: PolyglotError) -> None:
        relation = ticket.relation
        if self._relations.has_failed(relation):
            return
        with self._asking:
            cause = cause_of(error, self._leader, self._token, self._relations.title(relation))
        if isinstance(cause, FATAL):
            raise cause from None
        cause = naming_relation(cause, self._relations.title(relation))
        if not self._request.keep_going:
            raise cause from None
        schedule.cancel(lambda ticket: ticket.relation == relation)
        remove(self._place, self._relations.fail(relation, cause) | self._written_elsewhere(relation))

    def _see_nothing_new(self, plan: Plan) -> None:
        """Called by the thread of a part."""
        if plan.watched is not None:
            with self._asking:
                self._moment.see_nothing_new(plan.watched, plan.source)

    def _tend(self) -> None:
        """See that the leader is there, unless somebody asks it something just now, who will notice."""
        if self._asking.acquire(blocking=False):
            try:
                self._leader.check()
            finally:
                self._asking.release()
