"""A receiver of webhooks: refuses what is not signed, ignores what it has seen, and fetches files that are ready.

    WEBHOOK_SECRET=whsec_… python webhook_receiver.py 9000

It needs nothing but Python. In an application of your own, `verify` is the part to take; the package `standardwebhooks`
and its sisters in other languages do the same. Answer quickly: the service waits for `timeout` seconds, 15 where the
configuration says nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

TOLERANCE = 300
"""Seconds that a signature may be old; one that somebody has recorded is worthless afterwards."""
MAX_BODY = 1 << 20
SEEN = 10_000
"""Ids that are remembered. A real receiver keeps them where it keeps its data, and for longer than retries take."""


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> None:
    """Check that a message comes from who has the secret, unchanged, and now.

    Args:
        secret: ``whsec_…``, as it is in the configuration of the service.
        headers: Of the request, with their names in lower case.
        body: Exactly as it came; JSON that was read and written again has another signature.

    Raises:
        ValueError: It does not.
    """
    message, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > TOLERANCE:
        raise ValueError("too old, or from the future")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = hmac.digest(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256)
    for signature in headers.get("webhook-signature", "").split():
        version, _, encoded = signature.partition(",")
        # Compared in constant time, so that nobody finds the right one byte by byte.
        if version == "v1" and hmac.compare_digest(base64.b64encode(expected), encoded.encode()):
            return
    raise ValueError("no signature that fits")


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what is new or known, 400 to what is not signed."""

    seen: ClassVar[OrderedDict[str, None]] = OrderedDict()

    def do_POST(self) -> None:
        """Take a message."""
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(min(length, MAX_BODY))
        try:
            headers = {name.lower(): value for name, value in self.headers.items()}
            verify(os.environ["WEBHOOK_SECRET"], headers, body)
        except ValueError as error:
            self.send_error(400, str(error))
            return
        message = self.headers["webhook-id"]
        # The same message may come twice: its answer may have been lost.
        if message not in self.seen:
            self.seen[message] = None
            while len(self.seen) > SEEN:
                self.seen.popitem(last=False)
            handle(json.loads(body))
        self.send_response(204)
        self.end_headers()


def handle(message: dict[str, object]) -> None:
    """What to do with a message; a slow job belongs in a queue, behind the answer."""
    export = message["data"]
    if isinstance(export, dict):
        print(message["type"], export["exportId"], export["rows"], flush=True)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
