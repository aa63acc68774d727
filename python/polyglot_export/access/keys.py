"""Keys: who may ask, and which part of what is offered each may read.

A key is random, so a plain SHA-256 keeps it as safe as a slow hash would.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time
from typing import Any

from polyglot_export.access.certificates import read_certificate_names
from polyglot_export.access.rights import Rights
from polyglot_export.access.tables import read_tables
from polyglot_export.errors import SpecError
from polyglot_export.fields import Record

__all__ = ["Found", "Key", "KeyHash", "Keys", "hash_key", "load_keys", "new_key", "read_moment"]

_HASH = re.compile(r"sha256:[0-9a-f]{64}")
NO_MOMENT = "must be a time with its offset such as 2027-01-31T12:00:00Z, or a day such as 2027-01-31"
MAX_KEY = 512
"""Characters of a key that is looked for: hashing costs time, and ours have 43."""


def new_key() -> str:
    """A new key for a client: 256 random bits, safe in a header and on a command line."""
    return secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What the configuration keeps of a key: ``sha256:`` and the digest in hexadecimal."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def _hash(given: object) -> str | None:
    if given is None or (isinstance(given, str) and _HASH.fullmatch(given)):
        return given
    raise SpecError(None, 'must be "sha256:" and 64 lower-case hexadecimal digits')


def read_moment(given: object) -> datetime | None:
    """A time with its offset, or the begin of a day in UTC: a time without one would be another on each machine.

    Raises:
        SpecError: It is neither.
    """
    if isinstance(given, str):
        given = _from_text(given)
    if isinstance(given, datetime) and given.tzinfo is not None:
        return given.astimezone(UTC)
    if isinstance(given, date) and not isinstance(given, datetime):
        return datetime.combine(given, time(tzinfo=UTC))
    if given is None:
        return None
    raise SpecError(None, NO_MOMENT)


def _from_text(given: str) -> date | None:
    for kind in (date, datetime):
        with contextlib.suppress(ValueError):
            return kind.fromisoformat(given)
    raise SpecError(None, NO_MOMENT)


@dataclass(frozen=True, slots=True)
class KeyHash(Record):
    """One of several hashes of a key, so that a new one can be handed out while the old one still holds."""

    hash: str = field(metadata={"read": _hash})
    """``sha256:`` and 64 digits, as ``polyglot keys`` prints it."""
    expires: datetime | None = field(default=None, metadata={"read": read_moment})
    """From when on it is refused."""

    @classmethod
    def _expand(cls, given: object) -> object:
        return {"hash": given} if isinstance(given, str) else given


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Rights):
    """One ``[keys.NAME]`` table of a configuration: by what its holder is known, and what the holder may do."""

    hash: str | None = field(default=None, metadata={"read": _hash})
    """``sha256:`` and 64 digits, as ``polyglot keys`` prints it. The key itself is nowhere."""
    hashes: tuple[KeyHash, ...] = ()
    """Further ones of the same holder, each a text or ``{hash = …, expires = …}``: a new key and the one before."""
    certificates: tuple[str, ...] = field(default=(), metadata={"read": read_certificate_names})
    """Names in certificates of clients, by which the holder is known without a key: the subject as RFC 4514 writes it,
    such as ``CN=reports,O=Example``, or an alternative name after ``URI:``, ``DNS:`` or ``email:``. The authorities
    are those of ``POLYGLOT_TLS_CLIENT_CA``."""
    expires: datetime | None = field(default=None, metadata={"read": read_moment})
    """From when on the holder is refused: a time with its offset, or a day, which begins in UTC."""
    not_before: datetime | None = field(default=None, metadata={"read": read_moment})
    """Until when the holder is refused."""

    def _check(self) -> None:
        if not self.every_hash and not self.certificates:
            raise SpecError("hash", "is missing; polyglot keys NAME makes a key and prints its hash")
        if self.expires is not None and self.not_before is not None and self.expires <= self.not_before:
            raise SpecError("expires", "must be later than notBefore")

    @property
    def every_hash(self) -> tuple[KeyHash, ...]:
        """All by which the holder is known."""
        return (*((KeyHash(self.hash),) if self.hash is not None else ()), *self.hashes)

    @property
    def rights(self) -> Rights:
        """What its holder may do."""
        return Rights(**{each.name: getattr(self, each.name) for each in fields(Rights)})

    def problem(self, at: datetime, presented: KeyHash | None = None) -> str | None:
        """Why the holder is refused at this time; ``None`` where it is not.

        Args:
            at: The time.
            presented: The hash of what was sent; ``None`` where nothing is, since something of the holder's runs.
        """
        ends = [end for end in (self.expires, presented.expires if presented is not None else None) if end is not None]
        if any(at >= end for end in ends):
            return "the key has expired"
        if self.not_before is not None and at < self.not_before:
            return "the key does not hold yet"
        return None


@dataclass(frozen=True, slots=True)
class Found:
    """A key that was presented and is configured."""

    name: str
    hash: KeyHash


class Keys(Mapping[str, Key]):
    """The configured keys by their names."""

    def __init__(self, keys: Mapping[str, Key] | None = None) -> None:
        self._keys = dict(keys or {})

    def __getitem__(self, name: str) -> Key:
        return self._keys[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, presented: str) -> Found | None:
        """Whose key a client has sent, if it is known.

        All keys are compared, each in constant time: the time tells neither a prefix nor the place of a match.
        """
        if len(presented) > MAX_KEY:
            return None
        digest = hash_key(presented)
        found: Found | None = None
        for name, key in self._keys.items():
            for each in key.every_hash:
                if hmac.compare_digest(each.hash, digest):
                    found = Found(name, each)
        return found

    def of_certificate(self, names: Collection[str]) -> list[str]:
        """The entries that a certificate with these names fits: one, none, or several that contradict each other."""
        return [name for name, key in self._keys.items() if not set(key.certificates).isdisjoint(names)]


def load_keys(document: Mapping[str, Any]) -> Keys:
    """Read the ``[keys.…]`` tables of a configuration.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: An entry is wrong; the field says which one.
    """
    keys = read_tables(document, "keys", Key)
    hashes = [each.hash for key in keys.values() for each in key.every_hash]
    if len(set(hashes)) != len(hashes):
        raise SpecError("keys", "two entries have the same hash; a key has one name")
    certificates = [each for key in keys.values() for each in key.certificates]
    if twice := next((each for each in certificates if certificates.count(each) > 1), None):
        raise SpecError("keys", f"two entries have the certificate {twice!r}; a certificate has one name")
    return Keys(keys)
