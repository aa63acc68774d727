"""All kinds of destination and of store, one line each. The first one that accepts a name gets it."""

from __future__ import annotations

import re
from typing import Final

from polyglot_export.destinations.base import Destination
from polyglot_export.destinations.descriptor import DescriptorDestination, SpecialFileDestination
from polyglot_export.destinations.file import FileDestination
from polyglot_export.destinations.folder import FolderStore
from polyglot_export.destinations.object_store import ObjectDestination, ObjectStore
from polyglot_export.destinations.stdout import StdoutDestination
from polyglot_export.destinations.store import Store
from polyglot_export.errors import SpecError

__all__ = ["DESTINATIONS", "STORES", "destination", "kind_of", "store", "store_kind_of"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")

DESTINATIONS: Final[tuple[type[Destination], ...]] = (
    StdoutDestination,
    DescriptorDestination,
    SpecialFileDestination,
    ObjectDestination,
    # Accepts every name, so it comes last.
    FileDestination,
)


STORES: Final[tuple[type[Store], ...]] = (
    ObjectStore,
    # Accepts every path, so it comes last.
    FolderStore,
)


def kind_of(name: str) -> type[Destination]:
    """The kind of destination that a name stands for; a kind that has names of its own (``scheme://…``) stands before
    the files.

    Raises:
        SpecError: It is a URL of a kind that there is none for.
    """
    scheme = _SCHEME.match(name)
    known = [each for kind in DESTINATIONS for each in kind.schemes]
    if scheme is not None and scheme[1].lower() not in known:
        urls = ", ".join(f"{each}://" for each in known)
        raise SpecError(None, f"{name}: nothing is known of {scheme[1]}://; allowed are {urls}, and names of files")
    return next(kind for kind in DESTINATIONS if kind.accepts(name))


def destination(name: str) -> Destination:
    """The destination that a name stands for; nothing is opened yet."""
    return kind_of(name).named(name)


def store_kind_of(url: str) -> type[Store] | None:
    """The kind of store that a path or URL stands for, if there is one."""
    return next((kind for kind in STORES if kind.accepts(url)), None)


def store(url: str) -> Store:
    """The store that a path or URL stands for; nothing is opened yet.

    Raises:
        SpecError: There is no store of this kind.
    """
    kind = store_kind_of(url)
    if kind is None:
        # Of a scheme that nobody knows, this says which are known.
        kind_of(url)
        raise SpecError(None, f"{url} is no place for a set of files")
    return kind.at(url)
