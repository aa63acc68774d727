"""A client of the service as others write them: standard library only, the file goes to disk as it comes."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from polyglot_export.errors import PolyglotError

__all__ = ["Client"]

READ_BYTES: Final = 1 << 18
"""The size of the service's chunks."""
TIMEOUT_SECONDS: Final = 300
"""Silence of the service after which the client gives up."""


class Client:
    """One keep-alive connection to the service.

    Args:
        url: ``http://host:port``.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "127.0.0.1", parts.port, timeout=TIMEOUT_SECONDS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def create(self, spec: dict[str, Any]) -> str:
        """``POST /exports``; gives the id of the export."""
        self._connection.request("POST", "/exports", json.dumps(spec), {"Content-Type": "application/json"})
        return str(json.loads(self._body(201))["exportId"])

    def download(self, export_id: str, target: Path) -> int:
        """``GET /exports/{id}/download`` into a file, without decoding it; gives its size in bytes.

        Raises:
            PolyglotError: The service refused, or the response was cut.
        """
        self._connection.request("GET", f"/exports/{export_id}/download")
        response = self._connection.getresponse()
        if response.status != 200:
            raise PolyglotError(
                f"the download was answered with {response.status}", detail=response.read().decode(errors="replace")
            )
        size = 0
        try:
            with target.open("wb") as file:
                while chunk := response.read(READ_BYTES):
                    file.write(chunk)
                    size += len(chunk)
        except http.client.IncompleteRead as error:
            raise PolyglotError(f"the download was cut after {size + len(error.partial)} bytes") from error
        return size

    def state(self, export_id: str) -> dict[str, Any]:
        """``GET /exports/{id}``."""
        self._connection.request("GET", f"/exports/{export_id}")
        state: dict[str, Any] = json.loads(self._body(200))
        return state

    def _body(self, status: int) -> bytes:
        response = self._connection.getresponse()
        body = response.read()
        if response.status != status:
            raise PolyglotError(f"the service answered {response.status}", detail=body.decode(errors="replace"))
        return body
