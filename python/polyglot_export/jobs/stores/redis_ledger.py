"""What callers have used, in Redis: replicas count together, by the clock of the server, and a restart forgets nothing.

Keys, behind the prefix:

    rate:{owner}          string  the time (microseconds) at which none of its requests counts any more
    places:{owner}        zset    tickets, by the time until which their places are kept (milliseconds)
    spent:{day}:{owner}   string  bytes
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any

from polyglot_export.jobs.stores.ledger import MINUTE

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisLedger"]

SPENT_KEPT = 2 * 86_400
"""Seconds that the bytes of a day are kept: some replica's clock may be late."""

_REQUEST = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local minute, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
-- A server whose clock was set back would refuse for as long as that.
if free > now + minute then free = now + minute end
free = free + step
if free - now > minute + 1 then return tostring((free - now - minute) / 1000000) end
redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil((free - now) / 1000))
return '0'
"""
_ENTER = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_RENEW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- One that was left in the meantime, or has lapsed, is not taken again.
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now + ARGV[1], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
_PLACES = """
local time = redis.call('TIME')
return redis.call('ZCOUNT', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000) + 1, '+inf')
"""
_SPEND = """
local spent = redis.call('INCRBY', KEYS[1], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return spent
"""


class RedisLedger:
    """See :class:`~polyglot_export.jobs.stores.ledger.Ledger`."""

    def __init__(
        self, redis: Redis, prefix: str, call: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
    ) -> None:
        """Set up.

        Args:
            redis: The client.
            prefix: Before every key.
            call: Makes a call of the client within its time, and raises ``StoreAway`` where there is no answer.
        """
        self._redis = redis
        self._prefix = prefix
        self._call = call
        self._scripts = {
            name: redis.register_script(text)
            for name, text in (
                ("request", _REQUEST),
                ("enter", _ENTER),
                ("renew", _RENEW),
                ("places", _PLACES),
                ("spend", _SPEND),
            )
        }

    async def request(self, owner: str, per_minute: int) -> float:
        """See the protocol."""
        micros = MINUTE * 1_000_000
        return float(await self._run("request", f"rate:{owner}", int(micros), micros / per_minute))

    async def enter(self, owner: str, ticket: str, most: int, seconds: float) -> bool:
        """See the protocol."""
        return bool(await self._run("enter", f"places:{owner}", ticket, most, int(seconds * 1000)))

    async def renew(self, owner: str, tickets: Collection[str], seconds: float) -> None:
        """See the protocol."""
        await self._run("renew", f"places:{owner}", int(seconds * 1000), *tickets)

    async def leave(self, owner: str, ticket: str) -> None:
        """See the protocol."""
        await self._call(lambda: self._redis.zrem(f"{self._prefix}places:{owner}", ticket))

    async def places(self, owner: str) -> int:
        """See the protocol."""
        return int(await self._run("places", f"places:{owner}"))

    async def spend(self, owner: str, day: str, size: int) -> int:
        """See the protocol."""
        return int(await self._run("spend", f"spent:{day}:{owner}", size, SPENT_KEPT))

    async def _run(self, script: str, key: str, *arguments: Any) -> Any:
        return await self._call(lambda: self._scripts[script](keys=[self._prefix + key], args=list(arguments)))
