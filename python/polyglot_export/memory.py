"""Every buffer of an export, with its reason, and their sum.

Nothing here depends on how many rows there are. The service grants an export its sum before it starts; the tests in
``tests/memory`` measure a child process against it.
"""

from __future__ import annotations

import os

from polyglot_export.plan import Limits, Plan

__all__ = [
    "CHUNK_BYTES",
    "DEFAULT_WORKERS_LIMIT",
    "FILE_CHUNK_BYTES",
    "PARQUET_ROW_BYTES",
    "ROW_BYTES",
    "WINDOW_BYTES",
    "default_workers",
    "export_bytes",
    "reservation",
]

KB = 1 << 10
MB = 1 << 20

CHUNK_BYTES = 256 * KB
"""Bytes handed out at a time to a network sink: a client that stalls holds 0.8 to 1.6 MB, with 1 MB chunks 2 to 5."""
FILE_CHUNK_BYTES = 1 * MB
"""Bytes handed out at a time to a file: fewer crossings, and a file never stalls."""
WINDOW_BYTES = 16 * MB
"""Bytes of later segments that may wait for the head segment, so that workers need not run in step. Two segments: more gains nothing."""
ROW_BYTES = 64 * MB
"""Largest row that is accepted. PostgreSQL allows 1 GB; a row must fit in memory once as read and once as written."""
PARQUET_ROW_BYTES = 16 * MB
"""The same for Parquet: about ten times the largest value is held while its page is built (the batch, the page, its compressed
copy, least and greatest value), so a larger row would not fit the memory that an export reserves."""
READ_BUFFER_BYTES = 256 * KB
"""Bytes read from a socket at a time, one buffer a worker."""
QUEUED_CHUNKS = 3
"""Chunks outside the core: two in the feed's queue and one with the sink."""
LEADER_BYTES = 2 * MB
"""The control connection with its TLS state, and the plan."""
CONNECTION_BYTES = 1 * MB
"""A worker's thread stack in use, socket and TLS state."""
COMPRESSOR_BYTES = 1 * MB
"""A worker's deflate state (about 300 KB), its raw input and its output."""
ZSTD_BYTES = 24 * MB
"""One multi-threaded zstd stream: a job buffer and a window for each thread, at level 1 to 3."""
ROW_GROUP_FACTOR = 2
"""A row group is held as column builders and encoded pages while it is written, then once more while it waits to be appended."""
DEFAULT_WORKERS_LIMIT = 4
"""More connections than this an export takes only when it is told to: each is a backend of the server, which does as much
work for it as we do."""


def default_workers() -> int:
    """One worker a CPU that this process may use, at most :data:`DEFAULT_WORKERS_LIMIT`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, DEFAULT_WORKERS_LIMIT))


def reservation(plan: Plan) -> int:
    """Bytes that this export may take at its highest, apart from what the process has anyway."""
    return export_bytes(plan.encoder.format, plan.compression, plan.limits, row_group_bytes=plan.encoder.row_group_bytes)


def export_bytes(format_: str, compression: str | None, limits: Limits, *, row_group_bytes: int = 16 * MB) -> int:
    """The sum for an export that is not planned yet.

    Args:
        format_: ``parquet`` holds row groups, the text formats hold chunks.
        compression: ``gzip``, ``zstd`` or ``None``.
        limits: Its sizes; a row of ``row_bytes`` is counted once for the whole export, since it passes through one worker
            at a time in all but made-up tables, and rows that large wait for each other in the window.
        row_group_bytes: Bound of a row group.
    """
    worker = CONNECTION_BYTES + READ_BUFFER_BYTES + 2 * limits.chunk_bytes
    if format_ == "parquet":
        worker += ROW_GROUP_FACTOR * row_group_bytes
    if compression == "gzip":
        worker += COMPRESSOR_BYTES
    shared = LEADER_BYTES + limits.window_bytes + QUEUED_CHUNKS * limits.chunk_bytes + limits.row_bytes
    if compression == "zstd":
        shared += ZSTD_BYTES
    return limits.workers * worker + shared
