"""The data plane: PostgreSQL's binary COPY in, bytes of a file out. The manual of the compiled module."""

from collections.abc import Callable
from typing import final

from polyglot_export.formats.base import EncoderOptions
from polyglot_export.planning.plan import Plan

build_profile: str
"""``release`` or ``debug``; a benchmark of a debug build means nothing."""
version: str
"""The version of the crate, which is that of the package."""

@final
class TypeRecord:
    """A type that is read natively, as its record in ``rust/src/types`` says."""

    @property
    def kind(self) -> str:
        """The name in a plan (``Column.kind``)."""
    @property
    def postgres(self) -> list[str]:
        """The types of ``pg_catalog`` that are read so; none for what only generated SQL makes."""
    @property
    def parquet(self) -> str:
        """The Parquet type where no option says otherwise; ``decimal`` depends on the type modifier."""
    @property
    def big_number(self) -> bool:
        """Whether values can have more digits than a double keeps."""
    @property
    def document(self) -> bool:
        """Whether values are JSON documents."""

def types() -> list[TypeRecord]:
    """Every type, in the order of the registry."""

def formats() -> list[str]:
    """The names of the formats in a plan (``EncoderOptions.format``)."""

@final
class RowCounter:
    """Counts the rows of one file that is read anew, from any cut of its bytes.

    First :meth:`look` gets what :meth:`wants` asks for, until that is ``None``; then :meth:`update` gets all bytes in
    their order. The file is outside data: a wrong one raises, and memory is bounded whatever it holds.

    Memory:
        Some hundred KB; for Parquet also the largest page, packed and unpacked, and 48 bytes for each column of each
        row group.
    """

    def __new__(cls, encoder: EncoderOptions, compression: str | None = None) -> RowCounter: ...
    def wants(self, file_bytes: int) -> tuple[int, int] | None:
        """Where bytes lie that it has to see before the first ones: start and length.

        Args:
            file_bytes: The size of the file.
        """
    def look(self, content: bytes) -> None:
        """See what was wanted, with the GIL released.

        Raises:
            MalformedData: It is not of the format.
        """
    def update(self, chunk: bytes) -> None:
        """Count on in the next bytes of the file, with the GIL released.

        Raises:
            MalformedData: They are not of the format or of the compression.
        """
    def finish(self) -> int:
        """The rows of the file, all of which was given.

        Raises:
            MalformedData: It ends before it should.
        """

@final
class Sha256:
    """The SHA-256 of bytes, also of those that :meth:`ChunkStream.write_chunk` writes."""

    def __new__(cls) -> Sha256: ...
    def update(self, chunk: bytes) -> None:
        """The next bytes, with the GIL released."""
    def hexdigest(self) -> str:
        """The digest of the bytes so far, in hexadecimal digits."""

@final
class Writer:
    """Writes to a descriptor that Python has opened: a file, a pipe, a socket or a device. It keeps a duplicate of it
    (dup(2)); the descriptor itself stays the caller's, who gives it a name, makes it durable, and closes it first where
    close(2) may tell of an error.

    What a pipe does not take at once is written later, and one that another program has made non-blocking is waited
    for. In the main thread the handlers of signals run meanwhile.

    Raises:
        OSError: The descriptor is not open.
    """

    def __new__(cls, descriptor: int) -> Writer: ...
    def write(self, chunk: bytes) -> None:
        """Write all bytes, with the GIL released.

        Raises:
            OSError: The error of the system, such as ``ENOSPC``.
        """
    def close(self) -> None:
        """Close the duplicate. May be called again."""

@final
class Progress:
    """A moment of an export, consistent in itself."""

    @property
    def rows(self) -> int:
        """Rows whose bytes have been handed out."""
    @property
    def bytes(self) -> int:
        """Bytes handed out, after compression."""
    @property
    def segments_done(self) -> int:
        """Segments handed out whole."""
    @property
    def segments_total(self) -> int:
        """Segments of the plan."""
    @property
    def losses(self) -> list[int]:
        """Declared losses (nulled, replaced, dropped) by column, in the order of the plan."""
    @property
    def finished(self) -> bool:
        """True once :meth:`ChunkStream.next_chunk` has said that the export is complete."""

@final
class Sessions:
    """Connections that are kept between the streams of one moment: those that were given the same one take them from
    here and give them back when they have ended well. All methods may be called from any thread.
    """

    def __new__(cls) -> Sessions: ...
    @property
    def idle(self) -> int:
        """How many wait for their next stream."""
    def close(self) -> None:
        """End those that wait; those in use are ended when they are given back."""

