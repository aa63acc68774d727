"""One attempt to deliver a message: an HTTP request of our own, since all that matters here are its bounds.

The whole attempt has one time limit, of the answer no more than a few kilobytes are read, and a redirect leads nowhere.
"""

from __future__ import annotations

import asyncio
import math
import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache
from typing import Any

import httptools

from polyglot_export.jobs.clock import now
from polyglot_export.service.webhooks.configured import Webhook

__all__ = ["Attempt", "Result", "post"]

ANSWER_BYTES = 16 << 10
"""Of an answer, its head included; what comes behind is not read."""
READ_BYTES = 4096
BODY_SECONDS = 1.0
"""Time for the body of an answer, of which nothing is used: a receiver that is cut off before its end may take the
message for failed."""


class Result(StrEnum):
    """What came of an attempt."""

    DELIVERED = "delivered"
    """Any status from 200 to 299."""
    GONE = "gone"
    """410: the receiver wants no more."""
    REFUSED = "refused"
    """Any other answer."""
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    """No connection, or none that is trusted, or one that ended without an answer."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that is over."""

    result: Result
    reason: str | None = None
    """Why it failed, for the owner of the export: it names neither the address nor what the receiver wrote."""
    retry_after: float | None = None
    """Seconds that the receiver asks to be left alone."""


async def post(webhook: Webhook, headers: Mapping[str, str], body: bytes) -> Attempt:
    """Send a message.

    Args:
        webhook: Where to.
        headers: Beside those that every request has.
        body: JSON.

    Memory:
        The body and :data:`ANSWER_BYTES`.
    """
    try:
        async with asyncio.timeout(webhook.timeout):
            return await _exchange(webhook, _request(webhook, headers, body))
    except TimeoutError:
        return Attempt(Result.TIMEOUT, f"the receiver did not answer within {webhook.timeout:g} seconds")
    except ssl.SSLCertVerificationError as error:
        # Behind a comma OpenSSL names the host.
        detail = error.verify_message.partition(",")[0]
        return Attempt(Result.UNREACHABLE, f"the receiver's certificate is not trusted: {detail}")
    except ssl.SSLError as error:
        return Attempt(Result.UNREACHABLE, f"TLS failed: {(error.reason or 'no reason').replace('_', ' ').lower()}")
    except socket.gaierror:
        return Attempt(Result.UNREACHABLE, "the name of the receiver's host is not known")
    except OSError as error:
        return Attempt(Result.UNREACHABLE, f"the connection failed: {_reason(error)}")
    except httptools.HttpParserError:
        return Attempt(Result.UNREACHABLE, "what the receiver answered is not HTTP")


def _reason(error: OSError) -> str:
    # The text of an OSError of asyncio has the address in it.
    return os.strerror(error.errno) if error.errno else type(error).__name__


def _request(webhook: Webhook, headers: Mapping[str, str], body: bytes) -> bytes:
    url = webhook.url
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {url.netloc}",
        "User-Agent: polyglot-export",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


async def _exchange(webhook: Webhook, request: bytes) -> Attempt:
    url = webhook.url
    secure = url.scheme == "https"
    context = await asyncio.to_thread(_trusted) if secure else None
    reader, writer = await asyncio.open_connection(
        url.hostname, url.port or (443 if secure else 80), ssl=context, limit=ANSWER_BYTES
    )
    try:
        writer.write(request)
        return await _answer(reader)
    finally:
        # At once, whatever the receiver still wants to say.
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader) -> Attempt:
    answer = _Answer()
    parser: Any = httptools.HttpResponseParser(answer)
    answer.status_code = parser.get_status_code
    left = ANSWER_BYTES
    while answer.status is None and left > 0:
        data = await reader.read(min(left, READ_BYTES))
        if not data:
            return Attempt(Result.UNREACHABLE, "the receiver closed the connection without an answer")
        left -= len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            break
    if answer.status is None:
        return Attempt(Result.UNREACHABLE, "the receiver's answer has too long a head, or none")
    with suppress(TimeoutError, OSError, httptools.HttpParserError):
        async with asyncio.timeout(BODY_SECONDS):
            while not answer.complete and left > 0 and (data := await reader.read(min(left, READ_BYTES))):
                left -= len(data)
                parser.feed_data(data)
    return _judged(answer.status, answer.retry_after)


def _judged(status: int, retry_after: str | None) -> Attempt:
    if 200 <= status < 300:
        return Attempt(Result.DELIVERED)
    if status == 410:
        return Attempt(Result.GONE, "the receiver answered 410: it wants no messages any more")
    hint = "; redirects are not followed" if 300 <= status < 400 else ""
    return Attempt(Result.REFUSED, f"the receiver answered {status}{hint}", _seconds(retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """The seconds of a ``Retry-After`` (RFC 9110, section 10.2.3); ``None`` where it has none."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    try:
        return max(0.0, (parsedate_to_datetime(text) - now()).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


class _Answer:
    """What httptools calls while it reads an answer."""

    def __init__(self) -> None:
        self.status_code: Any = None
        self.status: int | None = None
        """That of the answer itself; one of 100 to 199 only comes before it."""
        self.retry_after: str | None = None
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self.status_code()
        if status >= 200:
            self.status = status

    def on_message_complete(self) -> None:
        self.complete = self.status is not None


@cache
def _trusted() -> ssl.SSLContext:
    """Trusts what the system trusts; made once, since reading its certificates takes a while."""
    return ssl.create_default_context()
