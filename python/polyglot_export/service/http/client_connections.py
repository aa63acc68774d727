"""How many connections clients may have open, and what all of them together may hold in memory.

What an export needs is reserved before it runs; what a request needs is not, since nobody knows it before it has come.
So it is bounded here for all requests together. Where there is too much, those who hold most are the first that lose
their connection: a request of ordinary size is never refused because of others that are large.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from polyglot_export.errors import SpecError
from polyglot_export.service.errors import Overloaded
from polyglot_export.service.logs import event

__all__ = ["ClientConnection", "ClientConnections", "Place", "connection_limit", "request_memory"]

BYTES_A_CONNECTION = 256 << 10
"""Of the process's memory, for each connection: an idle one takes 20 kB here, with TLS twice that, and 20 kB in the
kernel, whose buffers may grow to ten times that."""
LEAST_CONNECTIONS = 64
SPARE_DESCRIPTORS = 256
"""Descriptors that are left for the database, the spool, and connections that wait to be refused."""
SHARE_OF_MEMORY = 32
"""What requests may hold is one part in so many of the process's memory: 8 MB of 256, a third of the headroom."""
PROBE_PLACES = 16
"""Of the places, those where only health checks and metrics are answered: an orchestrator and a monitor have one or two
connections each."""
PROBE_SHARE = 8
"""Where there are few places, one in so many is for probes."""
EVICTABLE_SECONDS = 1.0
"""Time after which a connection that asks for nothing gives its place to one that asks, when all are taken …"""
SILENT_EVICTABLE_SECONDS = 10.0
"""… and to one that does not: a flood of them is refused, which costs little, and does not go round and round."""
SAY_SECONDS = 10.0
"""Time between two lines of the log about connections that were refused or closed."""

_log = logging.getLogger(__name__)


class Place(Enum):
    """What a new connection gets."""

    ANY = "any"
    """All its requests are answered."""
    PROBES = "probes"
    """Only requests that cost nothing are answered."""
    NONE = "none"
    """It is told that there is no place, and closed."""


class ClientConnection(Protocol):
    """A connection, as far as this module asks."""

    def held(self) -> int:
        """Bytes that it makes the process and the kernel hold, an export's own excepted."""

    def give_up(self, error: Overloaded | None) -> None:
        """Close it: with a reason if somebody has asked for something, else without."""

    def retire(self) -> None:
        """Answer nothing more than what is being answered, if its client was let in by a certificate."""


@dataclass(slots=True)
class Turned:
    """Connections that did not get what they wanted."""

    refused: int = 0
    """New ones, with 503, since all places were taken."""
    idle: int = 0
    """Idle ones that were closed for the sake of new ones."""
    memory: int = 0
    """Those that held most when all together held too much."""


