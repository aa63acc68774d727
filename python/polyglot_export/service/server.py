"""The process: sockets, uvicorn, signals."""

from __future__ import annotations

import logging
import math
import socket
from types import FrameType

import uvicorn

from polyglot_export.errors import InternalError, SpecError
from polyglot_export.execution import allocator
from polyglot_export.service import logs
from polyglot_export.service.app import create_app
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.container import Service
from polyglot_export.service.http.auth import check_binding
from polyglot_export.service.http.protocol import ExportProtocol
from polyglot_export.service.logs import event

__all__ = ["listen", "run"]

KEEPALIVE_IDLE = 15
KEEPALIVE_INTERVAL = 5
KEEPALIVE_COUNT = 3
"""Seconds and tries: a peer that vanished while nothing is being sent is noticed after 30 s instead of two hours."""
USER_TIMEOUT = 60
"""Seconds that sent bytes may stay unacknowledged: without it a peer that vanished is noticed after a quarter of an
hour. Linux counts a full receive window the same way (tcp_probe_timer), so a client that is only slow falls under it as
well."""
USER_TIMEOUT_MARGIN = 15
"""Seconds by which our own cut of a slow client comes first: the kernel drops the connection without telling the
client."""
NOTSENT_LOWAT = 128 << 10
"""Bytes not sent yet that the kernel takes: a stalled client then costs 0.14 MB of kernel memory instead of 3.9."""
TCP_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
IDLE_SECONDS = 75
"""Seconds an idle connection is kept: longer than proxies keep theirs, so that they never send into one being
closed."""
BACKLOG = 2048

_log = logging.getLogger(__name__)


def run(settings: ServiceSettings) -> None:
    """Serve until SIGTERM or SIGINT, then let running downloads end within their grace.

    Args:
        settings: Validated settings.

    Raises:
        SpecError: The settings or the configuration do not allow a start; nothing is listened to.
        InternalError: uvicorn did not start.
    """
    allocator.give_back()
    logs.configure(settings.log_format, settings.log_level, logs.secrets_of(settings.database_url, settings.redis_url))
    app = create_app(settings)
    service: Service = app.state.service
    # Every task inherits it.
    logs.about(replica=service.runs.replica)
    check_binding(settings.host, service.configuration.keys)
    sockets = listen(settings.host, settings.port, user_timeout(settings))
    if service.spool.configured:
        service.spool.open()
    config = uvicorn.Config(
        app,
        http=ExportProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        # Nothing here depends on the client's address or scheme, so nobody needs to be trusted about them.
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace),
    )
    _announce(settings, service, sockets)
    server = _Server(config, service)
    server.run(sockets=sockets)
    event(_log, logging.INFO, "service ended")
    if not server.started:
        raise InternalError("the service did not start; its log has the reason")


def user_timeout(settings: ServiceSettings) -> float:
    """Seconds for TCP_USER_TIMEOUT, never before our own limit for slow clients."""
    return max(USER_TIMEOUT, settings.slow_client_timeout + USER_TIMEOUT_MARGIN)


def listen(host: str, port: int, user_timeout_seconds: float) -> list[socket.socket]:
    """Listen on every address of a host; accepted connections inherit the options (tcp(7), on Linux).

    Args:
        host: Name or address.
        port: 0 takes a free port, the same for all addresses.
        user_timeout_seconds: For TCP_USER_TIMEOUT.

    Raises:
        SpecError: An address cannot be listened on.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            chosen = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_listen(family, (address[0], chosen, *address[2:]), user_timeout_seconds))
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise SpecError("PORT", f"cannot listen on {host} port {port}: {error.strerror}") from None
    return sockets


def _listen(family: int, address: tuple[object, ...], user_timeout_seconds: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(user_timeout_seconds * 1000))
        sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


class _Server(uvicorn.Server):
    """uvicorn's server, which tells the service that the end has begun and leaves the process with an exit code."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """The first signal drains, the second one does not wait. uvicorn would raise both again after an orderly
        end.
        """
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what has not begun, then let the rest end."""
        event(_log, logging.INFO, "service is ending", running=len(self._service.runs))
        self._service.runs.refuse_new()
        self._service.prepared.stop()
        await super().shutdown(sockets)


def _announce(settings: ServiceSettings, service: Service, sockets: list[socket.socket]) -> None:
    if settings.db_cursor_batch_size is not None:
        event(
            _log,
            logging.WARNING,
            "DB_CURSOR_BATCH_SIZE is not used: rows are read by COPY in segments, without a cursor; "
            "POLYGLOT_WORKERS and POLYGLOT_MEMORY_LIMIT size an export",
            given=settings.db_cursor_batch_size,
        )
    configuration = service.configuration
    for sock in sockets:
        address, port = sock.getsockname()[:2]
        shown = f"[{address}]" if sock.family == socket.AF_INET6 else address
        event(
            _log,
            logging.INFO,
            "service started",
            url=f"http://{shown}:{port}",
            keys=len(list(configuration.keys)),
            config=configuration.path,
            exportMemory=service.budget.capacity,
        )
