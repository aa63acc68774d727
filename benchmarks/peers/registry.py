"""All peers in the order in which they are shown."""

from __future__ import annotations

from benchmarks.peers.adbc import Adbc
from benchmarks.peers.asyncpg import Asyncpg
from benchmarks.peers.base import Peer
from benchmarks.peers.clickhouse import ClickHouse
from benchmarks.peers.connectorx import ConnectorX
from benchmarks.peers.duckdb import DuckDB, DuckDB2, DuckDBUnordered
from benchmarks.peers.ingestr import Ingestr
from benchmarks.peers.node import NodeReference
from benchmarks.peers.polars import Polars
from benchmarks.peers.psql import Gzip, Gzip1, Pigz, RowToJson, Zstd
from benchmarks.peers.psycopg import Psycopg
from benchmarks.peers.rivet import Rivet
from benchmarks.peers.rustpy_xlsxwriter import RustpyXlsxWriter
from benchmarks.peers.sling import Sling
from benchmarks.peers.xlsxwriter import XlsxWriter

__all__ = ["all_peers"]


def all_peers() -> tuple[Peer, ...]:
    """One of each; none is imported or started yet."""
    return (
        DuckDB(),
        DuckDBUnordered(),
        DuckDB2(),
        ClickHouse(),
        Adbc(),
        ConnectorX(),
        Polars(),
        Rivet(),
        Sling(),
        Ingestr(),
        Asyncpg(),
        Psycopg(),
        XlsxWriter(),
        RustpyXlsxWriter(),
        RowToJson(),
        Gzip1(),
        Gzip(),
        Pigz(),
        Zstd(),
        NodeReference(),
    )
