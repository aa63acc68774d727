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
MAX_KEPT = 2 * MAX_LINKS
"""Of one job with those that were used up: a use may come to nothing yet, and the list shows them."""
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
    """The links of a job with one more, without those that have ended; ``None`` where too many can be used."""
    kept = [link for link in links if new.made_at < link.expires_at]
    if sum(not link.used_up for link in kept) >= MAX_LINKS:
        return None
    used_up = sorted((link for link in kept if link.used_up), key=lambda link: link.used_at or link.made_at)
    gone = {link.id for link in used_up[: max(0, len(kept) + 1 - MAX_KEPT)]}
    return (*(link for link in kept if link.id not in gone), new)


def with_use(links: Iterable[Link], link_id: str, at: datetime) -> tuple[Link, ...] | None:
    """The links of a job after one was used; ``None`` where it cannot be."""
    found = tuple(links)
    if not any(link.id == link_id and link.usable(at) for link in found):
        return None
    return tuple(replace(link, uses=link.uses + 1, used_at=at) if link.id == link_id else link for link in found)


def without_use(links: Iterable[Link], link_id: str, at: datetime, before: datetime | None) -> tuple[Link, ...]:
    """The links of a job whose use of one came to nothing: no byte was sent.

    Args:
        links: Of the job.
        link_id: The one.
        at: When it was used.
        before: When it had been used before that.
    """
    return tuple(_without_use(link, at, before) if link.id == link_id else link for link in links)


def _without_use(link: Link, at: datetime, before: datetime | None) -> Link:
    used_at = before if link.used_at == at else link.used_at
    return replace(link, uses=max(0, link.uses - 1), used_at=used_at)
