"""The first rows of an export as it would be written, and what the database thinks of its size.

It is the export itself, for a few rows, with one worker and little time: what it shows is what the file would begin
with, under the same rights.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from polyglot_export.admission.budget import Fixed, MemoryBudget, Share
from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Busy, PolyglotError, StatementTimeout
from polyglot_export.formats.charsets import UTF_8, python_name
from polyglot_export.formats.json import JsonOptions
from polyglot_export.formats.registry import Format
from polyglot_export.service.admission.feed import AdmittedFeed
from polyglot_export.service.admission.opening import Admission, Admitted, ExportTerms
from polyglot_export.service.background.thread import in_thread
from polyglot_export.service.callers import Caller
from polyglot_export.service.errors import TookTooLong
from polyglot_export.service.preview.values import Cut, shown_values
from polyglot_export.sqlstates import QUERY_CANCELED

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["ROWS", "Preview", "Previews", "preview_terms"]

ROWS = 20
"""Shown at most."""
SECONDS = 1.0
"""That the database may work on each statement of it."""
WHOLE_SECONDS = 10.0
"""That all of it may take, with what it waits for on a busy machine."""
BYTES = 64 << 10
"""Of a file that are read; of wider rows there are fewer."""
WIDEST = 4 << 20
"""Of a first row that is wider than that."""
COPIES = 6
"""How often a wide row may be held: as it comes, as bytes, as a line, and a value of it as text with up to four bytes a
character, where it had one."""
COUNTED = 2 * WIDEST
"""Bytes of a file that are counted for the estimate: rows may be longer in it than they are as JSON."""
MOST, MOST_OF_ONE = 4, 2
"""Previews at a time, of all callers and of one."""
_SLOW = (
    f"the database needs more than {SECONDS:g} s for the first rows, as for a view that sorts or counts; the export "
    "itself may take longer"
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an export will come to, about."""

    rows: int | None
    """As the server's planner thinks."""
    bytes: int | None
    """From the rows that are shown; ``None`` for formats that pack their rows together."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows."""

    rows: list[list[Any]]
    """JSON values, in the order of the columns."""
    cut: list[tuple[int, int, int]]
    """Row and column of each value that is shown in part, counted from 0, and how many characters it has."""
    complete: bool
    """Whether these are all rows."""
    written: str | None
    """The beginning of the file; ``None`` where it is no text."""
    estimate: Estimate | None
    """``None`` where it would tell of rows that the caller may not read."""


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The first bytes of a file."""

    data: bytes
    whole: bool
    """Whether they are all of it."""
    size: int
    """Of what was read, which may be more."""


def preview_terms(terms: ExportTerms) -> ExportTerms:
    """What a preview is granted: one worker and little time."""
    return replace(terms, workers=1, statement_timeout=SECONDS, lock_timeout=SECONDS)


class Previews:
    """Reads the first rows, a few at a time."""

    def __init__(self, admission: Admission, budget: MemoryBudget, queue_timeout: float) -> None:
        """Set up.

        Args:
            admission: With one worker and :data:`SECONDS` for each statement.
            budget: Where the memory for wide rows comes from.
            queue_timeout: Seconds to wait for a turn.
        """
        self._admission = admission
        self._budget = budget
        self._queue_timeout = queue_timeout
        self._running: Counter[str | None] = Counter()

    async def of(self, caller: Caller, spec: ExportSpec, *, weight: int) -> Preview:
        """The first rows.

        Args:
            caller: Who asks. A caller that may read a part only has no estimate: the planner counts the whole.
            spec: What would be exported.
            weight: Bytes of memory that the request takes.

        Raises:
            TookTooLong: The database needs more than a second.
            Busy: There are too many at a time, or no room.
            PolyglotError: As for an export.
        """
        # The first rows come by one connection, and a limit counts over all of them.
        spec = replace(spec, split_by=None, split_values=None)
        few = ROWS if spec.limit is None else min(ROWS, spec.limit)
        short = replace(spec, limit=few, compression=None, compression_as="encoding", delivery="stream")
        async with self._place(caller.name), _in_time():
            rows, whole = await self._rows(caller, _as_values(short), weight)
            complete = whole and (len(rows) < few or few == spec.limit)
            # As many rows as are shown, so that their size is known.
            same = replace(short, limit=len(rows) or few)
            file = await self._begin(caller, same, weight) if spec.format.record.is_text else None
            if caller.rights.narrowing or caller.asked_once:
                estimate = None
            else:
                planned = len(rows) if complete else await self._planned(caller, spec, weight)
                packed = spec.compression is not None
                estimate = _estimate(planned, len(rows), None if packed else file, complete=complete)
        cut = [(index, column, length) for index, (_, parts) in enumerate(rows) for column, length in parts]
        written = _written(spec, file) if file is not None else None
        return Preview([values for values, _ in rows], cut, complete, written, estimate)

    async def _rows(
        self, caller: Caller, spec: ExportSpec, weight: int
    ) -> tuple[list[tuple[list[Any], list[Cut]]], bool]:
        """The values of each row, and which are cut; and whether these are all rows."""
        with ExitStack() as held:

            def wider() -> bool:
                """Whether there is memory for a wide row; it is not waited for while the export holds its own."""
                try:
                    held.enter_context(self._budget.reserve_now(Fixed(Share(COPIES * WIDEST))))
                except Busy:
                    return False
                return True

            lines = await self._begin(caller, spec, weight, wider)
            return await asyncio.to_thread(lambda: [shown_values(line) for line in _whole_lines(lines)]), lines.whole

    async def _planned(self, caller: Caller, spec: ExportSpec, weight: int) -> int | None:
        """How many rows the planner expects; nothing is read."""
        with await self._admit(caller, spec, weight) as admitted:

            def look(token: CancelToken) -> int | None:
                opened = admitted.open_all(token)
                with opened.moment:
                    return opened.plans[0].estimated_rows

            return await in_thread(look, "polyglot-preview")

    async def _begin(
        self, caller: Caller, spec: ExportSpec, weight: int, wider: Callable[[], bool] | None = None
    ) -> _Beginning:
        """The first bytes of a file.

        Args:
            caller: Who asks.
            spec: What is exported.
            weight: Bytes of memory that the request takes.
            wider: Whether more may be read where the first line does not end within them; ``None`` to count the bytes
                that come after them.
        """
        feed = AdmittedFeed(lambda: self._admit(caller, spec, weight))
        try:
            await feed.start()
            data, size, most = bytearray(), 0, BYTES
            while (chunk := await feed.next_chunk()) is not None:
                size += len(chunk)
                if (
                    size > most == BYTES
                    and wider is not None
                    and b"\n" not in data + chunk[: most - len(data)]
                    and wider()
                ):
                    most = WIDEST
                data += chunk[: most - len(data)]
                if size > (most if wider is not None else COUNTED):
                    return _Beginning(bytes(data), whole=False, size=size)
                if most == WIDEST and b"\n" in chunk:
                    # Once more, to see whether that was all.
                    most = len(data)
            return _Beginning(bytes(data), whole=size == len(data), size=size)
        finally:
            await feed.aclose()

    def _admit(self, caller: Caller, spec: ExportSpec, weight: int) -> Awaitable[Admitted]:
        return self._admission.admit(
            spec, caller.exposure, "preview", self._queue_timeout, caller.name, rights=caller.rights, weight=weight
        )

    @asynccontextmanager
    async def _place(self, name: str | None) -> AsyncIterator[None]:
        if self._running.total() >= MOST or self._running[name] >= MOST_OF_ONE:
            raise Busy(f"{MOST_OF_ONE} previews of a caller are made at a time, and {MOST} in all; try again")
        self._running[name] += 1
        try:
            yield
        finally:
            self._running[name] -= 1
            if not self._running[name]:
                del self._running[name]


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            yield
    except TimeoutError:
        raise TookTooLong(_SLOW) from None
    except PolyglotError as error:
        if isinstance(error, StatementTimeout) or getattr(error, "sqlstate", None) == QUERY_CANCELED:
            raise TookTooLong(_SLOW) from None
        raise


def _as_values(spec: ExportSpec) -> ExportSpec:
    """The same rows as JSON: the zone of the options says when a day of a filter begins, too."""
    options = spec.options
    # What JSON has nearest to a column of GeoParquet.
    geometry = "geojson" if options.geometry == "geoparquet" else options.geometry
    return replace(spec, format=Format.NDJSON, options=JsonOptions(time_zone=options.time_zone, geometry=geometry))


def _estimate(planned: int | None, shown: int, file: _Beginning | None, *, complete: bool) -> Estimate:
    """What an export comes to.

    Args:
        planned: Rows, as the planner expects them; or all of them.
        shown: Rows that were read.
        file: With these rows; ``None`` where it says nothing of the size.
        complete: Whether these rows are all.
    """
    rows = planned if planned is None or complete else max(planned, shown + 1)
    if rows is None or file is None or shown == 0:
        return Estimate(rows, None)
    return Estimate(rows, round(file.size / shown * rows))


def _written(spec: ExportSpec, file: _Beginning) -> str:
    encoding = python_name(getattr(spec.options, "encoding", UTF_8))
    text = file.data.decode(encoding, errors="replace").removeprefix("\ufeff")
    return text if file.whole else f"{text}…"


def _whole_lines(file: _Beginning) -> list[bytes]:
    *lines, rest = file.data.split(b"\n")
    return [*lines, rest] if file.whole and rest else lines