class ClientConnections:
    """All connections of clients. They belong to the thread of the event loop."""

    def __init__(self, limit: int, memory: int) -> None:
        """Set up.

        Args:
            limit: Most connections.
            memory: Bytes that they may hold together.
        """
        self.limit = limit
        self.memory = memory
        self.turned = Turned()
        self._probe_places = min(PROBE_PLACES, limit // PROBE_SHARE)
        self._all: dict[ClientConnection, Place] = {}
        self._taken = {Place.ANY: 0, Place.PROBES: 0}
        # Since when, by the loop's clock; the longest first.
        self._idle: dict[Place, dict[ClientConnection, float]] = {Place.ANY: {}, Place.PROBES: {}}
        self._unseen = 0
        self._silent_until = 0.0
        self._said = Turned()

    def __len__(self) -> int:
        return len(self._all)

    def held(self) -> int:
        """Bytes that all of them hold now."""
        return sum(connection.held() for connection in self._all)

    def has_room(self) -> bool:
        """Whether a place is free for which nobody has to give way."""
        return self._taken[Place.ANY] < self.limit - self._probe_places

    def room(self, *, silent: bool, probe: bool) -> Place:
        """The place of a connection that has just come; where all are taken, the one that has been idle for longest
        gives way.

        Args:
            silent: It has sent nothing yet. Then only those give way that have been silent for long themselves.
            probe: It asks for what is answered on the last places. Who is silent there gives way at once.
        """
        patience = SILENT_EVICTABLE_SECONDS if silent else EVICTABLE_SECONDS
        if self.has_room() or self._close_idle(Place.ANY, patience):
            return Place.ANY
        if self._taken[Place.PROBES] < self._probe_places or (probe and self._close_idle(Place.PROBES, 0)):
            return Place.PROBES
        self.count_refused()
        return Place.NONE

    def enter(self, connection: ClientConnection, place: Place) -> None:
        """Count a new connection on its place."""
        self._all[connection] = place
        self._taken[place] += 1
        self.now_idle(connection)

    def now_idle(self, connection: ClientConnection) -> None:
        """It asks for nothing more."""
        place = self._all.get(connection)
        if place is not None:
            self._idle[place][connection] = asyncio.get_running_loop().time()

    def now_busy(self, connection: ClientConnection) -> None:
        """It has asked for something."""
        place = self._all.get(connection)
        if place is not None:
            self._idle[place].pop(connection, None)

    def leave(self, connection: ClientConnection) -> None:
        """It is closed."""
        place = self._all.pop(connection, None)
        if place is not None:
            self._taken[place] -= 1
            self._idle[place].pop(connection, None)

    def retire(self) -> None:
        """Let nobody go on whom other authorities have vouched for: the clients connect anew."""
        for connection in list(self._all):
            connection.retire()

    def refusal(self) -> Overloaded:
        """The answer to a request for which there is no place."""
        return Overloaded(f"all {self.limit} connections of the service are in use; try again later")

    def count_refused(self) -> None:
        """Somebody got that answer."""
        self.turned.refused += 1
        self._say()

    def received(self, size: int) -> None:
        """More is held, by so many bytes at most; now and then all of it is counted."""
        self._unseen += size
        if self._unseen * 8 >= self.memory:
            self._unseen = 0
            self._bound_memory()

    def _bound_memory(self) -> None:
        holding = {connection: connection.held() for connection in self._all}
        excess = sum(holding.values()) - self.memory
        if excess <= 0:
            return
        for connection in sorted(holding, key=holding.__getitem__, reverse=True):
            self.turned.memory += 1
            self.leave(connection)
            connection.give_up(
                Overloaded("the requests of all clients together take too much memory, and this is one of the largest")
            )
            excess -= holding[connection]
            if excess <= 0:
                break
        self._say()

    def _close_idle(self, place: Place, seconds: float) -> bool:
        """Close the connection on such a place that has been idle for longest, if one has been for long enough."""
        longest, since = next(iter(self._idle[place].items()), (None, 0.0))
        if longest is None or asyncio.get_running_loop().time() - since < seconds:
            return False
        self.turned.idle += 1
        self.leave(longest)
        longest.give_up(None)
        self._say()
        return True

    def _say(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._silent_until:
            return
        self._silent_until = now + SAY_SECONDS
        event(
            _log,
            logging.WARNING,
            "clients were turned away",
            connections=len(self._all),
            limit=self.limit,
            refused=self.turned.refused - self._said.refused,
            idleClosed=self.turned.idle - self._said.idle,
            tooLarge=self.turned.memory - self._said.memory,
        )
        self._said = Turned(self.turned.refused, self.turned.idle, self.turned.memory)


def connection_limit(configured: int | None, memory: int) -> int:
    """Most connections of clients: what is configured, else what the memory and the descriptors are enough for.

    Args:
        configured: The setting.
        memory: Bytes that the process may use.

    Raises:
        SpecError: The process may not have as many descriptors.
    """
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        most = configured or memory
    else:
        most = max(1, descriptors - min(SPARE_DESCRIPTORS, descriptors // 2))
    if configured is None:
        return min(most, max(LEAST_CONNECTIONS, memory // BYTES_A_CONNECTION))
    if configured > most:
        raise SpecError(
            "POLYGLOT_MAX_CLIENTS",
            f"{configured} connections are more than the {descriptors} descriptors of the process (ulimit -n) are "
            f"enough for; {most} are allowed",
        )
    return configured


def request_memory(configured: int | None, memory: int) -> int:
    """Bytes that requests may hold together: what is configured, else a share of the process's memory."""
    return configured or memory // SHARE_OF_MEMORY
