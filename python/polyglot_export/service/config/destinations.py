"""The ``[destinations.…]`` tables of a configuration: where exports may be delivered to, by names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from polyglot_export.access.tables import read_tables
from polyglot_export.destinations.store import Store
from polyglot_export.destinations.stores import store
from polyglot_export.errors import SpecError, TargetFailed
from polyglot_export.fields import Record, within

__all__ = ["DestinationEntry", "Destinations", "load_destinations"]


OPENED = 32
"""Stores whose clients are kept, those used last."""


@dataclass(frozen=True, slots=True)
class DestinationEntry(Record):
    """One ``[destinations.NAME]`` table."""

    url: str = field(metadata={"min_length": 1})
    """A folder or URL. The files of an export lie in a folder below it that has its id."""

    def _check(self) -> None:
        with within("url"):
            if "{" in self.url or "}" in self.url:
                raise SpecError(None, f"{self.url} has braces; each export has a folder of its own below it")
            store(self.url)

    def of_export(self, export_id: str) -> str:
        """Where the files of an export go."""
        return f"{self.url.rstrip('/')}/{export_id}"

    def opened(self) -> Store:
        """The store. Its client, and the credentials that it has found, serve all exports."""
        return _opened(self.url)

    def hidden(self, name: str, error: TargetFailed) -> TargetFailed:
        """An error as a client may read it: with the name of the destination in place of where it is.

        Args:
            name: Of the destination.
            error: What its store has raised.
        """
        message = error.message
        for place in (self.opened().url, self.url.rstrip("/")):
            message = message.replace(place, name)
        return TargetFailed(message)


class Destinations(Mapping[str, DestinationEntry]):
    """Destinations by their names; those that a caller may use are a part of them."""

    def __init__(self, entries: Mapping[str, DestinationEntry] | None = None) -> None:
        self._entries = dict(entries or {})

    def __getitem__(self, name: str) -> DestinationEntry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def named(self, name: str | None) -> DestinationEntry:
        """The destination that a request names.

        Raises:
            SpecError: There is none of that name, or this caller may not use it; the two are not told apart.
        """
        if name is None or name not in self._entries:
            allowed = ", ".join(self._entries) or "none"
            raise SpecError("destination", f"there is no destination {name!r}; allowed are: {allowed}")
        return self._entries[name]

    def load(self) -> None:
        """Import what their stores work with (:meth:`Store.load`)."""
        for scheme in self.schemes():
            next(entry for entry in self._entries.values() if _scheme(entry.url) == scheme).opened().load()

    def schemes(self) -> frozenset[str]:
        """Of their URLs, without those of folders."""
        return frozenset(scheme for entry in self._entries.values() if (scheme := _scheme(entry.url)))

    def only(self, names: tuple[str, ...]) -> Destinations:
        """The part of them that has these names."""
        return Destinations({name: entry for name, entry in self._entries.items() if name in names})


@lru_cache(maxsize=OPENED)
def _opened(url: str) -> Store:
    return store(url)


def _scheme(url: str) -> str:
    """Of an object store; empty text for a folder."""
    scheme, separator, _ = url.partition("://")
    return scheme.lower() if separator and scheme.lower() != "file" else ""


def load_destinations(document: Mapping[str, Any]) -> Destinations:
    """Read the ``[destinations.…]`` tables of a configuration.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: An entry is wrong; the field says which one.
    """
    return Destinations(read_tables(document, "destinations", DestinationEntry))
