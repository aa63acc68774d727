"""ADBC's PostgreSQL driver with pyarrow's writers, batch by batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from benchmarks.peers.programs.job import given_job, table_of

CODECS = {"parquet": "snappy", "parquet-zstd": "zstd"}


def write() -> None:
    """Read and write."""
    from adbc_driver_postgresql import dbapi

    job = given_job()
    with dbapi.connect(job.uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table_of(job)}")
        reader = cursor.fetch_record_batch()
        schema = _stored_schema(reader.schema)
        with _writer(job, schema) as writer:
            for batch in reader:
                writer.write_batch(_stored(batch, schema))


def _writer(job: SimpleNamespace, schema: Any) -> Any:
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
