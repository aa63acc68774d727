"""Who asks, and what they may read: keys from the configuration file, or nobody but this machine.

Without keys the service answers loopback addresses only. A web page can make a browser on this machine send requests to
loopback too, under a name of its own that resolves to 127.0.0.1 (DNS rebinding); so there the ``Host`` header must be
a loopback name. Keys are random, so a plain SHA-256 keeps them as well as a slow hash would.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from polyglot_export.errors import SpecError
from polyglot_export.service.http import problems
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.problems import Forbidden, Unauthorized

__all__ = ["LOCAL", "Caller", "HostGuard", "Key", "Keys", "check_binding", "hash_key", "new_key"]

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="polyglot-export"'}


def new_key() -> str:
    """A new key for a client: 256 random bits, safe in a header and on a command line."""
    return secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What the configuration file keeps of a key: ``sha256:`` and the digest in hexadecimal."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """One ``[keys.NAME]`` table of the configuration file."""

    name: str
    hash: str
    datasets: frozenset[str] | None = None
    """What it may read, nothing for a key that only fetches metrics; ``None`` means every dataset that is exposed."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By dataset, the only columns it may read."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request."""

    key: Key | None

    @property
    def name(self) -> str | None:
        """The name of the key, which owns the jobs it makes; ``None`` where no keys are configured."""
        return self.key.name if self.key is not None else None


LOCAL = Caller(None)
"""The caller where no keys are configured: somebody on this machine."""


class Keys:
    """The configured keys."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = tuple(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Keys:
        """Read the ``keys`` table of a configuration file.

        Raises:
            SpecError: One sentence that names the entry, what is wrong and what is allowed.
        """
        table = document.get("keys", {})
        if not isinstance(table, dict):
            raise SpecError("keys", "must be tables such as [keys.reports]")
        keys = [_read_key(str(name), entry) for name, entry in table.items()]
        if len({key.hash for key in keys}) != len(keys):
            raise SpecError("keys", "two entries have the same hash; a key has one name")
        return cls(keys)

    def caller(self, authorization: str | None) -> Caller:
        """Who a request comes from.

        Args:
            authorization: The header of that name.

        Raises:
            Unauthorized: No key, or none that is configured.
        """
        if not self._keys:
            return LOCAL
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthorized("send a key as Authorization: Bearer …", headers=_CHALLENGE)
        presented = hash_key(token.strip())
        found: Key | None = None
        for key in self._keys:
            # All are compared, each in constant time: the time tells neither a prefix nor the place of a match.
            if hmac.compare_digest(key.hash, presented):
                found = key
        if found is None:
            raise Unauthorized("the key is not known", headers=_CHALLENGE)
        return Caller(found)


def check_binding(host: str, keys: Keys) -> None:
    """Refuse to listen to the network while everybody may read everything.

    Raises:
        SpecError: The host cannot be resolved, or it is not a loopback address and there are no keys.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SpecError("HOST", f"{host!r} cannot be resolved ({error.strerror or error})") from None
    if keys:
        return
    for entry in found:
        address = ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        if not address.is_loopback:
            raise SpecError(
                "HOST",
                f"{host!r} is reachable from the network ({address}) and no keys are configured; "
                "listen on 127.0.0.1, or add [keys.NAME] tables to the configuration file",
            )


class HostGuard:
    """ASGI middleware: without keys, only requests to a loopback name are answered (see the module's docstring)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403."""
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            if not _LOOPBACK_HOST.fullmatch(host):
                error = Forbidden(
                    f"without keys only localhost, 127.0.0.1 and [::1] are answered, not the Host {host!r}",
                    field="Host",
                )
                status, headers, body = problems.document(error, scope["path"])
                await ExactJSONResponse(body, status, headers, problems.CONTENT_TYPE)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _read_key(name: str, entry: object) -> Key:
    where = f"keys.{name}"
    if not isinstance(entry, dict):
        raise SpecError(where, "must be a table")
    unknown = sorted(set(entry) - {"hash", "datasets", "columns"})
    if unknown:
        raise SpecError(where, f"unknown member {unknown[0]!r}; hash, datasets and columns are allowed")
    digest = entry.get("hash")
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise SpecError(f"{where}.hash", 'must be "sha256:" and 64 lower-case hexadecimal digits')
    datasets = frozenset(_names(entry["datasets"], f"{where}.datasets", empty=True)) if "datasets" in entry else None
    columns = entry.get("columns", {})
    if not isinstance(columns, dict):
        raise SpecError(f"{where}.columns", "must be a table of lists, one a dataset")
    limited = {str(dataset): _names(names, f"{where}.columns.{dataset}") for dataset, names in columns.items()}
    return Key(name, digest, datasets, limited)


def _names(value: object, where: str, *, empty: bool = False) -> tuple[str, ...]:
    if not isinstance(value, list) or not (value or empty) or not all(isinstance(item, str) and item for item in value):
        raise SpecError(where, f"must be a list of names{'' if empty else ' that is not empty'}")
    return tuple(value)
