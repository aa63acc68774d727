"""From where a request comes: the address of its client, also behind proxies that are known."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from contextvars import ContextVar

from starlette.requests import Request

from polyglot_export.text.networks import Network, is_in

__all__ = ["address_of", "note_address", "noted_address"]

MAX_HOPS = 20
"""Of ``X-Forwarded-For``, from the right."""

_address: ContextVar[str | None] = ContextVar("address", default=None)


def note_address(address: str | None) -> None:
    """Say where the request of the current task comes from."""
    _address.set(address)


def noted_address() -> str | None:
    """Where the request of the current task comes from."""
    return _address.get()


def address_of(request: Request, proxies: Sequence[Network]) -> str | None:
    """The address of the client.

    What a proxy of these networks has seen is believed, and what that one's proxy has seen if it is of them too: the
    right-most address of ``X-Forwarded-For`` that is of none. Anybody may write the header, so from others it says
    nothing.
    """
    peer = request.client.host if request.client is not None else None
    if peer is None or not is_in(peer, proxies):
        return peer
    hops = [hop.strip() for each in request.headers.getlist("x-forwarded-for") for hop in each.split(",")]
    for hop in reversed(hops[-MAX_HOPS:]):
        address = _bare(hop)
        if address is None:
            return peer
        peer = address
        if not is_in(address, proxies):
            break
    return peer


def _bare(hop: str) -> str | None:
    """An address without the port that some proxies add; ``None`` for what is none."""
    text = hop.removeprefix("[").partition("]")[0] if hop.startswith("[") else hop
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
