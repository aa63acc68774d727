"""DuckDB with its postgres extension: ``ATTACH`` and ``COPY … TO``.

The extension comes from DuckDB's own repository (``INSTALL postgres``) or, without a network, from the package
``duckdb-extension-postgres-scanner`` of the same version; so does the one that writes xlsx, from
``duckdb-extension-excel``.
"""

from __future__ import annotations

from benchmarks.peers.programs.job import given_job, table_of

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


def write(*, ordered: bool = True) -> None:
    """One statement.

    Args:
        ordered: As installed, rows keep the order in which they were read; its guide advises against that for large
            exports.
    """
    import duckdb

    job = given_job()
    with duckdb.connect() as connection:
        connection.execute(load_statement("excel" if job.case == "xlsx" else "postgres_scanner"))
        if job.case == "xlsx":
            connection.execute(load_statement())
        connection.execute(f"SET preserve_insertion_order = {str(ordered).lower()}")
        # The variables of libpq say where.
        connection.execute("ATTACH '' AS pg (TYPE postgres, READ_ONLY)")
        path = job.path.replace("'", "''")
        connection.execute(f"COPY (SELECT * FROM pg.{table_of(job)}) TO '{path}' ({OPTIONS[job.case]})")


def write_set(select: str, folder: str, layout: str) -> None:
    """One statement that writes a folder of Parquet files."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(load_statement())
        connection.execute("SET preserve_insertion_order = false")
        connection.execute("ATTACH '' AS pg (TYPE postgres, READ_ONLY)")
        connection.execute(f"COPY ({select}) TO '{folder}' (FORMAT parquet, {layout}, OVERWRITE_OR_IGNORE)")


def load_statement(extension: str = "postgres_scanner") -> str:
    """The statement that loads one of its extensions."""
    from importlib.util import find_spec

    import duckdb

    spec = find_spec(PACKAGES[extension])
    if spec is not None and spec.submodule_search_locations:
        (folder,) = spec.submodule_search_locations
        return f"LOAD '{folder}/extensions/v{duckdb.__version__}/{extension}.duckdb_extension'"
    return f"LOAD {extension}"


def load_all() -> None:
    """Load them, to see whether they are there."""
    import duckdb

    with duckdb.connect() as connection:
        for extension in PACKAGES:
            connection.execute(load_statement(extension))
