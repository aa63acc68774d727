"""ClickHouse inside the process (chdb): the table function ``postgresql`` and ``INTO OUTFILE``."""

from __future__ import annotations

import os
from typing import ClassVar

from benchmarks.peers.base import Client, Job, missing_modules

__all__ = ["ClickHouse"]

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


class ClickHouse(Client):
    """With its defaults."""

    name: ClassVar[str] = "ClickHouse (chdb)"
    cases: ClassVar[tuple[str, ...]] = tuple(FORMATS)
    package: ClassVar[str | None] = "chdb"

    def missing(self) -> str | None:
        """One package."""
        return missing_modules("chdb")

    def run(self, job: Job) -> None:
        """One query."""
        import chdb

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
