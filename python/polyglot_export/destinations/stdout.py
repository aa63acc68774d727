"""Standard output as a destination: a pipe whose reader may leave, a redirected file, or a terminal."""

from __future__ import annotations

import os
import sys

from polyglot_export.destinations.descriptor import DirectDestination
from polyglot_export.errors import TargetFailed

__all__ = ["SPOKEN", "STDOUT", "StdoutDestination"]

STDOUT = "-"
"""The name that stands for standard output."""
SPOKEN = "standard output"


class StdoutDestination(DirectDestination):
    """Writes to standard output, unbuffered, on a copy of its descriptor."""

    kind = SPOKEN

    def __init__(self) -> None:
        super().__init__(SPOKEN)

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether it is ``-``."""
        return name == STDOUT

    @classmethod
    def named(cls, name: str) -> StdoutDestination:  # noqa: ARG003 - there is only one
        """Standard output."""
        return cls()

    def _open(self) -> int:
        # With `>&-` descriptor 1 is free and the next file that is opened gets it, a database connection for example.
        # Python notices that at its start and says so by setting sys.stdout to None.
        if sys.stdout is None:
            raise TargetFailed(f"cannot write {SPOKEN}: it is closed")
        sys.stdout.flush()
        return os.dup(sys.stdout.fileno())
