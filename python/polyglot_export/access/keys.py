"""Keys: who may ask, and which part of what is offered each may read.

A key is random, so a plain SHA-256 keeps it as safe as a slow hash would.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from polyglot_export.access.rights import Rights, read_columns
from polyglot_export.access.tables import read_tables
from polyglot_export.errors import SpecError
from polyglot_export.fields import Record

__all__ = ["Key", "Keys", "hash_key", "load_keys", "new_key"]

_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def new_key() -> str:
    """A new key for a client: 256 random bits, safe in a header and on a command line."""
    return secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What the configuration keeps of a key: ``sha256:`` and the digest in hexadecimal."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def _hash(given: object) -> str:
    if isinstance(given, str) and _HASH.fullmatch(given):
        return given
    raise SpecError(None, 'must be "sha256:" and 64 lower-case hexadecimal digits')


@dataclass(frozen=True, slots=True)
class Key(Record):
    """One ``[keys.NAME]`` table of a configuration."""

    hash: str = field(metadata={"read": _hash})
    datasets: tuple[str, ...] | None = None
    """What it may read, nothing for a key that only fetches metrics; ``None`` means every dataset that is exposed."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata={"read": read_columns})
    """By dataset, the only columns that it may read."""
    destinations: tuple[str, ...] = ()
    """Where it may have exports delivered to."""
    webhooks: tuple[str, ...] = ()
    """The webhooks that its exports may name; none unless they are listed, since they take data elsewhere."""

    @property
    def rights(self) -> Rights:
        """What its holder may do."""
        return Rights(
            datasets=self.datasets, columns=self.columns, destinations=self.destinations, webhooks=self.webhooks
        )


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

    def find(self, presented: str) -> str | None:
        """The name of a key that a client has sent, if it is known.

        All keys are compared, each in constant time: the time tells neither a prefix nor the place of a match.
        """
        digest = hash_key(presented)
        found: str | None = None
        for name, key in self._keys.items():
            if hmac.compare_digest(key.hash, digest):
                found = name
        return found


def load_keys(document: Mapping[str, Any]) -> Keys:
    """Read the ``[keys.…]`` tables of a configuration.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: An entry is wrong; the field says which one.
    """
    keys = read_tables(document, "keys", Key)
    if len({key.hash for key in keys.values()}) != len(keys):
        raise SpecError("keys", "two entries have the same hash; a key has one name")
    return Keys(keys)
