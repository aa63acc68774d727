"""ConnectorX and polars."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client
from benchmarks.peers.polars import WRITERS

__all__ = ["ConnectorX"]


class ConnectorX(Client):
    """By its binary protocol, one partition, the whole table in memory."""

    name: ClassVar[str] = "ConnectorX + polars"
    cases: ClassVar[tuple[str, ...]] = WRITERS
    package: ClassVar[str | None] = "connectorx"
    home: ClassVar[str] = "frames"
    modules: ClassVar[tuple[str, ...]] = ("connectorx", "polars")
    program: ClassVar[str] = "connectorx"
