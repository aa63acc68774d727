"""Links to what an export gives, which need no key: kept with the job, so that they can be listed, revoked and used up
by exactly one of several replicas.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

__all__ = ["LINK_BYTES", "MAX_LINKS", "Link", "with_new_link", "with_use", "without_use"]

MAX_LINKS = 20
"""Of one job that can be used."""
LINK_BYTES = 300
"""Of memory, about, that one takes."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link."""

    id: str
    """16 hexadecimal digits; they are in its address, too."""
    made_at: datetime
    expires_at: datetime
    once: bool = False
    """Whether its first use is its last one."""
    file: int | None = None
    """Of the files of a delivered set; ``None`` for the one file of any other export."""
    uses: int = 0
    used_at: datetime | None = None
    """The latest use."""

    @property
    def used_up(self) -> bool:
        """Whether it has had its one use."""
        return self.once and self.uses > 0

    def usable(self, at: datetime) -> bool:
        """Whether it may be used at a time."""
        return at < self.expires_at and not self.used_up


def with_new_link(links: Iterable[Link], new: Link) -> tuple[Link, ...] | None:
    """The links of a job with one more, without those that are over; ``None`` where there are too many."""
    kept = tuple(link for link in links if link.usable(new.made_at))
    return (*kept, new) if len(kept) < MAX_LINKS else None


def with_use(links: Iterable[Link], link_id: str, at: datetime) -> tuple[Link, ...] | None:
    """The links of a job after one was used; ``None`` where it cannot be."""
    found = tuple(links)
    if not any(link.id == link_id and link.usable(at) for link in found):
        return None
    return tuple(replace(link, uses=link.uses + 1, used_at=at) if link.id == link_id else link for link in found)


def without_use(links: Iterable[Link], link_id: str) -> tuple[Link, ...]:
    """The links of a job whose use of one came to nothing: no byte was sent."""
    return tuple(replace(link, uses=max(0, link.uses - 1)) if link.id == link_id else link for link in links)
