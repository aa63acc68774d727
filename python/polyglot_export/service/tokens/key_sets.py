"""The public keys of an issuer: read from a file or fetched, kept, and looked at again when a token names a new one."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPException
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from polyglot_export.service.logs import event

__all__ = ["IssuerKey", "KeySet", "KeysAway"]

_log = logging.getLogger(__name__)

IssuerKey = RSAKey | ECKey | OKPKey

MAX_BYTES = 256 << 10
"""Of a key set."""
MAX_KEYS = 100
FETCH_SECONDS = 5.0
"""For the whole of a fetch."""
FRESH_SECONDS = 300.0
"""After which the set is looked at again, when the next token comes; the keys that are known hold meanwhile."""
LEAST_SECONDS = 10.0
"""Between two looks, whatever tokens name: keys that do not exist must not become an attack on the issuer."""
STALE_SECONDS = 86_400.0
"""For how long keys hold of an issuer that is away: longer, and a key that it has withdrawn would hold for ever."""
MIN_RSA_BITS = 2_048
"""RFC 7518, sections 3.3 and 3.5."""


class KeysAway(Exception):
    """The keys cannot be read, and none are known."""


class KeySet:
    """The keys of one issuer.

    Args:
        location: An ``https://`` URL, or the path of a file.
        clock: Seconds that only grow.
    """

    def __init__(self, location: str, clock: Callable[[], float] = monotonic) -> None:
        self._location = location
        self._clock = clock
        self._keys: tuple[tuple[str | None, IssuerKey], ...] = ()
        self._read_at: float | None = None
        self._looked_at = float("-inf")
        self._turn = asyncio.Lock()

    async def find(self, kid: str | None, fits: Callable[[IssuerKey], bool]) -> IssuerKey | None:
        """The key that a token names; of a token that names none, the only one that fits.

        Raises:
            KeysAway: No key is known, and the issuer is away.
        """
        if self._age() > FRESH_SECONDS:
            await self._look()
        found = self._known(kid, fits)
        if found is None:
            await self._look()
            found = self._known(kid, fits)
        if self._read_at is None or self._age() > STALE_SECONDS:
            raise KeysAway
        return found

    def _age(self) -> float:
        return self._clock() - self._read_at if self._read_at is not None else float("inf")

    def _known(self, kid: str | None, fits: Callable[[IssuerKey], bool]) -> IssuerKey | None:
        if kid is not None:
            return next((key for name, key in self._keys if name == kid and fits(key)), None)
        fitting = [key for _, key in self._keys if fits(key)]
        return fitting[0] if len(fitting) == 1 else None

    async def _look(self) -> None:
        """Read the set, unless that was done a moment ago. What cannot be read changes nothing."""
        async with self._turn:
            if self._clock() - self._looked_at < LEAST_SECONDS:
                return
            self._looked_at = self._clock()
            try:
                self._keys = _parsed(await _read(self._location))
            except (OSError, HTTPException, TimeoutError, ValueError) as error:
                event(
                    _log, logging.WARNING, "keys of an issuer not read", location=self._location, reason=_reason(error)
                )
                return
            self._read_at = self._clock()


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


async def _read(location: str) -> bytes:
    """In a thread of its own, since a fetch that hangs must not use up those that others need."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def work() -> None:
        try:
            found = _fetched(location) if "://" in location else _bounded(Path(location).read_bytes())
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            _tell(loop, done, partial(done.set_exception, error))
        else:
            _tell(loop, done, partial(done.set_result, found))

    threading.Thread(target=work, name="polyglot-issuer", daemon=True).start()
    async with asyncio.timeout(FETCH_SECONDS):
        return await done


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[bytes], change: Callable[[], object]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(lambda: None if done.done() else change())


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Where the keys are is the configuration's to say."""

    def redirect_request(self, *_: Any) -> None:
        """None: an answer that redirects is an error then."""


def _fetched(location: str) -> bytes:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if urlsplit(location).scheme == "http":
        handlers.append(urllib.request.ProxyHandler({}))
    accepted = {"Accept": "application/jwk-set+json, application/json"}
    request = urllib.request.Request(location, headers=accepted)  # noqa: S310 - https, or http to this machine
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=FETCH_SECONDS) as answer:
            return _bounded(answer.read(MAX_BYTES + 1))
    except urllib.error.HTTPError as error:
        with error:
            raise ValueError(f"it answered {error.code}") from None


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise ValueError(f"a key set may have {MAX_BYTES:,} bytes")
    return data


def _parsed(data: bytes) -> tuple[tuple[str | None, IssuerKey], ...]:
    """The keys of a set that can verify a signature; others are left out (RFC 7517, section 5).

    Raises:
        ValueError: It is none, or has no such key.
    """
    document = json.loads(data)
    members = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(members, list):
        raise ValueError('a key set is an object with a list "keys"')  # noqa: TRY004 - a value of the file
    keys = [found for found in map(_key, members[:MAX_KEYS]) if found is not None]
    if not keys:
        raise ValueError("the set has no key for signatures (RSA of 2048 bits or more, EC, OKP)")
    return tuple(keys)


def _key(member: object) -> tuple[str | None, IssuerKey] | None:
    if not isinstance(member, dict) or member.get("use", "sig") != "sig":
        return None
    if "verify" not in member.get("key_ops", ["verify"]):
        return None
    try:
        key = import_key(member)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if isinstance(key, RSAKey) and key.raw_value.key_size < MIN_RSA_BITS:
        return None
    if not isinstance(key, RSAKey | ECKey | OKPKey) or key.is_private:
        # A private key in a public place is nobody's any more.
        return None
    kid = member.get("kid")
    return (kid if isinstance(kid, str) else None, key)
