"""How much a caller may have of the service; the fair shares of all callers hold beside these limits."""

from __future__ import annotations

from dataclasses import dataclass, field

from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, is_number, wrong
from polyglot_export.text.sizes import parse_size

__all__ = ["UNLIMITED", "Limits"]


def _size(given: object) -> int | None:
    """Bytes, or a text with kB, MB or GB."""
    if given is None:
        return None
    try:
        size = parse_size(given)
    except ValueError as error:
        raise wrong(str(error), given) from None
    if not is_number(size) or not isinstance(size, int):
        raise wrong("must be a whole number of bytes, or a text such as 10GB", given)
    if size < 1:
        raise SpecError(None, f"must be at least 1 (got {given!r}); leave it out where there is no limit")
    return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Record):
    """What one caller may have at most; without a line there is no limit but the fair share."""

    exports: int | None = field(default=None, metadata={"ge": 1})
    """Exports that run at the same time, of all replicas together: downloads of streams, and what runs in the
    background, which waits for its turn."""
    connections: int | None = field(default=None, metadata={"ge": 1})
    """Connections to the database that read for its exports at the same time, in each replica."""
    waiting: int | None = field(default=None, metadata={"ge": 1})
    """Exports that wait for their turn in the background, of all replicas together."""
    prepared_bytes: int | None = field(default=None, metadata={"read": _size})
    """Bytes of its prepared files, or with kB, MB, GB, from which on no further one is begun; a file is forgotten with
    its export."""
    requests_per_minute: int | None = field(default=None, metadata={"ge": 1})
    """Requests, whatever they ask for, of all replicas together: so many at once, and one more whenever its part of the
    minute has passed."""
    bytes_per_day: int | None = field(default=None, metadata={"read": _size})
    """Bytes that answers and deliveries have in one day (UTC), or with kB, MB, GB. A file that has begun is sent whole;
    the next one is refused."""


UNLIMITED = Limits()
"""Of a caller of which nothing is said."""
