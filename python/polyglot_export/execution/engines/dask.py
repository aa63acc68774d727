"""The engine of a Dask cluster. ``distributed`` is imported only when a cluster is used."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

from polyglot_export.errors import ConnectionFailed, ConnectionLost, PolyglotError, SpecError
from polyglot_export.execution.engines.executor import ExecutorEngine
from polyglot_export.text.install import install_hint

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["DaskEngine", "dask_at"]

CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer."""
CHECK_SECONDS = 5.0
"""How often the scheduler is asked whether there are workers."""
WORKERLESS_SECONDS = 30.0
"""How long a cluster may be without any worker while tasks wait for one: a nanny starts its worker anew within a few
seconds, and longer than that nobody should hold locks for nothing."""


class DaskEngine(ExecutorEngine):
    """Runs the parts of a dump on a Dask cluster. Dask itself runs a task again whose worker has died, three times.

    Args:
        client: Connected, and not asynchronous. It stays the caller's.
        send_dsn: As for :class:`ExecutorEngine`; whoever may talk to the scheduler can then read it.

    Raises:
        SpecError: The client is asynchronous.
    """

    name: ClassVar[str] = "dask"

    def __init__(self, client: Client, *, send_dsn: bool = False) -> None:
        if client.asynchronous:
            raise SpecError("engine", "needs a Client that is not asynchronous; adump uses it in a thread of its own")
        # Not pure: two tasks are never one, even if they say the same.
        super().__init__(client.get_executor(pure=False), send_dsn=send_dsn)
        self._client = client
        self._lock = Lock()
        self._checked = self._seen_workers = time.monotonic()

    @property
    def title(self) -> str:
        """The cluster, by the address of its scheduler."""
        return f"the Dask cluster at {self._address}"

    def slots(self) -> int:
        """The threads of all workers that are there now.

        Raises:
            ConnectionFailed: There is none.
        """
        threads = sum(self._nthreads().values())
        if not threads:
            raise ConnectionFailed(f"{self.title} has no workers; start some (dask worker {self._address})")
        return threads

    def check(self) -> None:
        """See that the scheduler is connected and has had workers lately."""
        if self._client.status != "running":
            raise self._lost()
        with self._lock:
            now = time.monotonic()
            if now - self._checked < CHECK_SECONDS:
                return
            self._checked = now
            if self._nthreads():
                self._seen_workers = now
            elif now - self._seen_workers > WORKERLESS_SECONDS:
                raise ConnectionLost(f"{self.title} has had no workers for {WORKERLESS_SECONDS:.0f} seconds")

    def may_retry(self, _error: BaseException, /) -> bool:
        """Never: Dask has tried it on several workers."""
        return False

    def failure(self, error: BaseException) -> PolyglotError:
        """What it means that a task has no result, as our error."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return PolyglotError(
                f"{self.title}: each worker died that began this part, the last one was {_last(error)}"
            )
        if self._client.status != "running":
            return self._lost()
        return super().failure(error)

    @property
    def _address(self) -> str:
        scheduler = self._client.scheduler
        return str(scheduler.address) if scheduler is not None else "an unknown address"

    def _nthreads(self) -> dict[str, int]:
        try:
            found: dict[str, int] = self._client.nthreads()
        except (OSError, RuntimeError):
            raise self._lost() from None
        return found

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(f"the connection to the Dask scheduler at {self._address} was lost")


@contextmanager
def dask_at(address: str, *, send_dsn: bool) -> Iterator[DaskEngine]:
    """Connect to a scheduler for the time of the block.

    Args:
        address: As ``tcp://scheduler:8786``. Certificates of ``tls://`` are those of Dask's own configuration.
        send_dsn: As for :class:`DaskEngine`.

    Raises:
        ConnectionFailed: No scheduler answers there.
        PolyglotError: Dask is not installed.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "polyglot_export":
            raise
        raise PolyglotError(f"{error.name} is not installed; it comes with: {install_hint('dask')}") from None
    _silence()
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConnectionFailed(f"no Dask scheduler answers at {address}: {reason}") from None
    try:
        yield DaskEngine(client, send_dsn=send_dsn)
    finally:
        client.close(timeout=CONNECT_SECONDS)


def _silence() -> None:
    """What Dask logs of a connection that was lost becomes our one line. Its loggers have levels of their own."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _last(error: object) -> str:
    """The address of the worker that Dask has seen last."""
    return str(getattr(getattr(error, "last_worker", None), "address", None) or "an unknown one")
