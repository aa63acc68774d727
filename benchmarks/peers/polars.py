"""polars alone: ``read_database_uri`` by ADBC, the whole table at once."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.peers.base import Client, Job, missing_modules

__all__ = ["WRITERS", "Polars", "write_frame"]

WRITERS = ("csv", "ndjson", "parquet", "parquet-zstd")


class Polars(Client):
    """A frame in memory."""

    name: ClassVar[str] = "polars (ADBC)"
    cases: ClassVar[tuple[str, ...]] = WRITERS
    package: ClassVar[str | None] = "polars"

    def missing(self) -> str | None:
        """The package itself, and the driver that it names in its manual."""
        return missing_modules("polars", "adbc_driver_postgresql", "pyarrow")

    def run(self, job: Job) -> None:
        """Read, then write."""
        import polars as pl

        frame = pl.read_database_uri(f"SELECT * FROM {job.name}", job.uri, engine="adbc")
        # numeric and jsonb arrive as extension types over text, which the writers do not take.
        stored = [
            pl.col(name).ext.storage() for name, type_ in frame.schema.items() if isinstance(type_, pl.BaseExtension)
        ]
        write_frame(frame.with_columns(stored), job)


def write_frame(frame: Any, job: Job) -> None:
    """The frame as a file, by polars' writer for it."""
    if job.case == "csv":
        frame.write_csv(job.path)
    elif job.case == "ndjson":
        frame.write_ndjson(job.path)
    else:
        frame.write_parquet(job.path, compression="zstd" if job.case == "parquet-zstd" else "snappy")
