"""asyncpg: the server's own CSV, passed through."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client, Job, missing_modules

__all__ = ["Asyncpg"]


class Asyncpg(Client):
    """``copy_from_query``."""

    name: ClassVar[str] = "asyncpg COPY"
    cases: ClassVar[tuple[str, ...]] = ("csv",)
    package: ClassVar[str | None] = "asyncpg"

    def missing(self) -> str | None:
        """One package."""
        return missing_modules("asyncpg")

    def run(self, job: Job) -> None:
        """One COPY."""
        import asyncio

        asyncio.run(_copy(job))


async def _copy(job: Job) -> None:
    import asyncpg

    connection = await asyncpg.connect(job.uri)
    try:
        await connection.copy_from_query(f"SELECT * FROM {job.name}", output=job.path, format="csv", header=True)
    finally:
        await connection.close()
