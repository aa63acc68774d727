"""ADBC's PostgreSQL driver with pyarrow's writers, batch by batch."""

from __future__ import annotations

from typing import Any, ClassVar

from benchmarks.peers.base import Client, Job, missing_modules

__all__ = ["Adbc"]

CODECS = {"parquet": "snappy", "parquet-zstd": "zstd"}


class Adbc(Client):
    """Record batches as they arrive."""

    name: ClassVar[str] = "ADBC + pyarrow"
    cases: ClassVar[tuple[str, ...]] = ("csv", *CODECS)
    package: ClassVar[str | None] = "adbc-driver-postgresql"

    def missing(self) -> str | None:
        """Two packages."""
        return missing_modules("adbc_driver_postgresql", "pyarrow")

    def run(self, job: Job) -> None:
        """Read and write."""
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(job.uri) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {job.name}")
            reader = cursor.fetch_record_batch()
            schema = _stored_schema(reader.schema)
            with _writer(job, schema) as writer:
                for batch in reader:
                    writer.write_batch(_stored(batch, schema))


def _writer(job: Job, schema: Any) -> Any:
    if job.case == "csv":
        from pyarrow import csv

        return csv.CSVWriter(job.path, schema)
    from pyarrow import parquet

    return parquet.ParquetWriter(job.path, schema, compression=CODECS[job.case])


def _stored_schema(schema: Any) -> Any:
    """Types of PostgreSQL (numeric, jsonb) arrive as extension types over text, which pyarrow's CSV writer does not
    take.
    """
    import pyarrow as pa

    return pa.schema([(field.name, getattr(field.type, "storage_type", field.type)) for field in schema])


def _stored(batch: Any, schema: Any) -> Any:
    import pyarrow as pa

    return pa.record_batch([getattr(column, "storage", column) for column in batch.columns], schema=schema)
