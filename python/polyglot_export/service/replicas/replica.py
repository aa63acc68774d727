"""This process among the others that share its store: it renews the leases of its runs, learns of cancels, and ends the
runs of replicas that were lost.

A lease that is not renewed lapses. Then one other replica claims it, so that exactly one deals with it, and declares
the run failed; what runs in the background is begun again. A replica that was only paused finds its run ended when
it wakes up, and cuts it off.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import secrets
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from polyglot_export.errors import InternalError
from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.messages import MESSAGES_LEASE
from polyglot_export.jobs.stores.base import Lease, SharedJobStore, StoreAway
from polyglot_export.service.errors import ReplicaLost
from polyglot_export.service.logs import event
from polyglot_export.service.replicas.lease_keeper import LeaseKeeper
from polyglot_export.service.replicas.reloads import FollowedReloads
from polyglot_export.service.replicas.runs import Runs

__all__ = ["Background", "Messenger", "Replica", "replica_name"]

BEAT_SECONDS = 0.5
"""Between two renewals, which also tell the progress and bring cancels."""
GAP_SECONDS = 3.0
"""A beat that comes so late means that this process or Redis stood still: what it believed about others is out of
date."""
CONTACT_SECONDS = 9.0
"""How long a replica must have been in contact without a gap before it declares others lost. This is more than a lease:
after Redis was away, everybody gets the time to renew theirs first."""
SWEEP_SECONDS = 1.0
"""Between two looks at lapsed leases, half of it more or less at random, so that replicas do not look at the same
time."""
CLAIMS = 100
"""Lapsed leases that are claimed at once."""

_log = logging.getLogger(__name__)


class Background(Protocol):
    """What runs without a client (:class:`polyglot_export.service.background.preparations.Preparations`)."""

    @property
    def held(self) -> frozenset[str]:
        """The ids of the jobs that it runs or has taken to run."""

    def submit(self, job: Job) -> None:
        """Run a job."""

    def cancel(self, job_id: str) -> None:
        """Stop waiting for a job's turn."""

    def may_begin(self, job: Job) -> bool:
        """Whether the job has attempts left."""

    def has_room(self, job: Job) -> bool:
        """Whether one more job may wait for its turn."""


class Messenger(Protocol):
    """What sends the messages of jobs (:class:`polyglot_export.service.webhooks.messenger.Messenger`)."""

    @property
    def held(self) -> frozenset[str]:
        """The ids of the jobs whose messages it sends."""

    async def take(self, job_id: str) -> bool:
        """Send the messages that a lost replica has left; whether the lease is still needed."""


def replica_name() -> str:
    """A name that no other process has or had."""
    return f"{socket.gethostname().replace('/', '-')}-{os.getpid()}-{secrets.token_hex(4)}"


