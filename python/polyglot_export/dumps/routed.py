"""Writes a part whose rows are laid into folders by a value: many files, of which some are open at a time."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event

from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.base import Destination
from polyglot_export.destinations.store import Store
from polyglot_export.dumps.file_count import FileCount
from polyglot_export.dumps.tickets import PartResult, Ticket, write_part
from polyglot_export.dumps.values import value_file, value_folder
from polyglot_export.errors import ConnectionLost, InternalError, PolyglotError
from polyglot_export.execution.engines.base import Engine, FileChunk, StreamProgress
from polyglot_export.execution.rate import RateLimit
from polyglot_export.manifest.document import PartEntry
from polyglot_export.planning.plan import Plan, Route

__all__ = ["write_ticket"]

ATTEMPTS = 3
"""How often a part is begun whose connection is lost. The rows that waited are lost with it, so that it is read from
the start."""


COMMITS = 4
"""Files that are finished at a time. Each waits for the disk, which serves several that wait as fast as one. An upload
holds memory until it is finished, so that in an object store one follows the other."""


def write_ticket(
    ticket: Ticket,
    place: Store,
    engine: Engine,
    *,
    rate: RateLimit | None,
    token: CancelToken,
    on_start: Callable[[Callable[[], StreamProgress]], None],
    on_planned: Callable[[Plan], None],
    on_file: Callable[[str], None] = lambda _: None,
    count: FileCount | None = None,
    before_commit: Callable[[], None] = lambda: None,
) -> PartResult:
    """Read the rows of a part and write its file, or its files.

    Args:
        ticket: The part.
        place: Where the files go.
        engine: Reads.
        rate: What all parts together may read.
        token: Ends it.
        on_start: Called with what tells how far it is.
        on_planned: Called once the workers have begun to read, where the plan is watched.
        on_file: Called with the path of a file before it is begun.
        count: Of all files of its relation; ``None`` counts those of the part.
        before_commit: Called before a file appears; what it raises keeps it from appearing.

    Raises:
        PolyglotError: It failed; there is no file of it.
    """
    if ticket.plan.route is None:
        on_file(ticket.path)
        return write_part(
            ticket,
            place,
            engine,
            rate=rate,
            token=token,
            on_start=on_start,
            on_planned=on_planned,
            before_commit=before_commit,
        )
    for attempt in range(1, ATTEMPTS + 1):
        files = _Files(ticket, ticket.plan.route, place, token, on_file, count, before_commit)
        try:
            with files.taken_back_on_failure():
                _read(ticket, engine, files, rate, token, on_start, on_planned)
        except ConnectionLost:
            if attempt == ATTEMPTS or token.cancelled:
                raise
        else:
            return files.result()
    raise InternalError("a part was neither written nor failed")


def _read(
    ticket: Ticket,
    engine: Engine,
    files: _Files,
    rate: RateLimit | None,
    token: CancelToken,
    on_start: Callable[[Callable[[], StreamProgress]], None],
    on_planned: Callable[[Plan], None],
) -> None:
    """Pull the chunks of all files."""
    stream = engine.open_files(ticket.plan)
    stopped = Event()
    forget, forget_wait = token.on_cancel(stream.cancel), token.on_cancel(stopped.set)
    watched = ticket.plan.watched is not None
    try:
        on_start(stream.progress)
        while (chunk := stream.next_chunk()) is not None:
            if watched:
                on_planned(ticket.plan)
                watched = False
            if rate is not None and chunk.content:
                rate.take(len(chunk.content), stopped)
            files.take(chunk)
        if watched:
            on_planned(ticket.plan)
        files.settle()
    finally:
        forget()
        forget_wait()
        stream.close()


@dataclass(slots=True)
class _Open:
    """A file that is being written."""

    path: str
    value: str | None
    tells_all: bool
    """Whether its folder tells the value."""
    file: Destination
    forget: Callable[[], None]
    """Ends that a cancel stops the file."""
    hasher: hashlib._Hash
    bytes: int = 0


def _discard(file: _Open, error: BaseException) -> None:
    """Take back what was written of a file, and tell what could not be removed."""
    file.file.discard()
    if file.file.remains is not None:
        error.add_note(file.file.remains)


class _Files:
    """The files of one pass over a part."""

    def __init__(
        self,
        ticket: Ticket,
        route: Route,
        place: Store,
        token: CancelToken,
        on_file: Callable[[str], None],
        count: FileCount | None,
        before_commit: Callable[[], None],
    ) -> None:
        self._ticket = ticket
        self._route = route
        self._place = place
        self._token = token
        self._on_file = on_file
        self._count = count or FileCount(route.column, ticket.plan.source)
        self._before_commit = before_commit
        self._open: dict[int, _Open] = {}
        self._entries: list[PartEntry] = []
        self._begun: list[tuple[str, str | None]] = []
        self._losses: dict[str, int] = {}
        self._in_folder: dict[str, int] = {}
        """How many files each folder has, by its name in small letters: some file systems do not tell them apart."""
        self._commits = ThreadPoolExecutor(COMMITS, "polyglot-commit")
        self._most_pending = 0 if place.capabilities.memory_bytes else COMMITS
        self._pending: deque[Future[None]] = deque()

    def take(self, chunk: FileChunk) -> None:
        """Do to a file what a chunk says."""
        if chunk.begins:
            self._begin(chunk.number, chunk.value)
        elif chunk.ends:
            self._end(chunk)
        else:
            file = self._open[chunk.number]
            content = chunk.content
            file.file.write(content)
            file.hasher.update(content)
            file.bytes += len(content)

    def settle(self) -> None:
        """Wait until all files that have ended are in their places.

        Raises:
            PolyglotError: One is not.
        """
        self._settle(0)

    def _settle(self, most: int) -> None:
        while len(self._pending) > most:
            self._pending.popleft().result()

    def result(self) -> PartResult:
        """All files, which are complete."""
        entries = sorted(self._entries, key=lambda each: each.path)
        return PartResult(self._ticket, tuple(entries), self._losses)

    @contextmanager
    def taken_back_on_failure(self) -> Iterator[None]:
        """Remove the files, those that are complete too, if the block fails."""
        try:
            yield
        except BaseException as error:
            self._commits.shutdown()
            for each in self._open.values():
                each.forget()
                _discard(each, error)
            self._remove()
            for path, value in self._begun:
                self._count.remove(path, value)
            raise
        finally:
            self._commits.shutdown()

    def _remove(self) -> None:
        """Of files that are not there, the empty folders go."""
        for path in (*(each.path for each in self._entries), *(each.path for each in self._open.values())):
            # Whoever wrote it will try again; see ``run.py`` and ``task.py``.
            with suppress(PolyglotError):
                self._place.remove(path)

    def _begin(self, number: int, value: str | None) -> None:
        folder = value_folder(self._route.key, value)
        known = folder.name.casefold()
        again = self._in_folder.get(known, 0)
        self._in_folder[known] = again + 1
        path = value_file(self._ticket.path, folder.name, again)
        self._begun.append((path, value))
        self._count.add(path, value)
        self._on_file(path)
        file = self._place.file(path).__enter__()
        forget = self._token.on_cancel(file.stop)
        self._open[number] = _Open(path, value, folder.tells_all, file, forget, hashlib.sha256())

    def _end(self, chunk: FileChunk) -> None:
        done = self._open.pop(chunk.number)
        self._pending.append(self._commits.submit(self._commit, done))
        self._entries.append(
            PartEntry(
                path=done.path,
                bytes=done.bytes,
                rows=chunk.rows,
                sha256=done.hasher.hexdigest(),
                first_segment=self._ticket.first_segment,
                last_segment=self._ticket.last_segment,
                partition={self._route.key: done.value},
            )
        )
        targets = (column.target for column in self._ticket.plan.columns)
        for target, count in zip(targets, chunk.losses, strict=False):
            self._lost(target, count)
        if not self._route.in_file:
            self._lost(self._route.column, chunk.replaced if done.tells_all else chunk.rows)
        self._settle(self._most_pending)

    def _commit(self, done: _Open) -> None:
        try:
            self._before_commit()
            done.file.commit()
        except BaseException as error:
            _discard(done, error)
            raise
        finally:
            done.forget()

    def _lost(self, column: str, count: int) -> None:
        if count:
            self._losses[column] = self._losses.get(column, 0) + count
