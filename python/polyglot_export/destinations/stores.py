"""All kinds of store, one line each. The first one that accepts a path or URL gets it."""

from __future__ import annotations

from typing import Final

from polyglot_export.destinations.folder import FolderStore
from polyglot_export.destinations.object_store import ObjectStore
from polyglot_export.destinations.registry import kind_of
from polyglot_export.destinations.store import Store
from polyglot_export.errors import SpecError

__all__ = ["STORES", "store", "store_kind_of"]

STORES: Final[tuple[type[Store], ...]] = (
    ObjectStore,
    # Accepts every path, so it comes last.
    FolderStore,
)


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
