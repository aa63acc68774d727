"""A polars frame as a file."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

__all__ = ["write_frame"]


def write_frame(frame: Any, job: SimpleNamespace) -> None:
    """By polars' writer for the form."""
    if job.case == "csv":
        frame.write_csv(job.path)
    elif job.case == "ndjson":
        frame.write_ndjson(job.path)
    else:
        frame.write_parquet(job.path, compression="zstd" if job.case == "parquet-zstd" else "snappy")
