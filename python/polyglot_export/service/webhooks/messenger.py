"""Tells webhooks of the ends of runs: a few messages at a time, again and again until they are delivered or given up.

    run ends ──► message in the job (pending) ──► attempt ──► delivered
                              ▲                      │
                              └── after a while ◄────┴──► failed: 410, no retry left, the right to it lost

What is to be sent is in the store (:mod:`polyglot_export.jobs.messages`); here are only the ids of the jobs that have
something. With a shared store this replica has a lease for each of them, so that another one takes over what it leaves.
A message may be delivered twice, when the process ends between the answer and the note of it, and then with the same
id.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from polyglot_export.errors import PolyglotError
from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.messages import Message, MessageStatus
from polyglot_export.jobs.stores.base import JobStore, StoreAway
from polyglot_export.service.background.turns import Turns
from polyglot_export.service.logs import about, event
from polyglot_export.service.webhooks.body import message_body
from polyglot_export.service.webhooks.configured import Webhook
from polyglot_export.service.webhooks.post import Result, post
from polyglot_export.service.webhooks.signature import signed_headers

__all__ = ["MAX_JOBS", "Messenger", "WebhookOf"]

AT_ONCE = 4
"""Attempts at a time; each holds a body and a connection. One of them is left to the other webhooks, and to the other
callers of the same one, so that nobody waits for a receiver that says nothing but those who named it."""
MAX_JOBS = 500
"""Jobs whose messages wait in a replica, of about four kilobytes each; where there are several callers one may have
half of them. A message beyond it counts as failed."""
LONGEST_PAUSE = 3600.0
"""Seconds that a receiver may ask for (``Retry-After``) beyond the delay that is configured."""
JITTER = (0.8, 1.2)
"""Part of a delay that is waited: receivers that were away are not asked by all at the same moment."""
STORE_SECONDS = 1.0
"""Before another call of a store that was away."""
DRAIN_SECONDS = 5.0
"""How long the end of the service waits for first attempts and for those that are under way."""

WebhookOf = Callable[[Job], Webhook]
"""The webhook of a job, whose owner may use it now; raises where that is not so."""
R = TypeVar("R")

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Held:
    """A job whose messages are sent here: no more than what is needed to ask for the rest."""

    id: str
    owner: str | None
    webhook: str | None
    task: asyncio.Task[None] | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is another message, or the service ends."""


