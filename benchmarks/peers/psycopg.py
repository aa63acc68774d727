"""psycopg: the server's own CSV, passed through."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from benchmarks.peers.base import Client, Job, missing_modules

__all__ = ["Psycopg"]


class Psycopg(Client):
    """``cursor.copy``."""

    name: ClassVar[str] = "psycopg COPY"
    cases: ClassVar[tuple[str, ...]] = ("csv",)
    package: ClassVar[str | None] = "psycopg"

    def missing(self) -> str | None:
        """One package."""
        return missing_modules("psycopg")

    def run(self, job: Job) -> None:
        """One COPY."""
        import psycopg

        statement = f"COPY (SELECT * FROM {job.name}) TO STDOUT (FORMAT csv, HEADER)"
        with (
            psycopg.connect(job.uri) as connection,
            connection.cursor().copy(statement.encode()) as copy,
            Path(job.path).open("wb") as file,
        ):
            file.writelines(copy)
