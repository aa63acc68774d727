"""The JSON bodies of requests and answers, with exact numbers.

The standard library's ``json`` reads numbers as doubles, takes the last of two members with the same name and accepts
``NaN``. Here numbers are decimals, and what RFC 8259 and I-JSON (RFC 7493) do not allow is refused with a sentence.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse

from polyglot_export.limits import BODY_VALUES
from polyglot_export.service.errors import BodyTooLarge, ClientGone, MalformedRequest, SlowClient, UnsupportedMediaType
from polyglot_export.text.exact_json import dumps

__all__ = ["ExactJSONResponse", "loads", "object_of", "read_body"]

BODY_SECONDS = 30.0
"""Time that a body may take: the largest one needs a second on a slow line."""
LARGE = 64 << 10
"""Bytes of a body that takes more than a moment to read."""
MAX_LEVELS = 100
"""Of a body: none that means something has more than ten, and what walks through one needs some calls a level."""
DISCARD_BYTES = 16 << 20
"""Bytes beyond the limit that are read and thrown away before a body is refused, so that the client reads why."""


async def read_body(headers: Mapping[str, str], body: AsyncIterator[bytes], limit: int) -> bytes:
    """Read the body of a request that is declared as JSON.

    Args:
        headers: Of the request, names in lower case. A body without ``content-type`` is refused as well: browsers send
            such a request to any address without asking that address first.
        body: The chunks of the body.
        limit: Most bytes that are kept.

    Raises:
        UnsupportedMediaType: The body is not declared as JSON in UTF-8.
        BodyTooLarge: More than ``limit`` bytes.
        SlowClient: The body did not come in time.
        ClientGone: The client left before its end.
    """
    _check_media_type(headers.get("content-type"))
    declared = headers.get("content-length", "")
    size = int(declared) if declared.isascii() and declared.isdigit() and len(declared) < 20 else 0
    if size > limit and (size > limit + DISCARD_BYTES or "expect" in headers):
        raise _too_large(limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(body, limit)
    except TimeoutError:
        raise SlowClient(
            f"the body did not arrive within {BODY_SECONDS:g} seconds", headers={"Connection": "close"}
        ) from None


async def object_of(data: bytes) -> dict[str, Any]:
    """A body as one JSON object. A large one is read in a thread, so that the event loop goes on.

    Raises:
        BodyTooLarge: More than :data:`~polyglot_export.limits.BODY_VALUES` members and elements.
        MalformedRequest: Not one JSON object; the sentence says what and where.
    """
    # Counted before they are objects: each takes up to a hundred times its bytes. Commas in texts count, too.
    values = data.count(b",") + data.count(b"[") + data.count(b"{")
    if values > BODY_VALUES:
        raise BodyTooLarge(f"the body has {values} members and elements; {BODY_VALUES} are allowed")
    value = loads(data) if len(data) < LARGE else await asyncio.to_thread(loads, data)
    if not isinstance(value, dict):
        raise MalformedRequest('the body must be a JSON object such as {"format": "csv"}')
    return value


def loads(data: bytes) -> Any:
    """Parse JSON exactly; see the module's docstring.

    Raises:
        MalformedRequest: The sentence says what is wrong and where.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"the body is not UTF-8: byte {error.start + 1} is wrong") from None
    if not text.strip():
        raise MalformedRequest('the body is empty; it must be a JSON object such as {"format": "csv"}')
    try:
        value = json.loads(text, parse_float=_decimal, parse_constant=_refuse_constant, object_pairs_hook=_members)
        _check_text(value)
    except json.JSONDecodeError as error:
        raise MalformedRequest(
            f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise MalformedRequest("the body is nested too deeply") from None
    except ValueError:
        # int() refuses more than sys.get_int_max_str_digits() digits, which keeps it from taking quadratic time.
        raise MalformedRequest("the body has a number with too many digits") from None
    return value


class ExactJSONResponse(JSONResponse):
    """A JSON answer written by :func:`dumps`."""

    def render(self, content: Any) -> bytes:
        """The body's bytes."""
        return dumps(content).encode()


async def _read(body: AsyncIterator[bytes], limit: int) -> bytes:
    """The whole body. One that is too large is read a little further and thrown away: a client that is still sending
    when the connection is closed gets a reset instead of the answer.
    """
    data = bytearray()
    discarded = 0
    try:
        async for chunk in body:
            if discarded or len(data) + len(chunk) > limit:
                discarded += len(chunk)
                if discarded > DISCARD_BYTES:
                    break
            else:
                data += chunk
    except ClientDisconnect:
        raise ClientGone("the client closed the connection before the end of the body") from None
    if discarded:
        raise _too_large(limit)
    return bytes(data)


def _check_media_type(content_type: str | None) -> None:
    media_type, _, parameters = (content_type or "").partition(";")
    if media_type.strip().lower() != "application/json":
        given = f"not {content_type!r}" if content_type else "and the request has none"
        raise UnsupportedMediaType(f"the Content-Type must be application/json, {given}", field="Content-Type")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if parameters.strip().lower().startswith("charset=") and charset not in {"utf-8", "utf8"}:
        raise UnsupportedMediaType(f"the charset must be utf-8, not {charset!r}", field="Content-Type")


def _too_large(limit: int) -> BodyTooLarge:
    # Some of the body may still be on its way, so the connection cannot be used again.
    return BodyTooLarge(f"the body has more than {limit} bytes, which is the limit", headers={"Connection": "close"})


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise MalformedRequest("the body has a number whose exponent is too large") from None


def _refuse_constant(name: str) -> Any:
    raise MalformedRequest(f"{name} is not a JSON number")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise MalformedRequest(f"the member {name!r} is given twice", field=name)
            seen.add(name)
    return members


def _check_text(value: Any, levels: int = MAX_LEVELS) -> None:
    """PostgreSQL has no character U+0000, and a lone surrogate cannot be encoded at all."""
    if not levels:
        raise MalformedRequest("the body is nested too deeply")
    if isinstance(value, str):
        if "\0" in value:
            raise MalformedRequest("a string of the body holds the character U+0000, which PostgreSQL has not")
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise MalformedRequest("a string of the body holds half of a surrogate pair, which is not a character")
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name, levels)
            _check_text(item, levels - 1)
    elif isinstance(value, list):
        for item in value:
            _check_text(item, levels - 1)
