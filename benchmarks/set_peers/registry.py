"""All of them in the order in which they are shown."""

from __future__ import annotations

from benchmarks.set_peers.base import SetPeer
from benchmarks.set_peers.duckdb import DuckDBPartitions, DuckDBSet
from benchmarks.set_peers.pg_dump import PgDump
from benchmarks.set_peers.rivet import Rivet
from benchmarks.set_peers.sling import Sling

__all__ = ["set_peers"]


def set_peers() -> tuple[SetPeer, ...]:
    """One of each; none is started yet."""
    return (Rivet(), DuckDBSet(), DuckDBPartitions(), PgDump(), Sling())
