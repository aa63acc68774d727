"""Django's development server ends every body in the same way, failed or not: by closing the connection, without
chunks and without a length. What a client can tell apart is a connection that is reset.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

__all__ = ["cut"]

_NO_LINGER = struct.pack("ii", 1, 0)


def cut(environ: Mapping[str, Any]) -> None:
    """Reset the connection of a request, where its server is that one."""
    if not str(environ.get("SERVER_SOFTWARE", "")).startswith("WSGIServer"):
        return
    # The server gives its connection to nobody; the request's body is read from it.
    reader = getattr(getattr(environ.get("wsgi.input"), "_read", None), "__self__", None)
    connection = getattr(getattr(reader, "raw", None), "_sock", None)
    if isinstance(connection, socket.socket):
        with suppress(OSError):
            # With a linger time of zero, close() sends RST (socket(7)).
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            os.close(connection.detach())
