"""Cuts a plan into parts: runs of its segments, each of which becomes a file of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from polyglot_export.errors import SpecError
from polyglot_export.limits import PAGE_BYTES, ROUTE_PART_BYTES, ROUTE_PARTS
from polyglot_export.planning.plan import Plan, Scan

__all__ = ["Part", "parts_of", "routed_bytes"]


class Part(NamedTuple):
    """A run of the segments of a plan, as a plan."""

    plan: Plan
    first_segment: int
    last_segment: int

    @property
    def leaf(self) -> tuple[str, str] | None:
        """Schema and name of the one partition that is read, in place of its table; ``None`` for anything else."""
        names = {_leaf(scan) for scan in self.plan.scans}
        [leaf] = names if len(names) == 1 else [("", "")]
        return leaf if leaf[1] else None


def parts_of(plan: Plan, part_bytes: int | None, most: int, *, by_leaf: bool = False) -> tuple[Part, ...]:
    """Cut a plan where segments end. The cut depends on nothing but the two, so that it is the same wherever and by
    however many workers the parts are read.

    Args:
        plan: A whole relation.
        part_bytes: Bytes of pages that a part has, about: at least one segment, and no segment more than they hold.
            ``None`` makes one part.
        most: How many parts there may be.
        by_leaf: Cut between partitions too, where they are read in place of their table.

    Raises:
        SpecError: There would be more.
    """
    by_leaf = by_leaf and len(plan.scans) > 1
    if (part_bytes is None and not by_leaf) or plan.segments == 1:
        return (Part(plan, 0, plan.segments - 1),)
    space = sys.maxsize if part_bytes is None else part_bytes
    parts: list[Part] = []
    scans: list[Scan] = []
    first = last = -1
    room = 0
    for scan in plan.scans:
        for piece in _pieces(scan):
            size = (piece.pages or 0) * PAGE_BYTES
            if scans and (size > room or (by_leaf and _leaf(scans[-1]) != _leaf(piece))):
                parts.append(_part(plan, scans, first, last))
                scans = []
            if len(parts) == most:
                raise _too_many(plan, part_bytes, most)
            if not scans:
                first, room = last + 1, space
            _append(scans, piece)
            last += 1
            room -= size
    parts.append(_part(plan, scans, first, last))
    return tuple(parts)


def routed_bytes(plan: Plan) -> int:
    """Bytes of pages of a part whose rows are laid into several files: few parts, since each may have a file of every
    value.
    """
    pages = sum(scan.pages or 0 for scan in plan.scans)
    return max(ROUTE_PART_BYTES, -(-pages * PAGE_BYTES // ROUTE_PARTS))


def _leaf(scan: Scan) -> tuple[str, str]:
    return scan.leaf_schema, scan.leaf_name


def _too_many(plan: Plan, part_bytes: int | None, most: int) -> SpecError:
    what = f"would make more than {most:,} files of {plan.source}"
    if part_bytes is None:
        return SpecError("partition_folders", what)
    return SpecError("part_size", f"{what}; give a larger one")


def _pieces(scan: Scan) -> Iterator[Scan]:
    """Each segment of a scan, as a scan; one after the other, since a large table has a million."""
    if scan.pages is None or scan.segments == 1:
        yield scan
        return
    step = scan.pages_per_segment
    last = scan.segments - 1
    for index in range(scan.segments):
        yield scan._replace(
            first_page=scan.first_page + index * step,
            pages=min(step, scan.pages - index * step),
            open_end=scan.open_end and index == last,
        )


def _append(scans: list[Scan], piece: Scan) -> None:
    """Add a segment, to the scan before it if it is the next one of that."""
    before = scans[-1] if scans else None
    if (
        before is not None
        and before.pages is not None
        and piece.pages is not None
        and not before.open_end
        and before.before == piece.before
        and before.first_page + before.pages == piece.first_page
    ):
        scans[-1] = before._replace(pages=before.pages + piece.pages, open_end=piece.open_end)
    else:
        scans.append(piece)


def _part(plan: Plan, scans: list[Scan], first: int, last: int) -> Part:
    return Part(replace(plan, scans=tuple(scans)), first, last)
