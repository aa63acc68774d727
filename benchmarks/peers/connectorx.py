"""ConnectorX into a polars frame, the whole table at once, and polars' writers."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Client, Job, missing_modules
from benchmarks.peers.polars import WRITERS, write_frame

__all__ = ["ConnectorX"]


class ConnectorX(Client):
    """By its binary protocol, one partition."""

    name: ClassVar[str] = "ConnectorX + polars"
    cases: ClassVar[tuple[str, ...]] = WRITERS
    package: ClassVar[str | None] = "connectorx"

    def missing(self) -> str | None:
        """Two packages."""
        return missing_modules("connectorx", "polars")

    def run(self, job: Job) -> None:
        """Read, then write."""
        import connectorx

        frame = connectorx.read_sql(job.uri, f"SELECT * FROM {job.name}", return_type="polars")
        write_frame(frame, job)
