"""All kinds of destination, one line each. The first one that accepts a name gets it."""

from __future__ import annotations

import re

from polyglot_export.destinations.base import Destination
from polyglot_export.destinations.descriptor import DescriptorDestination, SpecialFileDestination
from polyglot_export.destinations.file import FileDestination
from polyglot_export.destinations.stdout import StdoutDestination
from polyglot_export.errors import SpecError

__all__ = ["destination", "destination_kinds", "kind_of"]

_MARK = "://"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)" + _MARK)


def destination_kinds(*, of_urls: bool = True) -> tuple[type[Destination], ...]:
    """All kinds, in the order in which they are asked.

    Args:
        of_urls: Whether those are among them that accept URLs alone. Most names are none, and a command that writes a
            file starts without the parts of object stores.
    """
    remote: tuple[type[Destination], ...] = ()
    if of_urls:
        from polyglot_export.destinations.object_store import ObjectDestination

        remote = (ObjectDestination,)
    return (
        StdoutDestination,
        DescriptorDestination,
        SpecialFileDestination,
        *remote,
        # Accepts every name, so it comes last.
        FileDestination,
    )


def kind_of(name: str) -> type[Destination]:
    """The kind of destination that a name stands for; a kind that has names of its own (``scheme://…``) stands before
    the files.

    Raises:
        SpecError: It is a URL of a kind that there is none for.
    """
    kinds = destination_kinds(of_urls=_MARK in name)
    scheme = _SCHEME.match(name)
    known = [each for kind in kinds for each in kind.schemes]
    if scheme is not None and scheme[1].lower() not in known:
        urls = ", ".join(f"{each}://" for each in known)
        raise SpecError(None, f"{name}: nothing is known of {scheme[1]}://; allowed are {urls}, and names of files")
    return next(kind for kind in kinds if kind.accepts(name))


def destination(name: str) -> Destination:
    """The destination that a name stands for; nothing is opened yet."""
    return kind_of(name).named(name)
