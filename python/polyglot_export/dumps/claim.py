"""Of two dumps into the same place one goes on: the one that made the claim file.

A claim is ``.manifest.json.<number>.claim``, made by an operation of which the store lets only one succeed. Its maker
renews the time in it. One whose maker is gone (its process, on the same machine; or nobody renewed it for ten minutes)
is taken over by making the next number; of two that do so, again only one succeeds.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, Self

from polyglot_export.destinations.store import Store
from polyglot_export.errors import PolyglotError, SpecError, TargetFailed
from polyglot_export.manifest.location import CLAIM

__all__ = ["Claim"]

RENEW_SECONDS = 60.0
STALE_SECONDS = 600.0
CONTENT_BYTES = 4_096
"""The most that is read of a claim; it has some hundred bytes."""


class Claim:
    """Held while a dump is written; a context manager. Nobody else writes a dump into the place meanwhile.

    Raises:
        SpecError: Another dump is being written into it.
        TargetFailed: The store does not answer.
    """

    def __init__(self, place: Store) -> None:
        self._place = place
        self._path: str | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        found = sorted(_claims(self._place))
        if found:
            self._see_stale(found[-1])
        number = found[-1] + 1 if found else 0
        path = _path(number)
        if not self._place.create(path, _content()):
            raise SpecError("output", f"another dump is being written into {self._place.url}")
        self._path = path
        if any(other > number for other in _claims(self._place)):
            self.__exit__()
            raise SpecError("output", f"another dump is being written into {self._place.url}")
        for stale in found:
            self._place.remove(_path(stale))
        self._thread = threading.Thread(target=self._renew, name="polyglot-claim", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        path, self._path = self._path, None
        if path is not None:
            # It goes stale by itself.
            with suppress(PolyglotError):
                self._place.remove(path)

    def see_held(self) -> None:
        """See that nobody has taken the claim over, which happens to a process that was stopped for long.

        Raises:
            TargetFailed: Somebody has.
        """
        if self._path is None or self._place.size(self._path) is None:
            raise TargetFailed(f"another dump has taken {self._place.url} over, since this one was silent for too long")

    def _see_stale(self, number: int) -> None:
        holder = _read(self._place, _path(number))
        if holder is None or holder.gone:
            return
        raise SpecError(
            "output",
            f"another dump is being written into {self._place.url} since {holder.started} (process {holder.process} on"
            f" {holder.host}); if that is dead, it can be begun again {STALE_SECONDS / 60:.0f} minutes after its end",
        )

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            path = self._path
            if path is not None:
                with suppress(PolyglotError):
                    self._place.replace(path, _content())


class _Holder(NamedTuple):
    host: str
    namespace: str
    process: int
    started: str
    renewed: float

    @property
    def gone(self) -> bool:
        here = (self.host, self.namespace) == (socket.gethostname(), _namespace())
        return (here and not _runs(self.process)) or time.time() - self.renewed > STALE_SECONDS


def _claims(place: Store) -> list[int]:
    return [int(match[1]) for file in place.files() if (match := CLAIM.fullmatch(file.path)) is not None]


def _path(number: int) -> str:
    return f".manifest.json.{number}.claim"


def _content() -> bytes:
    now = datetime.now(UTC)
    return json.dumps(
        {
            "host": socket.gethostname(),
            "namespace": _namespace(),
            "process": os.getpid(),
            "started": f"{now:%Y-%m-%d %H:%M:%S} UTC",
            "renewed": int(now.timestamp()),
        }
    ).encode()


def _read(place: Store, path: str) -> _Holder | None:
    """Whose a claim is; ``None`` if it is gone or cannot be understood, which only a broken write leaves."""
    try:
        content = place.read(path, 0, CONTENT_BYTES)
    except TargetFailed:
        if place.size(path) is None:
            return None
        raise
    try:
        given = json.loads(content)
        return _Holder(
            str(given["host"]),
            str(given["namespace"]),
            int(given["process"]),
            str(given["started"]),
            float(given["renewed"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _namespace() -> str:
    """Which numbers of processes are comparable with ours; empty where the system has only one kind."""
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it is no path
    except OSError:
        return ""


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
