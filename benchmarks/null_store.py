"""An S3 server that reads what it is sent and drops it, to measure uploads into an object store without the store.

Small objects it keeps, since a dump looks again at its claim.

``python -m benchmarks.null_store PORT`` serves 127.0.0.1 until it is ended.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

__all__ = ["serve"]

BUFFER_BYTES = 1 << 20
SMALL_BYTES = 64 << 10
LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
BEGUN = b"<InitiateMultipartUploadResult><UploadId>none</UploadId></InitiateMultipartUploadResult>"
COMPLETED = b'<CompleteMultipartUploadResult><ETag>"none"</ETag></CompleteMultipartUploadResult>'


class _Handler(BaseHTTPRequestHandler):
    """Answers an upload as S3 does. A list is empty, and no large object is ever there."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    buffer = bytearray(BUFFER_BYTES)
    """Shared by all connections: nobody reads it."""
    small: ClassVar[dict[str, bytes]] = {}
    """Objects that are kept, by their paths."""

    def do_HEAD(self) -> None:
        """Whether a small object is there."""
        self._kept(self.small.get(urlsplit(self.path).path))

    def do_GET(self) -> None:
        """The list of objects, or a small one."""
        if "list-type" in parse_qs(urlsplit(self.path).query):
            self._answer(200, LIST)
        else:
            self._kept(self.small.get(urlsplit(self.path).path))

    def do_POST(self) -> None:
        """An upload begins, or is complete."""
        self._drop()
        self._answer(
            200, BEGUN if "uploads" in parse_qs(urlsplit(self.path).query, keep_blank_values=True) else COMPLETED
        )

    def do_PUT(self) -> None:
        """A part, or a small object."""
        url = urlsplit(self.path)
        if int(self.headers.get("Content-Length") or 0) > SMALL_BYTES or "uploadId" in parse_qs(url.query):
            self._drop()
        else:
            self.small[url.path] = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(200, b"")

    def do_DELETE(self) -> None:
        """An upload is aborted, or a small object removed."""
        self.small.pop(urlsplit(self.path).path, None)
        self._answer(204, b"")

    def _kept(self, content: bytes | None) -> None:
        if content is None:
            self._answer(404, b"")
        else:
            self._answer(200, content)

    def _drop(self) -> None:
        left = int(self.headers.get("Content-Length") or 0)
        view = memoryview(self.buffer)
        while left > 0:
            left -= self.rfile.readinto1(view[: min(left, BUFFER_BYTES)])

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response_only(status)
        self.send_header("ETag", '"none"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
        """Say nothing."""


def serve(port: int) -> None:
    """Serve until the process is ended."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
