"""The unit of work of a dump: one part, made into one complete file (or into many, by ``routed.py``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from polyglot_export._core import Sha256
from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.base import Destination
from polyglot_export.destinations.store import Store
from polyglot_export.execution.engines.base import Engine, StreamProgress
from polyglot_export.execution.rate import RateLimit
from polyglot_export.manifest.document import PartEntry
from polyglot_export.planning.plan import Plan

__all__ = ["PartResult", "Ticket", "write_part"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A part, as plain data."""

    relation: int
    """Which source of the moment it is of."""
    number: int
    path: str
    """Of the file, relative to the set. Where the plan has a route, that of no file: ``values.py`` makes theirs of
    it."""
    plan: Plan
    """Restricted to the segments of the part."""
    first_segment: int
    last_segment: int


@dataclass(frozen=True, slots=True)
class PartResult:
    """The files of a part, which are complete and in their places."""

    ticket: Ticket
    entries: tuple[PartEntry, ...]
    """In the order of their paths."""
    losses: Mapping[str, int]


def write_part(
    ticket: Ticket,
    place: Store,
    engine: Engine,
    *,
    rate: RateLimit | None,
    token: CancelToken,
    on_start: Callable[[Callable[[], StreamProgress]], None],
    on_planned: Callable[[Plan], None],
    before_commit: Callable[[], None] = lambda: None,
) -> PartResult:
    """Read the rows of a part and write its file, which appears complete or not at all.

    Args:
        ticket: The part.
        place: Where the file goes.
        engine: Reads.
        rate: What all parts together may read.
        token: Ends it.
        on_start: Called with what tells how far it is.
        on_planned: Called once the workers have begun to read, where the plan is watched.
        before_commit: Called before the file appears; what it raises keeps it from appearing.

    Raises:
        PolyglotError: It failed; there is no such file.
    """
    stream = engine.open(ticket.plan)
    stopped = Event()
    forget, forget_wait = token.on_cancel(stream.cancel), token.on_cancel(stopped.set)
    hasher = Sha256()
    watched = ticket.plan.watched is not None
    try:
        on_start(stream.progress)
        with place.file(ticket.path) as file, _stopped(file, token):
            while (written := file.take(stream, hasher)) is not None:
                if watched:
                    on_planned(ticket.plan)
                    watched = False
                if rate is not None:
                    rate.take(written, stopped)
            if watched:
                on_planned(ticket.plan)
            done = stream.progress()
            # The connections are free before the disk is synchronised.
            stream.close()
            before_commit()
            file.commit()
    finally:
        forget()
        forget_wait()
        stream.close()
    losses = {column.target: count for column, count in zip(ticket.plan.columns, done.losses, strict=False) if count}
    entry = PartEntry(
        path=ticket.path,
        bytes=done.bytes,
        rows=done.rows,
        sha256=hasher.hexdigest(),
        first_segment=ticket.first_segment,
        last_segment=ticket.last_segment,
    )
    return PartResult(ticket, (entry,), losses)


@contextmanager
def _stopped(file: Destination, token: CancelToken) -> Iterator[None]:
    """Let the file wait for nobody once the token is cancelled; and tell what it could not remove."""
    forget = token.on_cancel(file.stop)
    try:
        yield
    except BaseException as error:
        file.discard()
        if file.remains is not None:
            error.add_note(file.remains)
        raise
    finally:
        forget()
