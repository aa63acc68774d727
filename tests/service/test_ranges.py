"""Conditions and ranges: RFC 9110, sections 13 and 14, with their own examples."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from polyglot_export.service.errors import PreconditionFailed, RangeNotSatisfiable
from polyglot_export.service.streams.ranges import GAP, MAX_RANGES, Entity, select

ENTITY = Entity('"abc"', datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), 10_000)
MADE = "Wed, 02 Jan 2030 03:04:05 GMT"
BEFORE = "Wed, 02 Jan 2030 03:04:04 GMT"
AFTER = "Wed, 02 Jan 2030 03:04:06 GMT"


def chosen(*, method: str = "GET", entity: Entity = ENTITY, **headers: str) -> tuple[int, list[tuple[int, int]]]:
    """Status and parts; ``if_match`` stands for ``If-Match``."""
    selection = select(method, Headers({name.replace("_", "-"): value for name, value in headers.items()}), entity)
    return selection.status, [(part.start, part.end) for part in selection.parts]


def test_the_date_is_that_of_http() -> None:
    assert ENTITY.last_modified == MADE


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=-500", [(9500, 10_000)]),
        ("bytes=9500-", [(9500, 10_000)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10_000)]),
        ("bytes= 0-999, 4500-5499, -1000", [(0, 1000), (4500, 5500), (9000, 10_000)]),
        ("bytes=9000-99999999999999999999", [(9000, 10_000)]),
        ("bytes=-20000", [(0, 10_000)]),
        ("BYTES=0-0", [(0, 1)]),
        ("bytes=,0-0,,", [(0, 1)]),
        ("bytes=20000-,0-0", [(0, 1)]),
        ("bytes=-0,5-5", [(5, 6)]),
    ],
)
def test_ranges(header: str, parts: list[tuple[int, int]]) -> None:
    assert chosen(range=header) == (206, parts)


@pytest.mark.parametrize(
    "header",
    [
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=0-1;2-3",
        "bytes=+1-2",
        "bytes=1 - 2",
        "bytes=²-³",
        "rows=0-1",
        "bytes=" + ",".join(f"{n * 90}-{n * 90}" for n in range(MAX_RANGES + 1)),
    ],
)
def test_what_is_no_range_is_ignored(header: str) -> None:
    assert chosen(range=header) == (200, [(0, 10_000)])


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=10000-10001,20000-", "bytes=-0"])
def test_no_byte_of_the_file(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        chosen(range=header)
    assert caught.value.headers == {"Content-Range": "bytes */10000"}


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-5"])
def test_an_empty_file_has_no_range_to_name(header: str) -> None:
    """``Content-Range`` cannot say "nothing of nothing"."""
    assert chosen(range=header, entity=Entity('"abc"', ENTITY.modified, 0)) == (200, [(0, 0)])


def test_several_headers_are_ignored() -> None:
    headers = Headers(raw=[(b"range", b"bytes=0-1"), (b"range", b"bytes=4-5")])
    assert select("GET", headers, ENTITY).status == 200


def test_head_has_no_ranges() -> None:
    assert chosen(method="HEAD", range="bytes=0-1") == (200, [(0, 10_000)])


def test_what_overlaps_or_nearly_touches_is_one_part() -> None:
    assert chosen(range="bytes=0-99,50-149") == (206, [(0, 150)])
    assert chosen(range=f"bytes=0-99,{100 + GAP}-299") == (206, [(0, 300)])
    assert chosen(range=f"bytes=0-99,{101 + GAP}-299") == (206, [(0, 100), (101 + GAP, 300)])
    assert chosen(range="bytes=5000-5099,0-99,5050-5199") == (206, [(5000, 5200), (0, 100)]), (
        "in the order of the request"
    )
    assert chosen(range="bytes=0-99,1000-1099,50-1050") == (206, [(0, 1100)])


@given(st.lists(st.tuples(st.integers(0, 11_000), st.integers(0, 3_000)), min_size=1, max_size=20))
def test_parts_have_all_that_was_asked_for_and_no_byte_twice(pairs: list[tuple[int, int]]) -> None:
    header = "bytes=" + ",".join(f"{first}-{first + count}" for first, count in pairs)
    wanted = {at for first, count in pairs for at in range(first, min(first + count + 1, ENTITY.size))}
    if not wanted:
        with pytest.raises(RangeNotSatisfiable):
            chosen(range=header)
        return
    _, parts = chosen(range=header)
    sent = [at for start, end in parts for at in range(start, end)]
    assert len(sent) == len(set(sent))
    assert wanted <= set(sent)
    assert all(start < end <= ENTITY.size for start, end in parts)
    assert all(second[0] - first[1] > GAP for first, second in zip(sorted(parts), sorted(parts)[1:], strict=False))


@pytest.mark.parametrize("condition", ['"abc"', ' "abc" ', MADE])
def test_if_range_that_holds(condition: str) -> None:
    assert chosen(range="bytes=0-9", if_range=condition) == (206, [(0, 10)])


@pytest.mark.parametrize("condition", ['"other"', 'W/"abc"', '"abc", "def"', BEFORE, AFTER, "nonsense", "*"])
def test_if_range_that_does_not_hold_gives_the_whole_file(condition: str) -> None:
    assert chosen(range="bytes=0-9", if_range=condition) == (200, [(0, 10_000)])
    assert chosen(range="bytes=99999-", if_range=condition) == (200, [(0, 10_000)])


@pytest.mark.parametrize("tags", ['"abc"', 'W/"abc"', '"x", "abc"', '"x,y",W/"abc"', "*", " * "])
def test_if_none_match_that_lists_it(tags: str) -> None:
    assert chosen(if_none_match=tags) == (304, [])
    assert chosen(if_none_match=tags, method="HEAD", range="bytes=0-1", if_modified_since=BEFORE) == (304, [])


@pytest.mark.parametrize("tags", ['"x"', '"ab"', "abc", '""', '"x\'abc"'])
def test_if_none_match_that_does_not(tags: str) -> None:
    assert chosen(if_none_match=tags)[0] == 200
    assert chosen(if_none_match=tags, if_modified_since=AFTER)[0] == 200, "If-Modified-Since does not count beside it"


@pytest.mark.parametrize(("date", "status"), [(BEFORE, 200), (MADE, 304), (AFTER, 304), ("nonsense", 200), ("", 200)])
def test_if_modified_since(date: str, status: int) -> None:
    assert chosen(if_modified_since=date)[0] == status


@pytest.mark.parametrize("tags", ['"abc"', '"x", "abc"', "*"])
def test_if_match_that_lists_it(tags: str) -> None:
    assert chosen(if_match=tags, if_unmodified_since=BEFORE, range="bytes=0-0") == (206, [(0, 1)])


@pytest.mark.parametrize("tags", ['"x"', 'W/"abc"', "abc"])
def test_if_match_that_does_not(tags: str) -> None:
    with pytest.raises(PreconditionFailed, match="ETag"):
        chosen(if_match=tags, if_none_match='"abc"')


def test_if_unmodified_since() -> None:
    assert chosen(if_unmodified_since=MADE)[0] == 200
    assert chosen(if_unmodified_since="nonsense")[0] == 200
    with pytest.raises(PreconditionFailed, match="Wed, 02 Jan 2030"):
        chosen(if_unmodified_since=BEFORE)
