"""Keys: who may ask, and which part of what is offered each may read.

A key is random, so a plain SHA-256 keeps it as safe as a slow hash would.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.exposure import Exposure
from polyglot_export.access.tables import members_of, names_in, tables_in
from polyglot_export.errors import SpecError

__all__ = ["Key", "Keys", "hash_key", "load_keys", "new_key"]

_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def new_key() -> str:
    """A new key for a client: 256 random bits, safe in a header and on a command line."""
    return secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What the configuration keeps of a key: ``sha256:`` and the digest in hexadecimal."""
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """One ``[keys.NAME]`` table of a configuration."""

    name: str
    hash: str
    datasets: frozenset[str] | None = None
    """What it may read, nothing for a key that only fetches metrics; ``None`` means every dataset that is exposed."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By dataset, the only columns that it may read."""

    def narrow(self, exposure: Exposure) -> Exposure:
        """The part of an exposure that this key may read."""
        if not isinstance(exposure, ConfiguredDatasets):
            return exposure
        return ConfiguredDatasets(
            {
                name: replace(dataset, columns=self.columns.get(name, dataset.columns))
                for name, dataset in exposure.datasets.items()
                if self.datasets is None or name in self.datasets
            }
        )


class Keys:
    """The configured keys."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, presented: str) -> Key | None:
        """The entry of a key that a client has sent, if it is known.

        All entries are compared, each in constant time: the time tells neither a prefix nor the place of a match.
        """
        digest = hash_key(presented)
        found: Key | None = None
        for key in self._keys:
            if hmac.compare_digest(key.hash, digest):
                found = key
        return found

    def named(self, name: str | None) -> Key | None:
        """The entry of a name, if there is one."""
        return next((key for key in self._keys if key.name == name), None)


def load_keys(document: Mapping[str, Any]) -> Keys:
    """Read the ``[keys.…]`` tables of a configuration.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: An entry is wrong; the field says which one.
    """
    entries = tables_in(document, "keys", "[keys.reports]")
    keys = [_key(name, entry, f"keys.{name}") for name, entry in entries.items()]
    if len({key.hash for key in keys}) != len(keys):
        raise SpecError("keys", "two entries have the same hash; a key has one name")
    return Keys(keys)


def _key(name: str, entry: object, where: str) -> Key:
    members = members_of(entry, where, ("hash", "datasets", "columns"))
    digest = members.get("hash")
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise SpecError(f"{where}.hash", 'must be "sha256:" and 64 lower-case hexadecimal digits')
    datasets = None
    if "datasets" in members:
        datasets = frozenset(names_in(members["datasets"], f"{where}.datasets", may_be_empty=True))
    columns = members.get("columns", {})
    if not isinstance(columns, dict):
        raise SpecError(f"{where}.columns", "must be a table with one list for each dataset")
    return Key(
        name,
        digest,
        datasets,
        {dataset: names_in(names, f"{where}.columns.{dataset}") for dataset, names in columns.items()},
    )
