"""ConnectorX into a polars frame, the whole table at once, and polars' writers."""

from __future__ import annotations

from benchmarks.peers.programs.frames import write_frame
from benchmarks.peers.programs.job import given_job, table_of


def write() -> None:
    """Read, then write."""
    import connectorx

    job = given_job()
    write_frame(connectorx.read_sql(job.uri, f"SELECT * FROM {table_of(job)}", return_type="polars"), job)