class Messenger:
    """The messages that this process sends. All methods belong to the event loop's thread."""

    def __init__(
        self, store: JobStore, webhook_of: WebhookOf, callers: Callable[[], int], replica: str | None = None
    ) -> None:
        """Set up.

        Args:
            store: Where the jobs and their messages are.
            webhook_of: What the owner of a job may use now, asked before each attempt.
            callers: How many callers there are.
            replica: The name of this process where it shares the store with others.
        """
        self._store = store
        self._webhook_of = webhook_of
        self._callers = callers
        self._replica = replica
        # There may always be another webhook, so that one place is always left.
        self._turns = Turns(AT_ONCE, lambda: 2)
        self._held: dict[str, _Held] = {}
        self._owners: Counter[str | None] = Counter()
        """How many of the jobs each caller has."""
        self._refusals: set[asyncio.Task[None]] = set()
        self._ending = False
        self.settled = dict.fromkeys(("delivered", "failed"), 0)
        """Messages that are done with, by what became of them."""
        self.attempts = dict.fromkeys((each.value for each in Result), 0)
        """Attempts, by their result."""

    @property
    def held(self) -> frozenset[str]:
        """The ids of the jobs whose messages are sent here."""
        return frozenset(self._held)

    def told(self, job: Job) -> None:
        """Send what a job has that was just stored."""
        newest = job.messages[-1] if job.messages else None
        if newest is not None and newest.status is MessageStatus.FAILED and not newest.attempts:
            # There were too many when it was made; every other failure is noted where it happens.
            self._failed(newest, newest.error, exportId=job.id, webhook=job.spec.webhook)
        pending = job.pending_messages(self._replica)
        if not pending:
            return
        if (held := self._held.get(job.id)) is not None:
            held.news.set()
        elif self._has_room(job.owner):
            self._hold(job)
        else:
            task = asyncio.create_task(self._refuse(job.id, job.spec.webhook, pending))
            self._refusals.add(task)
            task.add_done_callback(self._refusals.discard)

    async def take(self, job_id: str) -> bool:
        """Send what a replica has left that was lost.

        Returns:
            Whether the lease is still needed: there is something to send, here or, where there is no room, by whoever
            claims it next.
        """
        replica = self._replica
        if replica is None or self._ending:
            return True
        job = await self._store.update(job_id, lambda job: job.with_messages_taken(replica))
        if job is None or not job.pending_messages(replica):
            return False
        if job.id not in self._held and self._has_room(job.owner):
            event(_log, logging.INFO, "webhook messages of a lost replica taken", exportId=job.id)
            self._hold(job)
        return True

    async def close(self) -> None:
        """Make the first attempts that were not made yet, end those that are under way, and leave the rest: to other
        replicas, or for ever where nobody shares the store.
        """
        self._ending = True
        for held in self._held.values():
            held.news.set()
        tasks = {*self._refusals, *(held.task for held in self._held.values() if held.task is not None)}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def _has_room(self, owner: str | None) -> bool:
        """As for exports that wait (``Preparations.has_room``): one owner may have as many as are left for others."""
        free, own = MAX_JOBS - len(self._held), self._owners[owner]
        return free > 0 and (own == 0 or own < free or self._callers() == 1)

    def _hold(self, job: Job) -> None:
        held = self._held[job.id] = _Held(job.id, job.owner, job.spec.webhook)
        self._owners[job.owner] += 1
        held.task = asyncio.create_task(self._keep_sending(held))

    async def _refuse(self, job_id: str, webhook: str | None, pending: tuple[Message, ...]) -> None:
        about(exportId=job_id, webhook=webhook)
        reason = "too many messages wait for their receivers already"
        for message in pending:
            refused = replace(message, status=MessageStatus.FAILED, error=reason)
            try:
                await self._store.update(job_id, lambda job, refused=refused: job.with_message(refused))  # type: ignore[misc]  # bound now
            except StoreAway:
                # Nobody holds it, so that its lease lapses and whoever has room takes it.
                return
            self._failed(message, reason)

    async def _keep_sending(self, held: _Held) -> None:
        about(exportId=held.id, key=held.owner, webhook=held.webhook)
        try:
            await self._send_all(held)
        except asyncio.CancelledError:
            self._left(None)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the next job has its turn, and its lease lapses
            event(_log, logging.ERROR, "webhook messages not sent", error=error)
        finally:
            # In the same step as the last look at the store: whoever is told of more afterwards begins anew.
            del self._held[held.id]
            self._owners[held.owner] -= 1
            if not self._owners[held.owner]:
                del self._owners[held.owner]

    async def _send_all(self, held: _Held) -> None:
        """Send until the job has nothing left, or the service ends and all that is left has been tried."""
        while True:
            held.news.clear()
            job = await self._insist(lambda: self._store.get(held.id))
            if job is None:
                self._failed(None, "the export is not known any more")
                return
            next_message = _first(job.pending_messages(self._replica))
            # A job may be large, and a pause long.
            del job
            if next_message is None:
                if held.news.is_set():
                    continue
                return
            pause = (next_message.due_at - now()).total_seconds()
            if pause <= 0:
                async with self._turns.of(f"{held.owner}/{held.webhook}"):
                    await self._send_next(held)
            elif self._ending:
                self._left(next_message)
                return
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await held.news.wait()

    def _left(self, message: Message | None) -> None:
        """What is left to other replicas is not lost; where there are none, it is."""
        if self._replica is None:
            self._failed(message, "the service has ended")
        else:
            event(_log, logging.INFO, "webhook messages left to other replicas")

    async def _send_next(self, held: _Held) -> None:
        """Make an attempt with the message that is due first."""
        job = await self._insist(lambda: self._store.get(held.id))
        message = _first(job.pending_messages(self._replica)) if job is not None else None
        if job is None or message is None:
            return
        try:
            # As late as this, since a reload may have taken the right away.
            webhook = self._webhook_of(job)
        except PolyglotError as error:
            await self._settle(job.id, message, error.message)
            return
        body = message_body(job, message)
        if body is None:
            await self._settle(job.id, message, "the run is not listed any more")
            return
        del job
        started = time.monotonic()
        attempt = await post(webhook, signed_headers(webhook.keys, message.id, int(time.time()), body), body)
        self.attempts[attempt.result.value] += 1
        tried = replace(message, attempts=message.attempts + 1)
        if attempt.result is Result.DELIVERED:
            self.settled["delivered"] += 1
            _tell(logging.INFO, "webhook delivered", tried, seconds=time.monotonic() - started)
            await self._note(held.id, replace(tried, status=MessageStatus.DELIVERED, error=None))
        elif attempt.result is Result.GONE or tried.attempts > len(webhook.retry_delays):
            await self._settle(held.id, tried, attempt.reason)
        else:
            delay = _delay(webhook.retry_delays[message.attempts], attempt.retry_after)
            _tell(logging.WARNING, "webhook attempt failed", tried, reason=attempt.reason, retryIn=delay)
            await self._note(held.id, replace(tried, due_at=now() + timedelta(seconds=delay), error=attempt.reason))

    async def _settle(self, job_id: str, message: Message, reason: str | None) -> None:
        """Give a message up, and say so in the numbers, the log and the job."""
        self._failed(message, reason)
        await self._note(job_id, replace(message, status=MessageStatus.FAILED, error=reason))

    def _failed(self, message: Message | None, reason: str | None, **fields: object) -> None:
        self.settled["failed"] += 1
        _tell(logging.WARNING, "webhook message not delivered", message, reason=reason, **fields)

    async def _note(self, job_id: str, message: Message) -> None:
        """Store what became of a message. While the store is away the message is ours, and nobody else sends it."""
        await self._insist(lambda: self._store.update(job_id, lambda job: job.with_message(message)))

    async def _insist(self, call: Callable[[], Awaitable[R]]) -> R:
        """Call the store until it answers."""
        while True:
            try:
                return await call()
            except StoreAway:
                await asyncio.sleep(STORE_SECONDS)


def _first(messages: tuple[Message, ...]) -> Message | None:
    """The one that is due first."""
    return min(messages, key=lambda message: message.due_at, default=None)


def _delay(configured: float, asked: float | None) -> float:
    """Seconds to the next attempt."""
    jitter = random.uniform(*JITTER)  # noqa: S311 - no secret
    return max(configured * jitter, min(asked or 0.0, LONGEST_PAUSE))


def _tell(level: int, what: str, message: Message | None, **fields: object) -> None:
    """A line about a message; which job it is of is known to the task."""
    told: dict[str, Any] = dict(fields)
    if message is not None:
        told |= {"messageId": message.id, "run": message.run, "attempts": message.attempts}
    event(_log, level, what, **told)
