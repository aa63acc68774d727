"""Of two dumps into the same place one goes on: the one that made the claim file.

A claim is ``.manifest.json.<number>.claim`` in the folder of the files, made by an operation of which the store lets
only one succeed. Its maker renews the time in it. One whose maker is gone (its process, on the same machine; or nobody
renewed it for ten minutes)
is taken over by making the next number; of two that do so, again only one succeeds.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, Self

from polyglot_export.destinations.store import Store
from polyglot_export.errors import PolyglotError, SpecError, TargetFailed

__all__ = ["Claim", "see_claimed"]

RENEW_SECONDS = 60.0
STALE_SECONDS = 600.0
CONTENT_BYTES = 4_096
"""The most that is read of a claim; it has some hundred bytes."""


class Claim:
    """Held while a dump is written; a context manager. Nobody else writes a dump into the place meanwhile.

    Args:
        place: The place.
        path: Gives the path of the claim of a number.
        known: The numbers of the claims in it, in their order.

    Raises:
        SpecError: Another dump is being written into it.
        TargetFailed: The store does not answer.
    """

    def __init__(self, place: Store, path: Callable[[int], str], known: Sequence[int]) -> None:
        self._place = place
        self._path_of = path
        self._number = known[-1] + 1 if known else 0
        self._path = path(self._number)
        self.token = os.urandom(8).hex()
        """What tells it from any other claim of the same number."""
        self._started = _now()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="polyglot-claim", daemon=True)

    @property
    def path(self) -> str:
        """The name of its file, relative to the place."""
        return self._path

    def see_free(self) -> None:
        """See that whoever made the last claim is gone."""
        if not self._number:
            return
        holder = _read(self._place, self._path_of(self._number - 1))
        if holder is None or holder.gone:
            return
        raise SpecError(
            "output",
            f"{self._busy()} since {holder.started} (process {holder.process} on {holder.host}); if that is dead, it"
            f" can be begun again {STALE_SECONDS / 60:.0f} minutes after its end",
        )

    def __enter__(self) -> Self:
        self.see_free()
        if not self._place.create(self._path, _content(self._started, self.token)):
            raise SpecError("output", self._busy())
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._thread.join()
        # If it cannot be removed, it goes stale by itself.
        with suppress(PolyglotError):
            self._place.remove(self._path)

    def see_first(self, claims: Sequence[int]) -> None:
        """See that no claim was made after this one, and remove those before it, whose makers are gone.

        Args:
            claims: What is there now.
        """
        if any(number > self._number for number in claims):
            raise SpecError("output", self._busy())
        for number in claims:
            if number < self._number:
                self._place.remove(self._path_of(number))

    def see_held(self) -> None:
        """See that nobody has taken the claim over, which happens to a process that was stopped for long.

        Raises:
            TargetFailed: Somebody has.
        """
        taken = self._place.size(self._path) is None or self._place.size(self._path_of(self._number + 1)) is not None
        if taken:
            raise TargetFailed(f"another dump has taken {self._place.url} over, since this one was silent for too long")

    def _busy(self) -> str:
        return f"another dump is being written into {self._place.url}"

    def _renew(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            with suppress(PolyglotError):
                # One that was taken over must not come back.
                if self._place.size(self._path) is not None:
                    self._place.replace(self._path, _content(self._started, self.token))


def see_claimed(place: Store, path: str, token: str) -> bool:
    """Whether a claim is the one with this token; to be asked by others who write for the dump that made it.

    Raises:
        TargetFailed: The store does not answer.
    """
    holder = _read(place, path)
    return holder is not None and holder.token == token


class _Holder(NamedTuple):
    host: str
    namespace: str
    process: int
    started: str
    renewed: float
    token: str

    @property
    def gone(self) -> bool:
        here = (self.host, self.namespace) == (socket.gethostname(), _namespace())
        return (here and not _runs(self.process)) or time.time() - self.renewed > STALE_SECONDS


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _content(started: str, token: str) -> bytes:
    holder = _Holder(socket.gethostname(), _namespace(), os.getpid(), started, time.time(), token)
    return json.dumps(holder._asdict()).encode()


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
            str(given.get("token", "")),
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
