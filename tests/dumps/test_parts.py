"""A plan is cut into parts that are the plan, whatever its scans and the size of a part."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export import SpecError, explain
from polyglot_export.limits import DUMP_FILES, PAGE_BYTES
from polyglot_export.planning.parts import parts_of
from polyglot_export.planning.plan import Plan, Scan
from tests.fixtures.server import Database

STEP = 10
"""Pages of a segment."""


@pytest.fixture(scope="module")
def planned(server: Database) -> Plan:
    """Some plan, whose scans are replaced."""
    with server.database() as dsn:
        return explain(dsn, query="SELECT 1 AS a")


def segments(plan: Plan) -> list[tuple[str, int, int | None]]:
    """Each segment as it is read: of what, its first page, and the first one behind it."""
    found: list[tuple[str, int, int | None]] = []
    for scan in plan.scans:
        if scan.pages is None:
            found.append((scan.relation, 0, None))
            continue
        end = scan.first_page + scan.pages
        for first in range(scan.first_page, max(end, scan.first_page + 1), scan.pages_per_segment):
            last = first + scan.pages_per_segment
            found.append((scan.relation, first, None if scan.open_end and last >= end else min(last, end)))
    return found


scans = st.lists(st.one_of(st.none(), st.integers(0, 95)), min_size=1, max_size=5)


@given(pages=scans, part_pages=st.integers(1, 60))
def test_parts_are_the_plan(planned: Plan, pages: list[int | None], part_pages: int) -> None:
    each = (Scan(f"before {at}", "after", count, STEP, str(at)) for at, count in enumerate(pages))
    plan = replace(planned, scans=tuple(each))
    parts = parts_of(plan, part_pages * PAGE_BYTES, DUMP_FILES)
    assert [segment for part in parts for segment in segments(part.plan)] == segments(plan)
    assert parts[0].first_segment == 0
    assert [part.first_segment for part in parts[1:]] == [part.last_segment + 1 for part in parts[:-1]]
    assert parts[-1].last_segment == plan.segments - 1
    for part in parts:
        assert part.plan.segments == part.last_segment - part.first_segment + 1
        read = sum(scan.pages or 0 for scan in part.plan.scans)
        assert read <= part_pages or part.plan.segments == 1 or read <= STEP


def test_more_files_than_a_manifest_has_room_for(planned: Plan) -> None:
    plan = replace(planned, scans=(Scan("before", "after", 100 * STEP, STEP),))
    assert len(parts_of(plan, 1, 100)) == 100
    with pytest.raises(SpecError, match="more than 99 files of query; give a larger one") as raised:
        parts_of(plan, 1, 99)
    assert raised.value.field == "part_size"
