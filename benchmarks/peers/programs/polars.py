"""polars alone: ``read_database_uri`` by ADBC, the whole table at once."""

from __future__ import annotations

from benchmarks.peers.programs.frames import write_frame
from benchmarks.peers.programs.job import given_job, table_of


def write() -> None:
    """Read, then write."""
    import polars as pl

    job = given_job()
    frame = pl.read_database_uri(f"SELECT * FROM {table_of(job)}", job.uri, engine="adbc")
    # numeric and jsonb arrive as extension types over text, which the writers do not take.
    stored = [pl.col(name).ext.storage() for name, type_ in frame.schema.items() if isinstance(type_, pl.BaseExtension)]
    write_frame(frame.with_columns(stored), job)
