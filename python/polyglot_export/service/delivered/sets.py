"""Deliveries as a kind of export in the background: each becomes a set of files in a configured destination."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from polyglot_export.cancel import CancelToken
from polyglot_export.dumps.in_turn import Chosen, SetInTurn
from polyglot_export.errors import TargetFailed
from polyglot_export.execution.run import Progress
from polyglot_export.jobs.job import DeliveredSet, Job
from polyglot_export.limits import DELIVERY_BYTES, DELIVERY_FILES
from polyglot_export.planning.moment import Moment
from polyglot_export.service.admission.opening import Admitted, Opened
from polyglot_export.service.background.thread import in_thread
from polyglot_export.service.config.destinations import DestinationEntry, Destinations
from polyglot_export.service.delivered.asking import StoreThreads, refused
from polyglot_export.service.delivered.place import DeliveryPlace
from polyglot_export.service.replicas.active import ActiveRun

__all__ = ["DeliveredSets"]


class _Written(NamedTuple):
    sha256: str
    """Of the manifest."""
    files: int
    size: int
    rows: int


class DeliveredSets:
    """Makes the files of jobs with ``"delivery": "store"``
    (a :class:`~polyglot_export.service.background.kind.Kind`).

    Args:
        destinations_of: Where the owner of a job may have it delivered to now; raises Forbidden where its key is gone.
        threads: Ask the stores.
    """

    def __init__(self, destinations_of: Callable[[Job], Destinations], threads: StoreThreads) -> None:
        self._destinations_of = destinations_of
        self._threads = threads
        self._made: dict[tuple[str, int], _Delivery] = {}
        """What runs, by job and run."""

    async def check_room(self, job: Job) -> None:
        """See that the destination is there and can be written, as far as that can be known.

        Raises:
            SpecError: The owner may not use it, or not any more.
            TargetFailed: It cannot be written.
            Busy: Its store does not answer.
        """
        entry = self._entry(job)
        await self._threads.ask(job, entry, entry.opened().check)

    def held_bytes(self, job: Job) -> int:
        """What an upload holds, and the manifest."""
        return DELIVERY_BYTES + self._entry(job).opened().capabilities.memory_bytes

    async def make(self, active: ActiveRun, admitted: Admitted) -> DeliveredSet:
        """Write the files; see :class:`Kind`."""
        entry = self._entry(active.job)
        place = DeliveryPlace(entry.of_export(active.job.id), active.job, active.run.number)
        delivery = self._made[_key(active)] = _Delivery(active, admitted, place)
        try:
            written = await in_thread(delivery.write, "polyglot-delivery")
        except TargetFailed as error:
            raise refused(active.job, entry, error) from None
        return DeliveredSet(
            active.run.number,
            place.url,
            written.sha256,
            written.files,
            written.size,
            written.rows,
            active.present(),
            admitted.offered,
            admitted.rights,
            admitted.meanings,
        )

    async def take_back(self, active: ActiveRun) -> None:
        """Remove the files of a run."""
        delivery = self._made.get(_key(active))
        if delivery is not None:
            await asyncio.to_thread(delivery.take_back)

    def settled(self, active: ActiveRun) -> None:
        """The files are their job's, or gone."""
        self._made.pop(_key(active), None)

    async def forget(self, job: Job) -> None:
        """The files stay: they are not the service's but the destination's owner's."""

    def _entry(self, job: Job) -> DestinationEntry:
        return self._destinations_of(job).named(job.spec.destination)


class _Delivery:
    """One run, in the thread of the delivery."""

    def __init__(self, active: ActiveRun, admitted: Admitted, place: DeliveryPlace) -> None:
        self._active = active
        self._admitted = admitted
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._files: SetInTurn | None = None

    def write(self, token: CancelToken) -> _Written:
        """Write all files, and the manifest last.

        Raises:
            PolyglotError: It failed; :meth:`take_back` removes what was written.
        """
        self._place.remove_earlier()
        with self._opened(token) as opened:
            files = self._files = SetInTurn(
                opened.moment,
                self._chosen(opened),
                self._place.store,
                self._place.layout,
                generation=self._place.generation,
                most_files=DELIVERY_FILES,
                rate_limit=opened.rate_limit,
                token=token,
            )
            self._loop.call_soon_threadsafe(self._note, files, opened.moment)
            manifest = files.write()
        content = manifest.to_json()
        self._place.publish(content)
        done = files.progress()
        return _Written(hashlib.sha256(content).hexdigest(), files.files, done.bytes, done.rows)

    def take_back(self) -> None:
        """Remove what was written. Never raises."""
        self._place.take_back(self._files.written if self._files is not None else frozenset())

    @contextmanager
    def _opened(self, token: CancelToken) -> Iterator[Opened]:
        opened = self._admitted.open_all(token)
        with opened.moment:
            yield opened

    def _chosen(self, opened: Opened) -> list[Chosen]:
        job = self._active.job
        names = [choice.name for choice in job.spec.datasets or ()] or [job.file_stem]
        return [Chosen(*each) for each in zip(names, job.spec.each(), opened.plans, strict=True)]

    def _note(self, files: SetInTurn, moment: Moment) -> None:
        def progress() -> Progress:
            now = files.progress()
            self._active.bytes = now.bytes
            return now._replace(narrowed=moment.leader.narrowed)

        self._active.progress = progress
        self._active.snapshot = moment.snapshot


def _key(active: ActiveRun) -> tuple[str, int]:
    return active.job.id, active.run.number
