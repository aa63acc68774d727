"""All kinds of destination, one line each. The first one that accepts a name gets it."""

from __future__ import annotations

from typing import Final

from polyglot_export.destinations.base import Destination
from polyglot_export.destinations.descriptor import DescriptorDestination, SpecialFileDestination
from polyglot_export.destinations.file import FileDestination
from polyglot_export.destinations.stdout import StdoutDestination

__all__ = ["DESTINATIONS", "destination", "kind_of"]

DESTINATIONS: Final[tuple[type[Destination], ...]] = (
    StdoutDestination,
    DescriptorDestination,
    SpecialFileDestination,
    # Accepts every name, so it comes last.
    FileDestination,
)


def kind_of(name: str) -> type[Destination]:
    """The kind of destination that a name stands for; a kind that has names of its own (``scheme://…``) stands before
    the files.
    """
    return next(kind for kind in DESTINATIONS if kind.accepts(name))


def destination(name: str) -> Destination:
    """The destination that a name stands for; nothing is opened yet."""
    return kind_of(name).named(name)
