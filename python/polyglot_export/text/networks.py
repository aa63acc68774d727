"""Networks of addresses as text: ``10.0.0.0/8, ::1``."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

__all__ = ["Network", "is_in", "read_networks"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_networks(given: object) -> object:
    """Networks from a text with commas, such as ``10.0.0.0/8, ::1``.

    Raises:
        ValueError: One of them is none.
    """
    if not isinstance(given, str):
        return given
    parts = [part.strip() for part in given.split(",") if part.strip()]
    return tuple(ipaddress.ip_network(part) for part in parts)


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is of one of the networks; what is no address is of none."""
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(known, "ipv4_mapped", None)
    return any((mapped or known) in network for network in networks)
