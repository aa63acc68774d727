"""asyncpg's ``copy_from_query``."""

from __future__ import annotations

from benchmarks.peers.programs.job import given_job, table_of


def write() -> None:
    """One COPY."""
    import asyncio

    asyncio.run(_copy())


async def _copy() -> None:
    import asyncpg

    job = given_job()
    connection = await asyncpg.connect(job.uri)
    try:
        await connection.copy_from_query(f"SELECT * FROM {table_of(job)}", output=job.path, format="csv", header=True)
    finally:
        await connection.close()
