"""One thread that does one thing after the other and may hang, without anybody else hanging with it."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from polyglot_export.service.audit.target import Written

__all__ = ["WritingThread"]


class _Work(NamedTuple):
    loop: asyncio.AbstractEventLoop
    result: asyncio.Future[Written]
    do: Callable[[], Written]


class WritingThread:
    """A daemon: a write that a network drive never answers must not keep the process from ending, and the threads of an
    executor are waited for.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def run(self, do: Callable[[], Written]) -> asyncio.Future[Written]:
        """Have something done, after what was asked for before."""
        loop = asyncio.get_running_loop()
        work = _Work(loop, loop.create_future(), do)
        self._work.put(work)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="polyglot-audit", daemon=True)
            self._thread.start()
        return work.result

    def end(self) -> None:
        """End when everything is done."""
        self._work.put(None)

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            try:
                told = work.do()
            except Exception as error:  # noqa: BLE001 - of whatever kind: the line is not written, and the next is tried
                told = Written(problem=f"{type(error).__name__}: {error}")
            # The loop may be closed by then.
            with suppress(RuntimeError):
                work.loop.call_soon_threadsafe(_tell, work.result, told)


def _tell(result: asyncio.Future[Written], told: Written) -> None:
    if not result.done():
        result.set_result(told)
