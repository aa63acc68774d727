"""All peers in the order in which they are shown."""

from __future__ import annotations

from polyglot_export.bench.peers.adbc import Adbc
from polyglot_export.bench.peers.asyncpg import Asyncpg
from polyglot_export.bench.peers.base import Peer
from polyglot_export.bench.peers.clickhouse import ClickHouse
from polyglot_export.bench.peers.connectorx import ConnectorX
from polyglot_export.bench.peers.duckdb import DuckDB, DuckDBUnordered
from polyglot_export.bench.peers.node import NodeReference
from polyglot_export.bench.peers.polars import Polars
from polyglot_export.bench.peers.psql import Gzip, Gzip1, Pigz, RowToJson, Zstd
from polyglot_export.bench.peers.psycopg import Psycopg

__all__ = ["all_peers"]


def all_peers() -> tuple[Peer, ...]:
    """One of each; none is imported or started yet."""
    return (
        DuckDB(),
        DuckDBUnordered(),
        ClickHouse(),
        Adbc(),
        ConnectorX(),
        Polars(),
        Asyncpg(),
        Psycopg(),
        RowToJson(),
        Gzip1(),
        Gzip(),
        Pigz(),
        Zstd(),
        NodeReference(),
    )
