"""Destinations that are written through a file descriptor. What was written cannot be taken back."""

from __future__ import annotations

import os
import re
import stat
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from polyglot_export.destinations.base import Capabilities, Destination
from polyglot_export.destinations.outlet import Outlet
from polyglot_export.errors import PolyglotError, TargetFailed

if TYPE_CHECKING:
    from polyglot_export._core import Sha256
    from polyglot_export.destinations.base import Chunks

__all__ = ["DescriptorDestination", "DirectDestination", "SpecialFileDestination", "naming", "pipe_of"]

OWN_DESCRIPTOR = re.compile(r"(?:/dev/fd|/proc/(?:self|thread-self)/fd)/(\d+)|/dev/std(out|err)")
"""Names for a descriptor of this process. They are not opened as files: a redirected file would then be written
from its start again."""


@contextmanager
def naming(name: str, what: str = "write") -> Iterator[None]:
    """Turn an error of the system in the block into a ``TargetFailed`` with the name of the destination and the
    system's reason.

    Args:
        name: As the user wrote it.
        what: The verb of what is tried.
    """
    try:
        yield
    except PolyglotError:
        # What the export says that is being written; some of it is a ValueError too.
        raise
    except OSError as error:
        raise TargetFailed(f"cannot {what} {name}: {error.strerror or error}") from error
    except ValueError as error:
        # No file can have this name: it holds a NUL.
        raise TargetFailed(f"cannot {what} {name!r}: {error}") from error


def pipe_of(descriptor: int) -> int | None:
    """The descriptor if it has a reader that may leave (a pipe, FIFO or socket), otherwise ``None``."""
    mode = os.fstat(descriptor).st_mode
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


class DirectDestination(Destination):
    """Writes through a descriptor: when ``write`` returns, the reader may already have the bytes.

    A reader has to look at the exit code to know whether it has everything, as with every program in a pipe.

    Raises:
        TargetFailed: The bytes could not be written. ``__cause__`` is a ``BrokenPipeError`` if the reader has left.
    """

    capabilities = Capabilities(atomic=False, streaming=True, named_by_format=False)

    def __init__(self, name: str) -> None:
        self._name = name
        self._outlet: Outlet | None = None

    @classmethod
    def named(cls, name: str) -> DirectDestination:
        """The destination of this name; nothing is opened yet."""
        return cls(name)

    @abstractmethod
    def _open(self) -> int:
        """Open a descriptor that :meth:`commit` and :meth:`discard` close."""

    def __enter__(self) -> Self:
        with naming(self._name):
            self._outlet = Outlet(self._open(), stays=False)
        return self

    def write(self, chunk: bytes) -> None:
        """Write all of a chunk. Blocks while the reader does not read."""
        with naming(self._name):
            self._opened().write(chunk)

    def take(self, chunks: Chunks, hasher: Sha256 | None = None) -> int | None:
        """Let the core write all of the next chunk."""
        with naming(self._name):
            return self._opened().take(chunks, hasher)

    def commit(self) -> None:
        """Close our descriptor. Network file systems report a full disk only at this point (close(2))."""
        outlet, self._outlet = self._opened(), None
        with naming(self._name):
            outlet.close()

    def discard(self) -> None:
        """Close our descriptor."""
        outlet, self._outlet = self._outlet, None
        if outlet is not None:
            with suppress(OSError):
                outlet.close()

    def abandon(self) -> None:
        """Do nothing: what a reader has cannot be taken back."""

    def pipe(self) -> int | None:
        """The descriptor if it is that of a pipe, otherwise ``None``."""
        return None if self._outlet is None else pipe_of(self._outlet.descriptor)

    def _opened(self) -> Outlet:
        if self._outlet is None:
            raise TargetFailed(f"cannot write {self._name}: it is closed")
        return self._outlet


class DescriptorDestination(DirectDestination):
    """A descriptor of this process by its name: ``/dev/stdout``, ``/dev/fd/3``."""

    kind = "a descriptor of the process"

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether it is a name of a descriptor of this process."""
        return OWN_DESCRIPTOR.fullmatch(name) is not None

    def _open(self) -> int:
        own = OWN_DESCRIPTOR.fullmatch(self._name)
        if own is None:
            raise FileNotFoundError(f"{self._name} is not the name of a descriptor")
        return os.dup(int(own[1]) if own[1] is not None else {"out": 1, "err": 2}[own[2]])


class SpecialFileDestination(DirectDestination):
    """A FIFO, ``/dev/null`` or another device."""

    kind = "a device or FIFO"

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether something exists under this name that is neither a file nor a folder."""
        try:
            mode = Path(name).stat().st_mode
        except (OSError, ValueError):
            return False
        return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)

    def _open(self) -> int:
        return os.open(self._name, os.O_WRONLY)