@final
class RoutedChunk:
    """What happens to one of the files of a :class:`RoutedStream`."""

    @property
    def number(self) -> int:
        """Of the file; they are numbered from 0 as they begin."""
    @property
    def begins(self) -> bool:
        """Whether it begins, without bytes yet."""
    @property
    def value(self) -> str | None:
        """Where it begins: the value of its rows; ``None`` for those that have none."""
    @property
    def content(self) -> bytes:
        """Its next bytes."""
    @property
    def ends(self) -> bool:
        """Whether it is complete."""
    @property
    def rows(self) -> int:
        """Where it ends: how many it has."""
    @property
    def losses(self) -> list[int]:
        """Where it ends: declared losses by column, in the order of the plan."""
    @property
    def replaced(self) -> int:
        """Where it ends: rows with a value that no folder can tell from having none."""

@final
class RoutedStream:
    """The files of one export whose plan has a route, by one worker; otherwise as :class:`ChunkStream`.

    Memory:
        Rows that wait (``route.waiting_bytes`` and a quarter of it), and a chunk of 64 KB for each open file.
    """

    def __new__(cls, plan: Plan, sessions: Sessions | None = None) -> RoutedStream: ...
    def next_chunk(self) -> RoutedChunk | None:
        """Wait, with the GIL released, for what comes next; ``None`` means that all files are complete.

        Raises:
            PolyglotError: Any of ``polyglot_export.errors``; every later call raises it again. A connection that is
                lost is not replaced, since rows of earlier segments may wait.
        """
    def cancel(self) -> None:
        """Cancel the queries in the server; ``next_chunk`` raises ``Cancelled`` from now on. Does not block."""
    def close(self) -> None:
        """Cancel what still runs and wait until every worker and connection is gone."""
    def progress(self) -> Progress:
        """How far the export is; never blocks."""

@final
class ArrowBatch:
    """Some rows in memory, by Arrow's PyCapsule interface; ``len`` tells their bytes."""

    @property
    def rows(self) -> int:
        """How many."""
    def __len__(self) -> int: ...
    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...

@final
class ArrowSchema:
    """The columns of a plan for a columnar format, as Arrow has them."""

    def __new__(cls, plan: Plan) -> ArrowSchema: ...
    def capsule(self) -> object:
        """An ``arrow_schema``."""
    def reader(self, pull: Callable[[], ArrowBatch | None], close: Callable[[], None]) -> object:
        """An ``arrow_array_stream``, which may be read from any thread, with the GIL or without.

        Args:
            pull: Gives the next batch, or ``None`` at the end. What it raises reaches the reader as an error.
            close: Called once, when the reader wants no more.
        """

@final
class ArrowStream:
    """The batches of one export whose plan says so (``arrow_container="batches"``); otherwise as :class:`ChunkStream`.

    Memory:
        Per worker one batch of 4 MB or one row; together at most ``window_bytes`` of finished batches that wait.
    """

    def __new__(cls, plan: Plan, sessions: Sessions | None = None) -> ArrowStream: ...
    def next_chunk(self) -> ArrowBatch | None:
        """Wait, with the GIL released, for the next batch; ``None`` means that the export is complete.

        Raises:
            PolyglotError: Any of ``polyglot_export.errors``; every later call raises it again.
        """
    def cancel(self) -> None:
        """Cancel the queries in the server; ``next_chunk`` raises ``Cancelled`` from now on. Does not block."""
    def close(self) -> None:
        """Cancel what still runs and wait until every worker and connection is gone."""
    def progress(self) -> Progress:
        """How far the export is; never blocks."""

@final
class ChunkStream:
    """The bytes of one export, pulled in order.

    Workers start with the first call of :meth:`next_chunk` and stop with the last chunk, an error, :meth:`cancel`
    or :meth:`close`. All methods may be called from any thread; only one thread at a time pulls.

    Memory:
        Per worker a read buffer of 256 KB and an encode buffer of ``chunk_bytes`` plus one row; together at most
        ``window_bytes`` of finished chunks that wait. Nothing grows with the number of rows.
    """

    def __new__(cls, plan: Plan, sessions: Sessions | None = None) -> ChunkStream: ...
    def next_chunk(self) -> bytes | None:
        """Wait, with the GIL released, for the next chunk; ``None`` means that the export is complete.

        Raises:
            PolyglotError: Any of ``polyglot_export.errors``; every later call raises it again, so that a failed
                export can never look complete.
        """
    def write_chunk(self, writer: Writer, hasher: Sha256 | None = None) -> int | None:
        """Wait for the next chunk and write it, all with the GIL released and without a copy of it. A chunk that a
        large row has made large comes whole.

        Args:
            writer: Where to.
            hasher: Gets the same bytes.

        Returns:
            How many bytes were written; ``None`` means that the export is complete.

        Raises:
            OSError: The bytes could not be written. The export is cancelled then.
            PolyglotError: As :meth:`next_chunk`; ``Cancelled`` also while a reader is waited for.
        """
    def cancel(self) -> None:
        """Cancel the queries in the server; ``next_chunk`` raises ``Cancelled`` from now on. Does not block."""
    def close(self) -> None:
        """Cancel what still runs and wait until every worker and connection is gone."""
    def progress(self) -> Progress:
        """How far the export is; never blocks."""
