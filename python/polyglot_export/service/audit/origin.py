"""From where a request comes and what it asks for, as a log may have it: the address of its client, also behind proxies
that are known, and the path.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from contextvars import ContextVar

from starlette.requests import Request

from polyglot_export.errors import cut
from polyglot_export.text.networks import Network, is_in

__all__ = ["address_of", "note_address", "noted_address", "path_of", "without_token"]

MAX_HOPS = 20
"""Of ``X-Forwarded-For``, from the right."""

_TOKEN = re.compile(r"(?<=/links/)[^/]{17,}|[\w-]{91,}", re.ASCII)
"""Of a link, also in an address that was misspelt; the id of one, with which its owner revokes it, has 16 characters
and opens nothing."""

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


def path_of(request: Request) -> str:
    """The path as a log may have it: without the token of a link, which is as good as a key, and not too long. Also
    where no call was found for it.
    """
    return cut(without_token(request.url.path))


def without_token(text: str) -> str:
    """What a client has sent, without the token of a link."""
    return _TOKEN.sub("…", text)


def _bare(hop: str) -> str | None:
    """An address without the port that some proxies add; ``None`` for what is none."""
    text = hop.removeprefix("[").partition("]")[0] if hop.startswith("[") else hop
    if text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
