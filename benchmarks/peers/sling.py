"""sling: one reader, one file."""

from __future__ import annotations

from typing import ClassVar

from benchmarks.peers.base import Job, Peer, found_program, missing_programs, program_version

__all__ = ["SOURCE", "Sling"]

OPTIONS = {
    "csv": "{format: csv}",
    "json": "{format: json}",
    "ndjson": "{format: jsonlines}",
    "csv.gz": "{format: csv, compression: gzip}",
    "csv.zst": "{format: csv, compression: zstd}",
}
"""Not Parquet: for that it downloads DuckDB when it runs."""
SOURCE = "SLING_SOURCE"
"""The environment variable that it is told the server by; on a command line everybody could read the password."""


class Sling(Peer):
    """As its manual shows it."""

    name: ClassVar[str] = "sling"
    cases: ClassVar[tuple[str, ...]] = tuple(OPTIONS)
    package: ClassVar[str | None] = "sling-linux-amd64"

    def missing(self) -> str | None:
        """One program. The package ``sling`` is a wrapper, which downloads it when it is first called."""
        return missing_programs("sling")

    def version(self) -> str | None:
        """As it says itself."""
        return program_version("sling")

    def environment(self, job: Job) -> dict[str, str]:
        """Its driver insists on TLS unless told otherwise. What it keeps of a run stays out of the home folder."""
        return super().environment(job) | {SOURCE: f"{job.uri}?sslmode=disable", "SLING_HOME_DIR": job.scratch}

    def command(self, job: Job) -> list[str]:
        """Source, stream and file."""
        return [
            found_program("sling") or "sling", "run", "--src-conn", SOURCE, "--src-stream", f"{job.schema}.{job.table}",
            "--tgt-object", f"file://{job.path}", "--tgt-options", OPTIONS[job.case],
        ]  # fmt: skip
