"""Takes an export apart again into its rows: the server's own text of each value, ``None`` for NULL."""

from __future__ import annotations

import re
from typing import Self

from polyglot_export.destinations.base import Capabilities, Destination
from polyglot_export.errors import MalformedData

__all__ = ["CHARACTERS", "OPTIONS", "Cell", "Rows", "characters_for"]

NULL = "N"
OPTIONS = {"header": False, "forceQuote": "*", "null": NULL}
"""Of CSV: every value is in quotes, so that what is not is NULL."""
CHARACTERS = 1_000
"""Of each value so many are kept at most; a table for people has no room for more."""
ALL_CHARACTERS = 4_000_000
"""So many are kept of all values together, about: they are held until the widths of the columns are known …"""
FEWEST_CHARACTERS = 20
"""… but so many of each."""

Cell = str | None

_FIELD = re.compile(rb'(?:"([^"]*(?:""[^"]*)*)"|(N))([,\n])')


class Rows(Destination):
    """Collects the rows of a CSV export that was made with :data:`OPTIONS`. Holds one row whole at a time, and of all
    others the beginnings of their values.

    Attributes:
        rows: What has been read, complete rows only.
        characters: How many of each value are kept.
    """

    kind = "a table"
    capabilities = Capabilities(atomic=True, streaming=False, named_by_format=False)

    def __init__(self) -> None:
        self.rows: list[tuple[Cell, ...]] = []
        self.characters = CHARACTERS
        self._left = b""

    @classmethod
    def accepts(cls, name: str) -> bool:  # noqa: ARG003 - it has no name
        """Nothing is called so."""
        return False

    @classmethod
    def named(cls, name: str) -> Rows:  # noqa: ARG003
        """A new one."""
        return cls()

    def __enter__(self) -> Self:
        return self

    def write(self, chunk: bytes) -> None:
        """Take the rows that are complete."""
        data = self._left + chunk
        row: list[Cell] = []
        at = begin = 0
        while at < len(data):
            if data[at : at + 1] == b"\n":
                # A row without columns.
                at = begin = at + 1
                self.rows.append(())
                continue
            field = _FIELD.match(data, at)
            if field is None:
                break
            at = field.end()
            row.append(None if field[2] else _begun(field[1], self.characters))
            if field[3] == b"\n":
                self.rows.append(tuple(row))
                row, begin = [], at
        self._left = data[begin:]

    def commit(self) -> None:
        """See that nothing is left over."""
        if self._left:
            raise MalformedData("the rows end in the middle of one")

    def discard(self) -> None:
        """Nothing is held outside of the process."""

    def abandon(self) -> None:
        """The same."""

    def pipe(self) -> int | None:
        """There is none."""
        return None


def characters_for(values: int) -> int:
    """How many characters are kept of each of so many values."""
    return max(FEWEST_CHARACTERS, min(CHARACTERS, ALL_CHARACTERS // max(1, values)))


def _begun(value: bytes, characters: int) -> str:
    # A character has at most four bytes, and a quote two here.
    most = characters * 8
    begun = value[:most].decode(errors="replace").replace('""', '"')
    return begun[:characters] + "…" if len(begun) > characters or len(value) > most else begun
