"""A thread that renews the leases of this replica while its event loop is too busy to do so.

Leases are renewed by the event loop, which also learns from the answers. But a loop that is busy for some seconds would
lose every lease, and with it exports that run well in threads of their own.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence

from polyglot_export.errors import PolyglotError
from polyglot_export.jobs.stores.base import Lease, SharedJobStore
from polyglot_export.service.logs import event

__all__ = ["LeaseKeeper"]

LATE_SECONDS = 2.0
"""Time without a renewal after which the thread makes one; a lease lasts four times as long."""
STILL_SECONDS = 60.0
"""Time after which a loop that does not go on is taken for hung: then the leases lapse, and others take over."""

_log = logging.getLogger(__name__)


class LeaseKeeper:
    """The thread, and what it knows. All methods belong to the event loop's thread."""

    def __init__(self, store: SharedJobStore, replica: str) -> None:
        """Set up.

        Args:
            store: Whose twin the thread uses.
            replica: The name of this process in the leases.
        """
        self._store = store
        self._replica = replica
        self._known: tuple[float, Sequence[Lease]] = (time.monotonic(), ())
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._keep, name="polyglot-leases", daemon=True)
        self._thread.start()

    def renewed(self, leases: Sequence[Lease]) -> None:
        """The loop has renewed these, or has tried to."""
        self._known = (time.monotonic(), [Lease(lease.job_id, lease.run) for lease in leases])

    async def close(self) -> None:
        """End."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _keep(self) -> None:
        with asyncio.Runner() as runner:
            store: SharedJobStore | None = None
            while not self._stop.wait(LATE_SECONDS / 4):
                since, leases = self._known
                if leases and LATE_SECONDS <= time.monotonic() - since < STILL_SECONDS:
                    store = store or self._store.twin()
                    self._renew(runner, store, leases)
            if store is not None:
                runner.run(store.close())

    def _renew(self, runner: asyncio.Runner, store: SharedJobStore, leases: Sequence[Lease]) -> None:
        try:
            runner.run(store.renew(self._replica, leases))
        except PolyglotError as error:
            event(_log, logging.WARNING, "leases not renewed", reason=str(error))
        else:
            event(_log, logging.WARNING, "leases renewed for a busy event loop", leases=len(leases))