class Replica:
    """The task of this process that keeps in touch with the store."""

    def __init__(
        self,
        store: SharedJobStore,
        runs: Runs,
        background: Background,
        messenger: Messenger,
        name: str,
        on_reload: Callable[[str], Coroutine[Any, Any, object]] | None = None,
    ) -> None:
        """Set up.

        Args:
            store: Shared with the other replicas.
            runs: What runs here.
            background: What runs jobs without a client here, and takes up those of others.
            messenger: What tells webhooks of the ends of runs, and takes up the messages of others.
            name: As in the runs (``Run.replica``).
            on_reload: Reads the configuration again; called with the digest of the file when another replica has done
                so.
        """
        self._store = store
        self._runs = runs
        self._background = background
        self._messenger = messenger
        self._name = name
        self._reloads = FollowedReloads(store, on_reload)
        self._claims: dict[tuple[str, int], Lease] = {}
        """Claimed leases of jobs that are begun here again."""
        self._contact: float | None = None
        """Since when there has been contact without a gap."""
        self._last = 0.0
        """When there was contact the last time."""
        self._reached: bool | None = None
        """Whether the log says that the store is reached; ``None`` before it says anything."""
        self._next_sweep = 0.0
        self._keeper = LeaseKeeper(store, name)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._keeper.start()
        self._task = asyncio.create_task(self._beat_for_ever())

    async def close(self) -> None:
        """End; leases that are left lapse."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._reloads.close()
        await self._keeper.close()

    def announce_reload(self, digest: str) -> None:
        """Let all other replicas read their configuration again.

        Args:
            digest: Of the file that this one has read.
        """
        self._reloads.announce(digest)

    async def _beat_for_ever(self) -> None:
        while True:
            try:
                await self._beat()
            except StoreAway as error:
                if self._reached is not False:
                    event(_log, logging.WARNING, "job store out of reach", reason=str(error))
                self._contact, self._reached = None, False
            except Exception as error:  # noqa: BLE001 - a defect in one beat must not let every lease lapse
                event(_log, logging.ERROR, "beat failed", error=error)
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        await self._renew()
        at = loop.time()
        if self._contact is None or at - self._last > GAP_SECONDS:
            self._contact = at
        self._last = at
        if not self._reached:
            event(_log, logging.INFO, "job store reached", replica=self._name)
        self._reached = True
        await self._runs.outcomes.flush()
        if at - self._contact >= CONTACT_SECONDS and at >= self._next_sweep:
            self._next_sweep = at + SWEEP_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
            for lease in await self._store.claim(self._name, CLAIMS):
                try:
                    await self._settle(lease)
                except InternalError as error:
                    # Written by a newer service, which will deal with it: this claim lapses like any lease.
                    event(_log, logging.WARNING, "lapsed lease left alone", exportId=lease.job_id, reason=str(error))

    async def _renew(self) -> None:
        held = self._background.held
        for lease in [lease for lease in self._claims.values() if lease.job_id not in held]:
            await self._store.release(self._name, lease)
            del self._claims[(lease.job_id, lease.run)]
        waiting = [Lease(job_id, 0) for job_id in held if not self._runs.runs_here(job_id)]
        messages = [Lease(job_id, MESSAGES_LEASE) for job_id in self._messenger.held]
        leases = [*self._runs.leases(), *waiting, *messages, *self._claims.values()]
        self._keeper.renewed(leases)
        pulse = await self._store.renew(self._name, leases)
        await self._reloads.follow(pulse.mark)
        for job_id, number in pulse.lost:
            self._runs.stop(
                job_id,
                number,
                ReplicaLost(
                    "this replica did not renew its lease in time, and another one has declared the export failed"
                ),
            )
        for job_id in pulse.cancelled:
            self._runs.cancel(job_id)
            self._background.cancel(job_id)

    async def _settle(self, lease: Lease) -> None:
        """Deal with what a lost replica was doing; the lease is ours until that is done."""
        if lease.run == MESSAGES_LEASE:
            if not await self._messenger.take(lease.job_id):
                await self._store.release(self._name, lease)
            return
        job = await self._store.update(lease.job_id, lambda job: self._judged(job, lease))
        run = job.run(lease.run) if job is not None else None
        if run is not None and run.lost:
            event(_log, logging.WARNING, "replica lost", exportId=lease.job_id, run=lease.run, replica=run.replica)
        if job is not None and _to_be_made(job, lease) and self._background.may_begin(job):
            if not self._background.has_room(job):
                # The claim lapses like any lease, and then it is another replica's turn, or ours again.
                return
            self._background.submit(job)
            self._claims[(lease.job_id, lease.run)] = lease
        else:
            await self._store.release(self._name, lease)

    def _judged(self, job: Job, lease: Lease) -> Job:
        """The job whose run was lost. A webhook is not told of what is begun again at once."""
        at = now()
        again = job.with_lost_run(lease.run, at, again=True)
        if _to_be_made(again, lease) and self._background.may_begin(again):
            return again
        return job.with_lost_run(lease.run, at)


def _to_be_made(job: Job, lease: Lease) -> bool:
    """Whether the lease was for something that is still wanted, and nobody has begun it since."""
    latest = job.latest
    if not job.spec.in_background or job.made is not None or job.cancelled_at is not None:
        return False
    return lease.run == 0 if latest is None else latest.number == lease.run and latest.lost
