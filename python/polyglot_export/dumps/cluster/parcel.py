"""A part on its way to another machine: JSON text, which is checked before anything is made of it.

No password is in it unless the engine was told to send the connection string.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from polyglot_export import _core
from polyglot_export.dumps.tickets import Ticket
from polyglot_export.errors import PolyglotError
from polyglot_export.formats.base import EncoderOptions
from polyglot_export.limits import Limits
from polyglot_export.planning.plan import Column, Plan, Route, Scan
from polyglot_export.postgres.parameters import ServerParameters

__all__ = ["PARCEL_VERSION", "Parcel", "Terms"]

PARCEL_VERSION = 2
"""Raised when a worker of today would misread what is sent tomorrow."""

LEFT_OUT = frozenset({"connection", "watched", "resolved"})
"""Of a plan: a worker makes its own connection, and the leader looks after what must be watched."""

NOWHERE = ServerParameters(host="", port=0, user="", dbname="")
"""In a plan that has arrived, until the worker knows how it reaches the server."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is the same for all parts of a dump."""

    place: str
    """Folder, as a whole path, or URL of the set."""
    manifest: str
    """Its path in it, once it is complete."""
    claim: str
    """The path of the claim that the dump holds."""
    claim_token: str
    """What is in it, and in no other one."""
    application_name: str
    """Of the worker's sessions."""
    beacon: int
    """The process of the session that is there for as long as the dump wants the part."""
    beacon_name: str
    """Its application name."""
    system_identifier: str | None
    """Of the leader's server; ``None`` where the login may not ask."""
    standby: bool
    """Whether that is one."""
    database: str
    user: str
    options: str | None
    """libpq's: settings by which names in queries may be looked up."""
    dsn: str | None = field(default=None, repr=False)
    """Sent only when it was asked for."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A part with what a worker needs to write it."""

    terms: Terms
    ticket: Ticket
    """The connection of its plan is nowhere."""

    def to_text(self) -> str:
        """As it is sent."""
        ticket = self.ticket
        plan = {each.name: getattr(ticket.plan, each.name) for each in fields(Plan) if each.name not in LEFT_OUT}
        parcel = {
            "parcel": PARCEL_VERSION,
            "version": _core.version,
            "terms": asdict(self.terms),
            "part": {each.name: getattr(ticket, each.name) for each in fields(Ticket) if each.name != "plan"},
            "plan": {**plan, "encoder": ticket.plan.encoder._asdict(), "limits": asdict(ticket.plan.limits)},
        }
        return json.dumps(parcel)

    @classmethod
    def of_text(cls, text: str, here: str) -> Parcel:
        """What was sent.

        Args:
            text: As :meth:`to_text` made it.
            here: The name of this machine, for the error.

        Raises:
            PolyglotError: Another version of this program has sent it.
        """
        given = json.loads(text)
        sender = given.get("version")
        if sender != _core.version or given.get("parcel") != PARCEL_VERSION:
            raise PolyglotError(
                f"the dump is made by polyglot-export {sender}, and the worker on {here} has {_core.version}: install"
                " the same version on all machines"
            )
        plan = _plan(given["plan"])
        return cls(Terms(**given["terms"]), Ticket(**given["part"], plan=plan))


def _plan(given: dict[str, Any]) -> Plan:
    """JSON knows lists only, where a plan has tuples and records."""
    made: dict[str, Any] = {name: _tuples(value) for name, value in given.items()}
    made |= {
        "connection": NOWHERE,
        "scans": tuple(Scan(*scan) for scan in given["scans"]),
        "columns": tuple(Column(*column) for column in given["columns"]),
        "encoder": EncoderOptions(**{name: _tuples(value) for name, value in given["encoder"].items()}),
        "limits": Limits(**given["limits"]),
        "route": None if given["route"] is None else Route(*given["route"]),
    }
    return Plan(**made)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value
