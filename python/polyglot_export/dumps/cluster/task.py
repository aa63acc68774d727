"""Writes a part on another machine: what a pool calls there."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.store import Store
from polyglot_export.destinations.stores import store
from polyglot_export.dumps.claim import see_claimed
from polyglot_export.dumps.cluster.answer import Answer
from polyglot_export.dumps.cluster.beacon import Watch, see_same_server
from polyglot_export.dumps.cluster.parcel import Parcel, Terms
from polyglot_export.dumps.cluster.room import ROOM
from polyglot_export.dumps.place import remove
from polyglot_export.dumps.routed import write_ticket
from polyglot_export.dumps.tickets import PartResult, Ticket
from polyglot_export.errors import ConnectionFailed, InternalError, PolyglotError, TargetFailed
from polyglot_export.execution.engines.local import LOCAL
from polyglot_export.planning.reservation import reservation
from polyglot_export.postgres.leader import Leader

__all__ = ["run_part"]


def run_part(text: str) -> str:
    """Write the part of a parcel; gives the answer. It raises nothing, so that no pool logs what it was given.

    Memory:
        All parts of a process together have at most ``limits.DUMP_BYTES``, or one has what it needs alone.
    """
    here = socket.gethostname()
    try:
        parcel = Parcel.of_text(text, here)
        return Answer.of_result(_write(parcel, here)).text
    except PolyglotError as error:
        return Answer.of_error(error).text
    except Exception as error:  # noqa: BLE001 - the leader raises it
        return Answer.of_error(InternalError(f"on {here}: {type(error).__name__}: {error}")).text


def _write(parcel: Parcel, here: str) -> PartResult:
    terms = parcel.terms
    place = store(terms.place)
    _see_claimed(place, terms, here)
    token = CancelToken()
    with _connected(terms, here) as control:
        see_same_server(control, terms, f"the worker on {here}")
        ticket = _at_home(parcel, control)
        bytes_ = reservation(ticket.plan, place.capabilities.memory_bytes)
        with Watch(control, terms, token), ROOM.taken(bytes_, token):
            result = write_ticket(
                ticket,
                place,
                LOCAL,
                rate=None,
                token=token,
                on_start=lambda _: None,
                on_planned=lambda _: None,
                before_commit=lambda: _see_claimed(place, terms, here),
            )
    _take_back_if_late(place, result, terms, here)
    return result


def _connected(terms: Terms, here: str) -> Leader:
    """Connect to what the environment of this machine says, unless the leader has sent it."""
    dsn = terms.dsn or os.environ.get("DATABASE_URL") or None
    try:
        return Leader.open(dsn, application_name=terms.application_name)
    except ConnectionFailed as error:
        raise ConnectionFailed(f"the worker on {here}: {error.message}", sqlstate=error.sqlstate) from None


def _at_home(parcel: Parcel, control: Leader) -> Ticket:
    """The part as it is read from here."""
    plan = parcel.ticket.plan
    connection = replace(control.parameters(), options=parcel.terms.options)
    return replace(parcel.ticket, plan=replace(plan, connection=connection))


def _see_claimed(place: Store, terms: Terms, here: str) -> None:
    """See that the dump still holds its place, and that this is the place.

    Raises:
        TargetFailed: It does not, or this machine sees another one.
    """
    if not see_claimed(place, terms.claim, terms.claim_token):
        raise TargetFailed(
            f"the worker on {here} does not see the claim of the dump in {place.url}: it has ended, or this machine has"
            " another folder of that name (all machines need the same one, or the URL of an object store)"
        )


def _take_back_if_late(place: Store, result: PartResult, terms: Terms, here: str) -> None:
    """Remove a part that came to its place after the dump had failed, which happens to a worker that was taken for
    dead. After a dump that was completed, the part has the same bytes as the one that another worker wrote.
    """
    try:
        _see_claimed(place, terms, here)
    except TargetFailed:
        if place.size(terms.manifest) is None:
            remove(place, frozenset(each.path for each in result.entries))
        raise
