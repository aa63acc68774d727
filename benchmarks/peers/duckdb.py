"""DuckDB with its postgres extension: ``ATTACH`` and ``COPY … TO``.

The extension comes from DuckDB's own repository (``INSTALL postgres``) or, without a network, from the package
``duckdb-extension-postgres-scanner`` of the same version; so does the one that writes xlsx, from
``duckdb-extension-excel``.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from benchmarks.peers.base import Client, Job, missing_modules

__all__ = ["DuckDB", "DuckDBUnordered", "load_statement"]

PACKAGES = {"postgres_scanner": "duckdb_extension_postgres_scanner", "excel": "duckdb_extension_excel"}
OPTIONS = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json, ARRAY true",
    "ndjson": "FORMAT json",
    "parquet": "FORMAT parquet",
    "parquet-zstd": "FORMAT parquet, COMPRESSION zstd",
    "csv.gz": "FORMAT csv, HEADER, COMPRESSION gzip",
    "csv.zst": "FORMAT csv, HEADER, COMPRESSION zstd",
    "xlsx": "FORMAT xlsx, HEADER true",
}


class DuckDB(Client):
    """As installed: rows keep the order in which they were read."""

    name: ClassVar[str] = "DuckDB"
    cases: ClassVar[tuple[str, ...]] = tuple(OPTIONS)
    package: ClassVar[str | None] = "duckdb"
    ordered: ClassVar[bool] = True

    def missing(self) -> str | None:
        """Its extension is a download, unless the package has it."""
        absent = missing_modules("duckdb")
        if absent is not None:
            return absent
        import duckdb

        try:
            with duckdb.connect() as connection:
                for extension in PACKAGES:
                    connection.execute(load_statement(extension))
        except duckdb.Error as error:
            return f"DuckDB {duckdb.__version__} lacks an extension here ({str(error).splitlines()[0]})"
        return None

    def run(self, job: Job) -> None:
        """One statement."""
        import duckdb

        with duckdb.connect() as connection:
            connection.execute(load_statement())
            if job.case == "xlsx":
                connection.execute(load_statement("excel"))
            connection.execute(f"SET preserve_insertion_order = {str(self.ordered).lower()}")
            # The variables of libpq say where.
            connection.execute("ATTACH '' AS pg (TYPE postgres, READ_ONLY)")
            path = job.path.replace("'", "''")
            connection.execute(f"COPY (SELECT * FROM pg.{job.name}) TO '{path}' ({OPTIONS[job.case]})")


class DuckDBUnordered(DuckDB):
    """The setting that its guide advises for large exports."""

    name: ClassVar[str] = "DuckDB, unordered"
    ordered: ClassVar[bool] = False


def load_statement(extension: str = "postgres_scanner") -> str:
    """The statement that loads one of its extensions."""
    import duckdb

    package = PACKAGES[extension]
    if find_spec(package) is not None:
        folder = Path(str(files(package)))
        return f"LOAD '{folder / 'extensions' / f'v{duckdb.__version__}' / f'{extension}.duckdb_extension'}'"
    return f"LOAD {extension}"
