"""The store that several replicas share: Redis, or Valkey, which speaks the same protocol.

Each call is one script (``redis_scripts.py``), so it happens whole or not at all. A change is optimistic: the job is
read, changed, and saved unless somebody else has changed it in the meantime.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from weakref import WeakValueDictionary

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from polyglot_export.errors import Busy, InternalError, SpecError
from polyglot_export.jobs.codec import NotAJob, decode_job, decode_run, encode_job, encode_run
from polyglot_export.jobs.job import EXPIRED_KEPT, Job, JobStatus, Run
from polyglot_export.jobs.messages import MESSAGES_LEASE
from polyglot_export.jobs.stores import redis_scripts as scripts
from polyglot_export.jobs.stores.base import MAX_WEIGHT, Lease, Pulse, StoreAway, check_weight, order_of, parse_cursor
from polyglot_export.jobs.stores.redis_ledger import RedisLedger
from polyglot_export.request.spec import ExportSpec

__all__ = ["LEASE_SECONDS", "RedisJobStore"]

LEASE_SECONDS = 8.0
"""How long a run is believed to be alive without a sign of its replica: time for many renewals to be missed, and short
enough that the end of a replica is known within 15 seconds."""
PAUSE = 0.25
"""Part of a lease for which one that has lapsed must stay as it is before it can be claimed."""
TIMEOUT = 1.0
"""Seconds for an answer or a connection: a call of Redis takes a millisecond, and a client waits for it."""
CALL_SECONDS = 2.5
"""Seconds for a call with everything in it: a connection from the pool, one more try, the answer."""
CONNECTIONS = 16
"""Connections of a replica, at most; each is needed for a millisecond."""
LARGE = 64 << 10
"""Characters of a job that takes more than a moment to read."""
READERS = 4
"""Jobs that are read at a time. A request may have a megabyte, and many times that while it is taken apart: a hundred
clients that ask for one at the same moment must wait for each other."""
ATTEMPTS = 50
"""Tries of an optimistic change; each failure means that someone else succeeded."""

_log = logging.getLogger(__name__)
_KEPT = int(EXPIRED_KEPT.total_seconds() * 1000)


class RedisJobStore:
    """Jobs in Redis. They survive a restart of the service, and one of Redis if that keeps its data.

    Memory: Here nothing but connections, and :data:`READERS` jobs while they are read. In Redis at most
        ``max_jobs`` jobs, whose requests have :data:`MAX_WEIGHT` together, each with at most ``MAX_RUNS`` runs
        of about 1 KB.
    """

    def __init__(self, url: str, prefix: str, max_jobs: int, lease: float = LEASE_SECONDS) -> None:
        """Set up; nothing is connected yet.

        Args:
            url: ``redis://``, ``rediss://`` or ``unix://``, as redis-py reads it; its query may set any option of a
                connection.
            prefix: Before every key.
            max_jobs: Jobs that are kept.
            lease: Seconds.

        Raises:
            SpecError: The URL is wrong.
        """
        retry = Retry(NoBackoff(), 1, (RedisConnectionError,))  # a pooled connection may have been closed by the server
        try:
            self._pool = BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=TIMEOUT,
                socket_timeout=TIMEOUT,
                socket_connect_timeout=TIMEOUT,
                retry=retry,
                decode_responses=True,
                client_name="polyglot-export",
            )
        except (ValueError, RedisError) as error:
            raise SpecError("POLYGLOT_REDIS_URL", f"{error}") from None
        self._url = url
        self._redis: Redis = Redis(connection_pool=self._pool)
        self._prefix = prefix
        self._max_jobs = max_jobs
        self._lease = int(lease * 1000)
        self.ledger = RedisLedger(self._redis, prefix, self._call)
        self._calls: set[asyncio.Future[Any]] = set()
        self._reading = asyncio.Semaphore(READERS)
        # A job's spec never changes: whoever reads it while somebody holds it gets the same one.
        self._specs: WeakValueDictionary[str, ExportSpec] = WeakValueDictionary()
        names = ("READ", "LOOK", "ADD", "SAVE", "REMOVE", "PAGE", "RENEW", "CLAIM", "COUNT", "MARK")
        self._scripts = {name: self._redis.register_script(getattr(scripts, name)) for name in names}

    async def add(self, job: Job) -> Job:
        """See the protocol."""
        check_weight(job)
        state = json.dumps(self._state(job, None))
        token = secrets.token_hex(8)
        known = await self._run("ADD", job.id, encode_job(job), token, state, _meta(job), self._max_jobs, MAX_WEIGHT)
        if known == job.id:
            return job
        if not known:
            raise Busy("all exports of this caller that are kept are running or wait for their turn; try again later")
        earlier = await self.get(known)
        if earlier is None:
            # Forgotten by our clock and not yet by the server's.
            await self.remove(known)
            return await self.add(job)
        return earlier

    async def get(self, job_id: str) -> Job | None:
        """See the protocol; runs in other replicas are shown as these have last told."""
        job, _ = await self._read(job_id)
        return job if job is not None and not job.forgotten() else None

    async def remembered(self, job_id: str) -> Job | None:
        """See the protocol."""
        job, _ = await self._read(job_id)
        return job

    async def look(self, known: Job, mark: str) -> tuple[Job | None, str]:
        """See the protocol: a job that nobody has changed is not read again."""
        found = await self._run("LOOK", known.id, mark)
        if not found:
            return None, ""
        doc, rev, progress = found
        job = await self._decoded(known.id, doc) if doc else known
        return (None, "") if job is None or job.forgotten() else (_with_progress(job, progress), rev)

    async def update(self, job_id: str, change: Callable[[Job], Job]) -> Job | None:
        """See the protocol."""
        token = secrets.token_hex(8)
        for _ in range(ATTEMPTS):
            job, rev = await self._read(job_id)
            if job is None or job.forgotten():
                return None
            changed = change(job)
            match await self._run(
                "SAVE", job_id, encode_job(changed), token, json.dumps(self._state(changed, job)), rev, _meta(changed)
            ):
                case "saved":
                    return changed
                case "gone":
                    return None
        raise StoreAway(f"export {job_id} was changed by others {ATTEMPTS} times in a row; try again")

    async def remove(self, job_id: str) -> None:
        """See the protocol."""
        await self._run("REMOVE", job_id)

    async def page(self, owner: str | None, *, limit: int, after: str | None = None) -> list[Job]:
        """See the protocol. Of the runs of a job only those that matter in a list are read: the latest, and all that
        are running.
        """
        return await self._page(_owner(owner), limit, after, all_owners=False)

    async def page_of_all(self, *, limit: int, after: str | None = None) -> list[Job]:
        """See the protocol."""
        return await self._page("", limit, after, all_owners=True)

    async def _page(self, owner: str, limit: int, after: str | None, *, all_owners: bool) -> list[Job]:
        bound = "+" if after is None else f"({_place(*parse_cursor(after))}"
        jobs: list[Job] = []
        for doc, progress in await self._run("PAGE", owner, bound, limit, int(all_owners)):
            try:
                jobs.append(_with_progress(decode_job(doc, brief=True), progress))
            except InternalError as error:
                _log.error("a job is left out of a list: %s", error)
        return [job for job in jobs if not job.forgotten()]

    async def check(self) -> None:
        """Raises StoreAway when Redis does not answer."""
        await self._call(self._redis.ping)

    async def counts(self) -> dict[str, int]:
        """See the protocol."""
        kept, idle, expired = await self._run("COUNT")
        return {"running": kept - idle, "idle": idle - expired, "expired": expired}

    async def close(self) -> None:
        """Close the connections, once the calls that are under way have ended."""
        if self._calls:
            await asyncio.wait(self._calls, timeout=CALL_SECONDS)
        await self._redis.aclose()
        await self._pool.aclose()

    async def renew(self, replica: str, leases: Sequence[Lease]) -> Pulse:
        """See the protocol."""
        arguments: list[object] = []
        for lease in leases:
            told = encode_run(lease.state) if lease.state is not None else ""
            arguments += [lease.job_id, lease.run, replica, told]
        lost, cancelled, mark = await self._run("RENEW", self._lease, *arguments)
        return Pulse(frozenset((job_id, int(number)) for job_id, number in lost), frozenset(cancelled), mark)

    async def claim(self, replica: str, limit: int) -> list[Lease]:
        """See the protocol."""
        claimed = await self._run("CLAIM", replica, self._lease, int(self._lease * PAUSE), limit)
        parts = [member.split("/") for member in claimed]
        return [Lease(job_id, int(run)) for job_id, run, _ in parts]

    async def release(self, replica: str, lease: Lease) -> None:
        """See the protocol."""
        member = f"{lease.job_id}/{lease.run}/{replica}"
        await self._call(lambda: self._redis.zrem(f"{self._prefix}leases", member))

    async def leave_mark(self, mark: str) -> str:
        """See the protocol."""
        return str(await self._run("MARK", mark))

    def twin(self) -> RedisJobStore:
        """See the protocol."""
        return RedisJobStore(self._url, self._prefix, self._max_jobs, self._lease / 1000)

    async def _read(self, job_id: str) -> tuple[Job | None, str]:
        async with self._reading:
            found = await self._run("READ", job_id)
            if not found:
                return None, ""
            doc, rev, progress = found
            job = await self._decoded(job_id, doc)
        return (None, "") if job is None else (_with_progress(job, progress), rev)

    async def _decoded(self, job_id: str, doc: str) -> Job | None:
        """The job of a document, read in a thread where that takes long; ``None`` where it is none.

        Raises:
            InternalError: A newer service wrote it.
        """
        try:
            job = decode_job(doc) if len(doc) < LARGE else await asyncio.to_thread(decode_job, doc)
            return replace(job, spec=self._specs.setdefault(job_id, job.spec))
        except NotAJob as error:
            _log.error("export %s is left out: %s", job_id, error)
            return None

    def _state(self, job: Job, before: Job | None) -> dict[str, Any]:
        """What the scripts must know of a job, and which leases begin and end with the change."""
        leases = _leases(job)
        known = _leases(before) if before is not None else set()
        return {
            "running": job.running,
            "awaited": job.awaited,
            "cancelled": job.status() is JobStatus.CANCELLED,
            "created": order_of(job)[0],
            "expires": _milliseconds(job.expires_at),
            "lease": self._lease,
            "leases": sorted(leases - known),
            "ended": sorted(known - leases),
        }

    async def _run(self, script: str, *arguments: Any) -> Any:
        return await self._call(lambda: self._scripts[script](keys=[self._prefix], args=[_KEPT, *arguments]))

    async def _call(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make a call in a task of its own: a caller that is cancelled then leaves at once, where redis-py 8.1 would
        now and then swallow the cancel, and the connection is not thrown away in the middle of an answer.
        """
        task = asyncio.ensure_future(call())
        self._calls.add(task)
        task.add_done_callback(self._called)
        await asyncio.wait({task}, timeout=CALL_SECONDS)
        if not task.done():
            task.cancel()
            raise StoreAway(f"Redis: no answer within {CALL_SECONDS:g} seconds")
        try:
            return task.result()
        except (RedisError, OSError) as error:
            raise StoreAway(f"Redis: {str(error) or type(error).__name__}") from error

    def _called(self, task: asyncio.Future[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            # Its caller may have left; asyncio complains about an exception that nobody asks for.
            task.exception()


def _meta(job: Job) -> str:
    """Where a job is in the indexes."""
    return json.dumps(
        {
            "owner": _owner(job.owner),
            "place": _place(*order_of(job)),
            "weight": job.weight,
            "key": _key_digest(job),
        }
    )


def _with_progress(job: Job, progress: Sequence[str]) -> Job:
    """Show runs that are under way as their replicas have last told."""
    told: dict[str, Run] = {}
    for number, text in zip(progress[::2], progress[1::2], strict=True):
        try:
            told[number] = decode_run(text)
        except InternalError as error:
            _log.error("the progress of export %s is left out: %s", job.id, error)
    if not told:
        return job
    return replace(job, runs=tuple(_as_told(run, told.get(str(run.number))) for run in job.runs))


def _as_told(run: Run, told: Run | None) -> Run:
    """Who runs it is told by the job alone: its lease depends on that."""
    return run if run.ended or told is None else replace(told, replica=run.replica)


def _leases(job: Job) -> set[str]:
    """Of the runs that are under way, of a job that waits in a replica for its first one, as run 0, and of messages
    that wait to be delivered.
    """
    leases = {f"{job.id}/{run.number}/{run.replica}" for run in job.runs if not run.ended and run.replica is not None}
    if job.taken_by is not None and job.latest is None and job.cancelled_at is None:
        leases.add(f"{job.id}/0/{job.taken_by}")
    senders = {message.replica for message in job.messages if message.pending and message.replica is not None}
    return leases | {f"{job.id}/{MESSAGES_LEASE}/{sender}" for sender in senders}


def _place(microseconds: int, job_id: str) -> str:
    """Sorts as text like the numbers in it."""
    return f"{microseconds:020d}-{job_id}"


def _owner(name: str | None) -> str:
    """Different for every name and for none."""
    return "" if name is None else f"/{name}"


def _key_digest(job: Job) -> str:
    """An owner's key, as a name of fixed length; empty where there is none."""
    if job.key is None:
        return ""
    return hashlib.sha256(json.dumps([job.owner, job.key.value]).encode()).hexdigest()


def _milliseconds(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp() * 1000)
