"""What a job has to tell a webhook: a message for each run that has ended, kept with the job until it was delivered.

A message is written by the same change that ends the run, so that none is lost between the two, whatever becomes of the
process. What it says is made of the job when it is sent.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

__all__ = ["MAX_PENDING", "MESSAGES_LEASE", "Message", "MessageStatus", "message_id", "with_new"]

MESSAGES_LEASE = -1
"""In the place of a run's number: the lease of the replica that sends the messages of a job."""
MAX_PENDING = 4
"""Messages of one job that wait to be delivered; beyond it a new one counts as failed. A job that is downloaded every
second while its receiver is away must not grow for ever."""

_TOO_MANY = f"{MAX_PENDING} messages of this export wait for their receiver already"
_NAMESPACE = uuid.UUID("7d3f1d4e-6a0b-5d6f-9c55-9d6f5cf5a0c1")
"""Of the names that ids are made of (RFC 9562, version 5)."""


class MessageStatus(StrEnum):
    """What became of a message."""

    PENDING = "pending"
    """It waits for its first attempt, or for the next one."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """It is not tried again; ``Message.error`` says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message about the end of a run."""

    id: str
    """The same in every attempt: a receiver that has seen it may ignore the next one."""
    run: int
    """The number of the run; 0 for a job that was cancelled before it had one."""
    made_at: datetime
    """When the run ended."""
    due_at: datetime
    """Not to be sent before."""
    status: MessageStatus = MessageStatus.PENDING
    attempts: int = 0
    error: str | None = None
    """Why the latest attempt failed, or why there was none."""
    replica: str | None = None
    """The process that sends it; ``None`` where there is only one."""

    @property
    def pending(self) -> bool:
        """Whether it still has to be delivered."""
        return self.status is MessageStatus.PENDING


def message_id(*of: object) -> str:
    """An id that depends on what it is about and on nothing else: a change that is made again makes no second message.

    Args:
        of: The job, the run and how it ended.
    """
    return f"msg_{uuid.uuid5(_NAMESPACE, '/'.join(map(str, of))).hex}"


def with_new(messages: Iterable[Message], new: Message) -> tuple[Message, ...]:
    """The messages of a job with one more: those that wait, and the latest. One about the same run takes the place of
    the one before.

    The new one counts as failed where too many wait, so that its owner and the log can tell.
    """
    waiting = tuple(message for message in messages if message.pending and message.run != new.run)
    if len(waiting) < MAX_PENDING:
        return (*waiting, new)
    refused = Message(
        new.id, new.run, new.made_at, new.due_at, MessageStatus.FAILED, error=_TOO_MANY, replica=new.replica
    )
    return (*waiting, refused)
