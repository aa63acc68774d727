"""A plain uvicorn application that sends files from memory: what is left of a download where nobody makes the file.

``python -m benchmarks.memory_server FOLDER`` prints its port, and serves each file of the folder under its name until
it gets a signal. The settings of HTTP, and the sizes of the parts, are those of ``polyglot serve``.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from polyglot_export.limits import CHUNK_BYTES
from polyglot_export.service.sockets import BACKLOG

__all__ = ["main"]


def application(files: Mapping[str, bytes]) -> ASGIApp:
    """The application.

    Args:
        files: By their paths.
    """
    parts = {
        path: [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
        for path, content in files.items()
    }
    headers = [(b"content-type", b"text/csv; charset=utf-8; header=present"), (b"cache-control", b"no-store")]

    async def send_file(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the signature of ASGI
        known = parts.get(scope["path"])
        await send({"type": "http.response.start", "status": 404 if known is None else 200, "headers": headers})
        for part in known or []:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_file


def main(folder: Path) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        folder: Its files are read once, now.
    """
    files = {f"/{file.name}": file.read_bytes() for file in folder.iterdir()}
    config = uvicorn.Config(
        application(files),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        # Whoever reads the port may connect at once.
        listening.listen(BACKLOG)
        print(listening.getsockname()[1], flush=True)
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
