"""What the head of a request says about the message itself, and what HTTP asks of it that the parser leaves to us."""

from __future__ import annotations

import re

from polyglot_export.service.errors import HeaderTooLarge, MalformedRequest

__all__ = ["HEADER_COST", "MAX_HEAD", "MAX_HEADERS", "RequestHead"]

MAX_HEAD = 64 << 10
"""Bytes of one request's line and headers: httptools itself has no limit."""
MAX_HEADERS = 200
"""Headers of one request: one of three bytes costs :data:`HEADER_COST` all the same. Browsers send twenty, proxies add
ten."""
HEADER_COST = 200
"""Bytes of memory that a header takes beside its own: two objects, the pair of them, and the place in a list."""
_HOST = re.compile(rb"([A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Za-z:.~-]+\])(:[0-9]*)?")


class RequestHead:
    """The head of one request, while it comes."""

    def __init__(self) -> None:
        self.length: int | None = None
        """Bytes of the body, if the head has ``Content-Length``."""
        self._host: bytes | None = None
        self._has_body = False
        self._headers = 0

    def add(self, name: bytes, value: bytes) -> None:
        """Look at the next header.

        Raises:
            HeaderTooLarge: One more than :data:`MAX_HEADERS`.
            MalformedRequest: The second ``Host``.
        """
        self._headers += 1
        if self._headers > MAX_HEADERS:
            raise HeaderTooLarge(f"the request has more than {MAX_HEADERS} headers, which is the limit")
        name = name.lower()
        if name == b"host":
            if self._host is not None:
                raise MalformedRequest("the request has two Host headers", field="Host")
            self._host = value
        elif name == b"content-length":
            # The parser has checked that it is a number.
            self.length = int(value)
            self._has_body = self.length > 0
        elif name == b"transfer-encoding":
            self._has_body = True

    def check(self, version: str, *, upgrade: bool) -> None:
        """Look at the whole, now that it is complete.

        Args:
            version: Of HTTP, as the request line has it.
            upgrade: Whether the parser takes what follows for another protocol.

        Raises:
            MalformedRequest: The version is not spoken (RFC 9112, section 2.3), ``Host`` is missing or wrong (section
                3.2), or a body would be taken for that other protocol.
        """
        if version not in {"1.0", "1.1"}:
            raise MalformedRequest(f"HTTP/{version} is not spoken here; HTTP/1.1 is")
        if self._host is None and version == "1.1":
            raise MalformedRequest("the request has no Host header", field="Host")
        if self._host is not None and not _HOST.fullmatch(self._host.strip()):
            raise MalformedRequest("the Host header is neither a name nor an address", field="Host")
        if upgrade and self._has_body:
            raise MalformedRequest("a request that has a body cannot ask for another protocol here", field="Upgrade")
