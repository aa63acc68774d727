"""How an export of the service begins: plan it, ask the budget, wait where there is no room, start it.

Only a plan says what an export needs, and a plan needs a connection. So an export first waits for its turn with the
little that planning takes, and then takes the sizes that fit what is free and how many others there are. Where there is
no room, its connection is closed, so that no snapshot and no lock waits, and it is first in the queue for what it
needs; then it is planned anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from polyglot_export.access.exposure import Exposure
from polyglot_export.access.rights import Rights
from polyglot_export.admission.budget import Fixed, MemoryBudget, Reservation, Share
from polyglot_export.admission.sizes import Needs, planning_share
from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Busy, Cancelled, SpecError
from polyglot_export.execution.export import Export, start
from polyglot_export.execution.opening import open_moment
from polyglot_export.execution.run import RunSettings
from polyglot_export.fields import within
from polyglot_export.jobs.stores.ledger import MemoryLedger
from polyglot_export.limits import DELIVERY_COLUMNS
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.planner import plan
from polyglot_export.planning.reservation import Shape
from polyglot_export.service.admission.hiding import callers_rights_hidden
from polyglot_export.service.quotas.places import Places
from polyglot_export.service.quotas.refused import Refusals
from polyglot_export.text.sizes import counted

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["Admission", "Admitted", "ExportTerms", "Opened"]

ATTEMPTS = 3
"""How often an export is planned anew because its source has grown while it waited."""


@dataclass(frozen=True, slots=True)
class ExportTerms:
    """What the service grants every export."""

    dsn: str | None
    workers: int
    """The most that one export has."""
    row_bytes: int
    """The largest row."""
    rate_limit: float | None = None
    """Bytes a second that one export is read at most."""
    statement_timeout: float | None = None
    """Seconds that the database may work on one statement."""
    lock_timeout: float | None = None
    """Seconds that an export waits for a lock."""


class Admission:
    """Lets exports in, one after the other."""

    def __init__(self, budget: MemoryBudget, terms: ExportTerms, places: Places | None = None) -> None:
        """Set up.

        Args:
            budget: Memory and connections.
            terms: For all exports.
            places: Counts the exports of callers that may run only so many; ``None`` where there are none of those.
        """
        self._budget = budget
        self._terms = terms
        self._places = places if places is not None else Places(MemoryLedger(), Refusals())

    async def admit(
        self,
        spec: ExportSpec,
        exposure: Exposure,
        export_id: str,
        seconds: float | None,
        caller: str | None = None,
        *,
        rights: Rights | None = None,
        weight: int = 0,
        held: int = 0,
    ) -> Admitted:
        """Wait for a turn.

        Args:
            spec: What is exported.
            exposure: What may be read.
            export_id: Shown in ``pg_stat_activity``.
            seconds: To wait at most, now and again once the plan is known; ``None`` waits as long as it takes.
            caller: Whose share it is taken from.
            rights: Of the caller, for the role and the settings with which is read.
            weight: Of the request (``Job.weight``).
            held: Bytes that its destination holds.

        Raises:
            Busy: The time is over.
            TooManyRequests: It may wait only so long, and the caller has as many exports or connections as it may have.
        """
        rights = rights or Rights()
        place = await self._places.take(caller, rights.limits.exports, wait=seconds is None)
        try:
            reservation = await self._reserve(planning_share(weight, held), seconds, caller, rights.limits.connections)
        except BaseException:
            self._places.leave(place)
            raise
        return Admitted(
            self._budget,
            self._terms,
            reservation,
            spec,
            exposure,
            export_id=export_id,
            seconds=seconds,
            rights=rights,
            weight=weight,
            held=held,
            leave=lambda: self._places.leave(place),
        )

    async def _reserve(self, share: Share, seconds: float | None, caller: str | None, most: int | None) -> Reservation:
        try:
            return await self._budget.reserve(Fixed(share), seconds, caller, most_workers=most)
        except Busy:
            if most is None or self._budget.workers_of(caller) < most:
                raise
            raise self._places.refusals.of(
                "connections",
                f"exports may read with {counted(most, 'connection')} at a time, and none became free in {seconds:g} "
                "seconds",
            ) from None


@dataclass(frozen=True, slots=True)
class Opened:
    """Plans of one moment, for which there is room when they are read one after the other."""

    moment: Moment
    """To be closed."""
    plans: tuple[Plan, ...]
    """One for each dataset, in their order."""
    rate_limit: float | None
    """Bytes a second that may be read."""


class Admitted:
    """An export whose turn has come: it may be planned, and holds what that takes until it is released."""

    def __init__(
        self,
        budget: MemoryBudget,
        terms: ExportTerms,
        reservation: Reservation,
        spec: ExportSpec,
        exposure: Exposure,
        *,
        export_id: str,
        seconds: float | None,
        rights: Rights,
        weight: int,
        held: int,
        leave: Callable[[], None],
    ) -> None:
        """Use :meth:`Admission.admit`."""
        self._leave = leave
        self._most_workers = min(terms.workers, rights.limits.connections or terms.workers)
        self._budget = budget
        self._terms = terms
        self._rights = rights
        self._reservation = reservation
        self._spec = spec
        self._exposure = exposure
        self._seconds = seconds
        self._weight = weight
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()
        self._run = RunSettings(
            workers=terms.workers,
            row_bytes=terms.row_bytes,
            rate_limit=terms.rate_limit,
            statement_timeout=terms.statement_timeout,
            lock_timeout=terms.lock_timeout,
            # PostgreSQL keeps 63 bytes of it.
            application_name=f"polyglot {export_id}",
            role=rights.role,
            settings=rights.settings,
            guarded=True,
        )

    @property
    def rights(self) -> Rights:
        """With which is read."""
        return self._rights

    @property
    def offered(self) -> tuple[tuple[str, ...] | None, ...]:
        """For each dataset, the columns that may be exported; ``None`` for all that there are."""
        return tuple(self._exposure.source_of(each).columns for each in self._spec.each())

    @property
    def meanings(self) -> tuple[str, ...]:
        """For each dataset, a digest of what it stands for."""
        return tuple(map(self._exposure.meaning_of, self._spec.each()))

    def open(self, token: CancelToken) -> Export:
        """Plan and start the export of one dataset, in the thread that will pull it.

        Args:
            token: A cancel of it ends the opening too, also while it waits.

        Raises:
            Busy: There is no room for it, or not in time.
            PolyglotError: It cannot be planned.
        """
        opened = self.open_all(token)
        with ExitStack() as unless_started:
            unless_started.enter_context(opened.moment)
            (planned,) = opened.plans
            export = self._start(planned, opened.moment, token)
            unless_started.pop_all()
        return export

    def open_all(self, token: CancelToken) -> Opened:
        """Plan every dataset, all in one moment. Arguments and errors are those of :meth:`open`."""
        for _ in range(ATTEMPTS):
            with ExitStack() as unless_fitting:
                moment = unless_fitting.enter_context(self._moment(token))
                plans = self._plans(moment)
                needs = self._needs(plans)
                sized = self._budget.resize(self._reservation, needs)
                if sized is not None:
                    unless_fitting.pop_all()
                    resized = tuple(planned.resized(sized.limits) for planned in plans)
                    return Opened(moment, resized, self._terms.rate_limit)
            self._wait_for(needs, token)
        raise Busy("the table grew again and again while the export waited for memory; try again later")

    def release(self) -> None:
        """Give back what the export holds, in the event loop's thread, once its connections and buffers are gone."""
        self._reservation.release()
        self._leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _moment(self, token: CancelToken) -> Moment:
        with callers_rights_hidden():
            dsn = self._rights.dsn(self._terms.dsn)
            moment = open_moment(self._spec, dsn=dsn, exposure=self._exposure, run=self._run, token=token)
        moment.leader.narrowed = self._rights.narrowing
        moment.leader.hides_values = any(
            source.masks or source.condition for source in map(self._exposure.source_of, self._spec.each())
        )
        return moment

    def _plans(self, moment: Moment) -> tuple[Plan, ...]:
        limits, session = self._run.limits(), self._run.session()
        plans: list[Plan] = []
        columns = 0
        for source, spec in enumerate(self._spec.each()):
            with within(f"datasets.{source}") if self._spec.datasets is not None else nullcontext():
                plans.append(plan(moment, spec, limits, source=source, session=session))
                columns += len(plans[-1].columns)
                if columns > DELIVERY_COLUMNS:
                    raise SpecError(None, f"all datasets together may have {DELIVERY_COLUMNS:,} columns; export fewer")
        return tuple(plans)

    def _needs(self, plans: tuple[Plan, ...]) -> Needs:
        return Needs(
            [(Shape.of(planned), planned.segments) for planned in plans],
            workers=self._most_workers,
            row_bytes=min(planned.limits.row_bytes for planned in plans),
            capacity=self._budget.most,
            weight=self._weight,
            held=self._held,
        )

    def _start(self, planned: Plan, moment: Moment, token: CancelToken) -> Export:
        rate = self._terms.rate_limit
        return start(planned, moment, spec=self._spec, token=token, started=self._began, rate_limit=rate)

    def _wait_for(self, needs: Needs, token: CancelToken) -> None:
        """Wait in the thread that opens the export; the event loop gives the turn."""
        waiting = asyncio.run_coroutine_threadsafe(
            self._budget.exchange(self._reservation, needs, self._seconds), self._loop
        )

        def leave() -> None:
            waiting.cancel()

        forget = token.on_cancel(leave)
        try:
            waiting.result()
        except CancelledError:
            raise Cancelled("the export was cancelled") from None
        finally:
            forget()
