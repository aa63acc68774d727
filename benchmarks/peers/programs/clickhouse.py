"""ClickHouse inside the process (chdb): the table function ``postgresql`` and ``INTO OUTFILE``."""

from __future__ import annotations

import os

from benchmarks.peers.programs.job import given_job

FORMATS = {
    "csv": "CSVWithNames",
    "json": "JSONEachRow SETTINGS output_format_json_array_of_rows = 1",
    "ndjson": "JSONEachRow",
    "xml": "XML",
    # Its default is zstd; the codecs are compared one by one.
    "parquet": "Parquet SETTINGS output_format_parquet_compression_method = 'snappy'",
    "parquet-zstd": "Parquet SETTINGS output_format_parquet_compression_method = 'zstd'",
    "csv.gz": "CSVWithNames",
    "csv.zst": "CSVWithNames",
}
COMPRESSIONS = {"csv.gz": " COMPRESSION 'gzip'", "csv.zst": " COMPRESSION 'zstd'"}


def write() -> None:
    """One query."""
    import chdb

    job = given_job()
    words = (
        f"{os.environ['PGHOST']}:{os.environ['PGPORT']}",
        os.environ["PGDATABASE"],
        job.table,
        os.environ["PGUSER"],
        os.environ["PGPASSWORD"],
        job.schema,
    )
    source = f"postgresql({', '.join(map(_literal, words))})"
    target = f"INTO OUTFILE {_literal(job.path)} TRUNCATE{COMPRESSIONS.get(job.case, '')}"
    chdb.query(f"SELECT * FROM {source} {target} FORMAT {FORMATS[job.case]}")


def _literal(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
