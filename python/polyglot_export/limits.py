"""Every bound of an export, with its reason: the one place for sizes, and for their defaults.

Nothing here depends on how many rows there are. The service grants an export its sum before it reads a row; the tests
in ``tests/memory`` measure processes against it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

__all__ = [
    "BODY_BYTES",
    "BODY_VALUES",
    "CHUNK_BYTES",
    "DATABASE_SECONDS",
    "DEFAULT_WORKERS_LIMIT",
    "DELIVERY_BYTES",
    "DELIVERY_COLUMNS",
    "DELIVERY_FILES",
    "DUMP_BYTES",
    "DUMP_FILES",
    "DUMP_LARGE_BYTES",
    "DUMP_PART_BYTES",
    "FILE_CHUNK_BYTES",
    "INLINE_ROW_BYTES",
    "LEADER_BYTES",
    "MANIFEST_BYTES",
    "MAX_COLUMNS",
    "MAX_DATASETS",
    "MAX_FILTER_TERMS",
    "MAX_FILTER_VALUES",
    "MAX_SORT_KEYS",
    "MAX_SPLIT_PARTS",
    "MAX_SPLIT_VALUES",
    "MESSAGE_BYTES",
    "MOST_WINDOW_BYTES",
    "PAGES_PER_SEGMENT",
    "PARQUET_PAGES_PER_SEGMENT",
    "PARQUET_ROW_BYTES",
    "ROUTE_ALL_FILES",
    "ROUTE_BYTES",
    "ROUTE_CHUNK_BYTES",
    "ROUTE_FILES",
    "ROUTE_FOOTERS_BYTES",
    "ROUTE_PARTS",
    "ROUTE_PART_BYTES",
    "ROUTE_UPLOADS",
    "ROUTE_ZSTD_FILES",
    "ROW_BYTES",
    "SPLIT_SQL_BYTES",
    "UPLOAD_BYTES",
    "UPLOAD_PARTS",
    "UPLOAD_PART_BYTES",
    "VERIFY_READ_BYTES",
    "WINDOW_BYTES",
    "WINDOW_WORKERS",
    "WORKER_WINDOW_BYTES",
    "Limits",
    "default_workers",
    "window_bytes",
]

KIB = 1 << 10
MIB = 1 << 20

CHUNK_BYTES = 256 * KIB
"""Bytes handed out at a time to a client: a client that stalls holds 0.8 to 1.6 MiB, with 1 MiB chunks 2 to 5."""
FILE_CHUNK_BYTES = 1 * MIB
"""Bytes handed out at a time to a file: fewer crossings, and a file never stalls."""
WINDOW_BYTES = 16 * MIB
"""Bytes of later segments that may wait for the head segment, so that workers need not run in step. Two segments: for
up to :data:`WINDOW_WORKERS` more gains nothing, since they are half-way through theirs on average."""
WINDOW_WORKERS = 4
"""Workers that this window is enough for."""
WORKER_WINDOW_BYTES = 8 * MIB
"""What each further worker adds to it: half a segment of XML, a segment of CSV. With too small a window workers only
wait for each other: 16 within 16 MiB, on a unix socket, took twice the time of four."""
MOST_WINDOW_BYTES = 128 * MIB
"""No window is larger, for any number of workers: half of what a process may have."""
ROW_BYTES = 128 * MIB
"""Largest row that is accepted. PostgreSQL allows 1 GiB; a row must fit in memory once, as it is read: with it a
process stays below 256 MiB. What is written of it goes on in pieces (``rust/src/bytes/flusher.rs``)."""
PARQUET_ROW_BYTES = 16 * MIB
"""The same for Parquet: about ten times the largest value is held while its page is built (the batch, the page, its
compressed copy, least and greatest value), so a larger row would not fit the memory that an export reserves."""
READ_BUFFER_BYTES = 256 * KIB
"""Bytes read from a socket at a time, one buffer a worker."""
DATABASE_SECONDS = 2_147_483
"""The longest limit of time that a server takes, 24 days: its settings are integers of milliseconds."""
UPLOAD_PART_BYTES = 8 * MIB
"""A part of an upload to an object store; with the 10,000 parts that S3 allows, an object may have 78 GiB. What is
smaller than a part is sent as a whole, in one request."""
UPLOAD_PARTS = 3
"""Parts that are sent at a time: enough to fill a line while the store confirms one."""
UPLOAD_BYTES = (UPLOAD_PARTS + 1) * UPLOAD_PART_BYTES
"""What an upload holds: the parts that are sent, and the one that is being filled."""
HELD_CHUNKS = 10
"""Chunks of an export whose client takes nothing: four in the pool, two of the head segment, one being cut, two in the
feed's queue, one with the destination."""
LEADER_BYTES = 512 * KIB
"""The control connection with its TLS state, the plan, and the thread that pulls."""
CONNECTION_BYTES = 256 * KIB
"""A worker's thread stack in use, socket and TLS state."""
COLUMN_BYTES = 5 * KIB
"""A worker's decoder and encoder of one column, and its part of the plan: seen in tables of 1,600 columns."""
COMPRESSOR_BYTES = 1 * MIB
"""A worker's deflate state (about 300 KiB), its raw input and its output."""
ZSTD_BYTES = 7 * MIB
"""One multi-threaded zstd stream at level 1: jobs of 1 MiB, some as read and some compressed, and a window for each
thread."""
PARQUET_COLUMN_BYTES = 64 * KIB
"""A worker's builders, open page and dictionary of one column of a Parquet file …"""
PARQUET_COLUMNS_BYTES = 48 * MIB
"""… and of all columns together, whose buffers share bounds: seen with 1,600 columns."""
ROW_GROUP_BYTES = 16 * MIB
"""Encoded bytes after which a row group of Parquet ends. Each worker holds one; smaller ones cost readers more."""
ROW_GROUP_ROWS = 1_000_000
"""Rows after which a row group ends, for rows that are narrower than their count."""
APPENDED_ROW_GROUPS = 2
"""Row groups that have left their worker: one is the head's, one is being handed out."""
ARROW_BATCH_BYTES = 4 * MIB
"""Values after which a batch of Arrow ends (``rust/src/formats/arrow/batch.rs``): each worker collects one, and what is
handed over in memory is one."""
ARROW_BATCH_FACTOR = 6
"""How often a worker holds a batch: the arrays, which grow by doubling, decimals and small integers once more, the
body of the message, and the message."""
ARROW_BATCHES_IN_HAND = 3
"""Batches that have left their worker: one is the head's, one is being cut into chunks, one is with the consumer."""
ARROW_VALUE_BYTES = 16
"""What a value of Arrow takes at most where it is NULL: a decimal or a UUID."""
ARROW_COLUMN_BYTES = 4 * KIB
"""A worker's builder of one column of Arrow, and its part of the message's head …"""
ARROW_COLUMNS_BYTES = 8 * MIB
"""… and of all columns together."""
ARROW_ROW_BYTES = 16 * MIB
"""The largest row for Arrow, as for Parquet."""
ARROW_ROW_FACTOR = 8
"""A large row as it is read, in the arrays, in the body, in the message, and in the chunks that are cut of it."""
TEXT_ROW_FACTOR = 1.3
"""A large row as it is read, with the room that the buffer grows by; what is written of it leaves in pieces."""
PARQUET_ROW_FACTOR = 13
"""A large row as it is read, in the batch, in the page, compressed, and as the page's least and greatest value."""
INLINE_ROW_BYTES = 256 * KIB
"""What is reserved for the largest row of a table without large values: such a row is stored in one page (8 KiB), and
this is what it may become when it is printed or was compressed 32-fold. A row that becomes more is still read, as one
row at a time."""
PAGE_BYTES = 8 * KIB
"""PostgreSQL's page, as it is built everywhere."""
ROW_ON_PAGE_BYTES = 28
"""The least that a row takes on a page: its header and its line pointer (PostgreSQL manual, "Database Page Layout")."""
PAGES_PER_SEGMENT = 1_000
"""Heap pages of a segment, 8 MiB with PostgreSQL's usual page size: large enough that the 1 ms that a statement costs
does not show, small enough that the last segments keep all workers busy and that finished ones fit the window. A
constant: the bytes of a gzip file depend on where segments end, and they must not depend on the number of workers."""
PARQUET_PAGES_PER_SEGMENT = 4_000
"""The same for Parquet, 32 MiB: each segment ends its own row group, and 32 MiB of heap are about the 16 MiB of encoded
data that a row group should have; smaller row groups cost readers more than they give them."""
MANIFEST_BYTES = 16 * MIB
"""A manifest, which is read whole: about 60,000 files. As objects it takes four times as much."""
VERIFY_READ_BYTES = 4 * MIB
"""Bytes of a file that is verified, read at a time: one piece is counted and hashed while the next one is read. Less
would make a store answer too often."""
DUMP_BYTES = 128 * MIB
"""What all parts of a dump that are written at a time may have reserved together: with what the process has anyway it
stays below 200 MB."""
DUMP_LARGE_BYTES = 200 * MIB
"""The same where one of them may have very large rows, which few rows of few tables are. What does not fit is written
alone."""
DUMP_FILES = 50_000
"""Files of a relation in a dump, at most: what a manifest has room for."""
DUMP_PART_BYTES = 1 * MIB
"""The smallest size that parts of a dump can be asked to have: a segment is larger, so that a smaller one would promise
what cannot be kept."""
ROUTE_PARTS = 16
"""Parts of a relation whose rows are laid into folders by a value, at most: so many workers can share it, and so many
files a value has that all of them meet."""
ROUTE_PART_BYTES = 32 * MIB
"""Bytes of pages that such a part has at least: a smaller table is not worth several files for each value."""
ROUTE_BYTES = 12 * MIB
"""Bytes of rows that wait in such a part until they are written; the buffers that they are in grow by a quarter. With
1,000 values in random order a file gets 12 to 24 KiB of rows at a time."""
ROUTE_FILES = 48
"""Files that such a part has open at a time, each with a descriptor and a chunk of :data:`ROUTE_CHUNK_BYTES`."""
ROUTE_ALL_FILES = 4 * ROUTE_FILES
"""The same for all parts of a process: Linux gives it 1,024 descriptors, macOS 256."""
ROUTE_ZSTD_FILES = 4
"""The same for zstd, of which each stream holds :data:`ZSTD_BYTES`."""
ROUTE_UPLOADS = 2
"""The same where files are uploads, each of which holds :data:`UPLOAD_BYTES`."""
ROUTE_CHUNK_BYTES = 64 * KIB
"""Bytes of a chunk of such a file (``rust/src/routing/mod.rs``)."""
ROUTE_FOOTERS_BYTES = 4 * MIB
"""What the open files of such a part hold until their ends (``rust/src/routing/router.rs``)."""
MESSAGE_BYTES = 1 * KIB
"""Bytes of a message that are kept, sent or logged: a server quotes the value that it cannot read, which may be a
text of a megabyte."""
MAX_COLUMNS = 1_664
"""Columns of an export: PostgreSQL's own limit for a SELECT (``MaxTupleAttributeNumber``)."""
MAX_SORT_KEYS = 100
"""Terms of ``orderBy``. Each is tried alone on the server."""
MAX_SPLIT_PARTS = 1_000
"""Statements that one is split into by ranges of a column. Each of them costs the server a millisecond."""
MAX_SPLIT_VALUES = 300
"""The same by values of a column, each of which has a statement of its own."""
SPLIT_SQL_BYTES = 1 * MIB
"""What all of these statements together may have, as SQL, beside their bounds."""
MAX_FILTER_TERMS = 100
"""Terms of a filter. Each is tried alone on the server."""
MAX_FILTER_VALUES = 10_000
"""Values in the lists of a filter over HTTP, all terms together; each is held as an object of some 120 bytes."""
BODY_VALUES = 20_000
"""Members and elements of a JSON body, about: more than a request has that keeps the limits above."""
MAX_DATASETS = 100
"""Datasets of a set of files over HTTP, all of which are planned before the first one is read."""
DELIVERY_COLUMNS = 5_000
"""Columns of all datasets of such a set together …"""
DELIVERY_FILES = 1_000
"""… and its files: what a list of them may hold."""
DELIVERY_BYTES = 16 * MIB
"""What the plans and the manifest of such a set take, about: 2 KiB a column, 1 KiB a file, and the manifest's text."""
BODY_BYTES = 8 * MIB
"""What all bodies of requests that are being received or worked on may hold together."""
DEFAULT_WORKERS_LIMIT = 4
"""More connections than this an export takes only when it is told to: each is a backend of the server, which does as
much work for it as we do."""


def default_workers() -> int:
    """One worker a CPU that this process may use, at most :data:`DEFAULT_WORKERS_LIMIT`."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, DEFAULT_WORKERS_LIMIT))


def window_bytes(workers: int) -> int:
    """The window with which so many workers keep each other busy, in bytes."""
    further = max(0, workers - WINDOW_WORKERS)
    return min(MOST_WINDOW_BYTES, WINDOW_BYTES + further * WORKER_WINDOW_BYTES)


@dataclass(frozen=True, slots=True)
class Limits:
    """The sizes that an export was granted. Its bytes do not depend on them."""

    workers: int = field(default_factory=default_workers)
    """Threads that read and encode, each with its own connection."""
    chunk_bytes: int = CHUNK_BYTES
    """Bytes of a chunk, about; the last one may be smaller."""
    window_bytes: int = WINDOW_BYTES
    """Bytes of later segments that may wait for the head segment."""
    row_bytes: int = ROW_BYTES
    """Largest row that is accepted, in bytes as the server sends it."""
