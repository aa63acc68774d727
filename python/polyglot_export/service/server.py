"""The process that serves: from its settings to its exit code."""

from __future__ import annotations

import asyncio
import logging
import math
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from prometheus_client import disable_created_metrics

from polyglot_export.errors import InternalError
from polyglot_export.execution import allocator
from polyglot_export.service import logs
from polyglot_export.service.app import create_app, service_of
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import Configuration
from polyglot_export.service.container import Service
from polyglot_export.service.http.acceptor import Acceptor
from polyglot_export.service.http.protocol import ExportProtocol
from polyglot_export.service.https import ReloadedTls, open_tls
from polyglot_export.service.logs import event
from polyglot_export.service.pid_file import PidFile, ReloadNote
from polyglot_export.service.reload import Reloader
from polyglot_export.service.role_logins import check_roles
from polyglot_export.service.sockets import BACKLOG, check_binding, listen, user_timeout
from polyglot_export.service.tls.live import LiveTls

__all__ = ["run"]

IDLE_SECONDS = 75
"""Seconds an idle connection is kept: longer than proxies keep theirs, so that they never send into one being
closed."""

_log = logging.getLogger(__name__)


def run(
    settings: ServiceSettings, configuration: Configuration | None = None, ready: Callable[[str], None] | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, then let running downloads end within their grace.

    Args:
        settings: Validated settings.
        configuration: What is offered, where no file says so. Then there is nothing to read again, and SIGHUP (the
            terminal is closed) and SIGQUIT end the service as SIGTERM does.
        ready: Told of the address once it answers.

    Raises:
        SpecError: The settings or the configuration do not allow a start; nothing is listened to.
        InternalError: uvicorn did not start.
    """
    allocator.give_back()
    # A second series for each counter, whose only news is when the process started.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs
    # Before the configuration is read: the signal would end the process.
    signals = _ReloadSignals() if configuration is None else None
    secrets = logs.secrets_of(settings.database_url, settings.redis_url) | set((settings.link_secret or "").split())
    logs.configure(settings.log_format, settings.log_level, secrets)
    app = create_app(settings, configuration)
    service = service_of(app)
    # Every task inherits it.
    logs.about(replica=service.runs.replica)
    check_binding(settings.host, guarded=service.configuration.guarded)
    check_roles(service.configuration, settings.database_url)
    tls = open_tls(settings, service.configuration, service.clients.retire)
    service.reloader.add(ReloadedTls(tls))
    if tls is not None:
        service.metrics.certificate_expires = tls.expiry
    sockets = listen(settings.host, settings.port, user_timeout(settings.slow_client_timeout))
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
    urls = [_url(sock, "http" if tls is None else "https") for sock in sockets]

    def started() -> None:
        if signals is not None:
            signals.watch(service.reload)
        if ready is not None:
            ready(urls[0])

    server = _Server(config, service, tls, started)
    if signals is None:
        _end_with_the_terminal(server)
    with _findable(settings, service.reloader):
        _warn_of_unused(settings)
        _announce(urls, settings, service)
        server.run(sockets=sockets)
    event(_log, logging.INFO, "service ended")
    if not server.started:
        raise InternalError("the service did not start; its log has the reason")


class _Server(uvicorn.Server):
    """uvicorn's server, which tells the service that the end has begun and leaves the process with an exit code."""

    def __init__(
        self, config: uvicorn.Config, service: Service, tls: LiveTls | None, on_start: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._clients = service.clients
        self._tls = tls
        self._acceptors: list[Acceptor] = []
        self._on_start = on_start
        self._runs = service.runs
        self._preparations = service.preparations

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """The first signal drains, the second one does not wait. uvicorn would raise both again after an orderly
        end.
        """
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, accept connections by ourselves, and tell."""
        await super().startup([])
        for sock in sockets or []:
            acceptor = Acceptor(sock, self._clients, self._new_protocol, self._tls)
            acceptor.start()
            self._acceptors.append(acceptor)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what has not begun, then let the rest end."""
        event(_log, logging.INFO, "service is ending", running=len(self._runs))
        self._runs.refuse_new()
        self._preparations.stop()
        for acceptor in self._acceptors:
            acceptor.stop()
        await super().shutdown(sockets)

    def _new_protocol(self) -> ExportProtocol:
        return ExportProtocol(
            self.config,
            self.server_state,
            self.lifespan.state,
            asyncio.get_running_loop(),
            clients=self._clients,
        )


class _ReloadSignals:
    """SIGHUP reads the configuration again; one that comes before the service has started is kept until then."""

    def __init__(self) -> None:
        self._early = False
        self._tasks: set[asyncio.Task[None]] = set()
        signal.signal(signal.SIGHUP, self._note)

    def watch(self, reload: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Reload at each signal from now on."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._reload, reload)
        if self._early:
            self._reload(reload)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of handlers
        self._early = True

    def _reload(self, reload: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _end_with_the_terminal(server: _Server) -> None:
    """Let what else a terminal sends end the service in an orderly way; what is ignored stays so, as nohup has it."""
    for number in (signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, server.handle_exit)


@contextmanager
def _findable(settings: ServiceSettings, reloader: Reloader) -> Iterator[None]:
    """Meanwhile the file of the process is there, if there is to be one."""
    if settings.pid_file is None:
        yield
        return
    with PidFile(settings.pid_file) as file:
        reloader.on_reload.append(lambda told: file.note(ReloadNote(told.begun, told.reason, told.keys)))
        yield


def _warn_of_unused(settings: ServiceSettings) -> None:
    if settings.db_cursor_batch_size is not None:
        event(
            _log,
            logging.WARNING,
            "DB_CURSOR_BATCH_SIZE is not used: rows are read by COPY in segments, without a cursor; "
            "POLYGLOT_WORKERS and POLYGLOT_MEMORY_LIMIT size an export",
            given=settings.db_cursor_batch_size,
        )


def _announce(urls: list[str], settings: ServiceSettings, service: Service) -> None:
    """Say where the service can be reached, and its page."""
    for url in urls:
        event(
            _log,
            logging.INFO,
            "service started",
            url=url,
            page=f"{url}/" if settings.page == "on" else None,
            keys=len(service.configuration.keys),
            config=service.configuration.path,
            exportMemory=service.budget.capacity,
        )


def _url(sock: socket.socket, scheme: str) -> str:
    address, port = sock.getsockname()[:2]
    shown = f"[{address}]" if sock.family == socket.AF_INET6 else address
    return f"{scheme}://{shown}:{port}"
