"""JSON of requests and answers: exact numbers, nothing ambiguous."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export.service.errors import BodyTooLarge, MalformedRequest, SlowClient, UnsupportedMediaType
from polyglot_export.service.http import bodies as wire
from polyglot_export.service.http.bodies import DISCARD_BYTES, loads, object_of, read_body
from polyglot_export.text.exact_json import dumps

pytestmark = pytest.mark.anyio

JSON = {"content-type": "application/json"}
NUMBER = st.decimals(allow_nan=False, allow_infinity=False)
VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | NUMBER
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), inner)
    ),
)


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(VALUE)
def test_what_is_written_reads_back(value: object) -> None:
    assert loads(dumps(value).encode()) == value


@given(VALUE)
def test_the_standard_reader_agrees(value: object) -> None:
    assert json.loads(dumps(value), parse_float=Decimal, parse_int=Decimal) == value


def test_numbers_keep_every_digit() -> None:
    text = b'{"value": 12345678901234567890.10, "small": 1e-400}'
    assert loads(text) == {"value": Decimal("12345678901234567890.10"), "small": Decimal("1e-400")}
    assert dumps(loads(text)) == '{"value":12345678901234567890.10,"small":1E-400}'


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1,}', "not JSON"),
        (b"[]", "must be a JSON object"),
        (b"3", "must be a JSON object"),
        (b'{"format": "csv", "format": "json"}', "'format' is given twice"),
        (b'{"filter": [{"a": 1, "a": 1}]}', "'a' is given twice"),
        (b'{"limit": NaN}', "NaN is not a JSON number"),
        (b'{"limit": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"limit": 1e999999999999999999999999}', "exponent is too large"),
        (b'{"limit": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"a": "\\u0000"}', "U+0000"),
        (b'{"\\u0000": 1}', "U+0000"),
        (b'{"a": ["\\ud800"]}', "surrogate"),
        (b'{"a": "\xff"}', "byte 8"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b'{"a": ' * 5000 + b"1" + b"}" * 5000, "nested too deeply"),
        (b'{"a": ' * 450 + b"1" + b"}" * 450, "nested too deeply"),
    ],
)
async def test_a_malformed_body_is_refused_with_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(MalformedRequest) as caught:
        await object_of(body)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
)
async def test_only_json_is_taken(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        await read_body(
            {} if content_type is None else {"content-type": content_type}, _chunks(b'{"format": "csv"}'), 100
        )


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON ; charset=UTF-8", 'application/json; charset="utf-8"']
)
async def test_json_in_utf8_is_taken(content_type: str) -> None:
    headers = {"content-type": content_type, "content-length": "17"}
    body = await read_body(headers, _chunks(b'{"format":', b' "csv"}'), 17)
    assert await object_of(body) == {"format": "csv"}


async def test_a_large_body_is_not_kept_and_not_read_for_ever() -> None:
    read: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            read.append(1 << 20)
            yield bytes(1 << 20)

    for declared in ({"content-length": str(DISCARD_BYTES + 101)}, {"content-length": "101", "expect": "100-continue"}):
        with pytest.raises(BodyTooLarge, match="100 bytes"):
            await read_body({**JSON, **declared}, endless(), 100)
        assert not read, "the declared length was enough to refuse it"
    with pytest.raises(BodyTooLarge):
        await read_body(JSON, endless(), 100)
    assert sum(read) <= DISCARD_BYTES + (2 << 20)


async def test_a_body_that_is_a_little_too_large_is_read_to_its_end_so_that_the_client_reads_why() -> None:
    left = iter([b" " * 90, b" " * 90, b" "])

    async def body() -> AsyncIterator[bytes]:
        for chunk in left:
            yield chunk

    with pytest.raises(BodyTooLarge):
        await read_body({**JSON, "content-length": "181"}, body(), 100)
    assert list(left) == []


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(100)

    monkeypatch.setattr(wire, "BODY_SECONDS", 0.1)
    with pytest.raises(SlowClient, match="body"):
        await read_body(JSON, silent(), 100)
