"""An S3 server that reads what it is sent and drops it, to measure an export into an object store without the store.

``python -m benchmarks.null_store PORT`` serves 127.0.0.1 until it is ended.
"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

__all__ = ["serve"]

BUFFER_BYTES = 1 << 20
LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
BEGUN = b"<InitiateMultipartUploadResult><UploadId>none</UploadId></InitiateMultipartUploadResult>"
COMPLETED = b'<CompleteMultipartUploadResult><ETag>"none"</ETag></CompleteMultipartUploadResult>'


class _Handler(BaseHTTPRequestHandler):
    """Answers an upload as S3 does. A list is empty, and no object is ever there."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    buffer = bytearray(BUFFER_BYTES)
    """Shared by all connections: nobody reads it."""

    def do_GET(self) -> None:
        """The list of objects."""
        self._answer(200, LIST)

    def do_POST(self) -> None:
        """An upload begins, or is complete."""
        self._drop()
        self._answer(
            200, BEGUN if "uploads" in parse_qs(urlsplit(self.path).query, keep_blank_values=True) else COMPLETED
        )

    def do_PUT(self) -> None:
        """A part, or a small object."""
        self._drop()
        self._answer(200, b"")

    def do_DELETE(self) -> None:
        """An upload is aborted."""
        self._answer(204, b"")

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
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
        """Say nothing."""


def serve(port: int) -> None:
    """Serve until the process is ended."""
    with ThreadingHTTPServer(("127.0.0.1", port), _Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
