"""The first rows of an export as it would be written, and what the database thinks of its size.

It is the export itself, for a few rows, with one worker and little time: what it shows is what the file would begin
with, under the same rights.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Busy, PolyglotError, StatementTimeout
from polyglot_export.formats.charsets import UTF_8, python_name
from polyglot_export.formats.json import JsonOptions
from polyglot_export.formats.registry import Format
from polyglot_export.service.admission.feed import AdmittedFeed
from polyglot_export.service.admission.opening import Admission, Admitted, ExportTerms
from polyglot_export.service.callers import Caller
from polyglot_export.service.errors import TookTooLong
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
"""Of a file that are read at most; of wider rows there are fewer."""
CELL = 1_000
"""Characters of a value that are shown."""
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


def preview_terms(terms: ExportTerms) -> ExportTerms:
    """What a preview is granted: one worker and little time."""
    return replace(terms, workers=1, statement_timeout=SECONDS, lock_timeout=SECONDS)


class Previews:
    """Reads the first rows, a few at a time."""

    def __init__(self, admission: Admission, queue_timeout: float) -> None:
        """Set up.

        Args:
            admission: With one worker and :data:`SECONDS` for each statement.
            queue_timeout: Seconds to wait for a turn.
        """
        self._admission = admission
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
        few = ROWS if spec.limit is None else min(ROWS, spec.limit)
        short = replace(spec, limit=few, compression=None, compression_as="encoding", delivery="stream")
        async with self._place(caller.name), _in_time():
            lines = await self._begin(caller, _as_values(short), weight)
            rows = [_values(line) for line in _whole_lines(lines)]
            complete = lines.whole and (len(rows) < few or few == spec.limit)
            file = await self._begin(caller, short, weight) if spec.format.record.is_text else None
            if caller.rights.narrowing or caller.asked_once:
                estimate = None
            else:
                planned = len(rows) if complete else await self._planned(caller, spec, weight)
                packed = spec.compression is not None
                estimate = _estimate(planned, len(rows), None if packed else file, complete=complete)
        shown, cut = _shortened(rows)
        return Preview(shown, cut, complete, _written(spec, file) if file is not None else None, estimate)

    async def _planned(self, caller: Caller, spec: ExportSpec, weight: int) -> int | None:
        """How many rows the planner expects; nothing is read."""
        token = CancelToken()
        with await self._admit(caller, spec, weight) as admitted:

            def look() -> int | None:
                opened = admitted.open_all(token)
                with opened.moment:
                    return opened.plans[0].estimated_rows

            looking = asyncio.get_running_loop().run_in_executor(None, look)
            try:
                return await asyncio.shield(looking)
            except BaseException:
                token.cancel()
                await asyncio.wait({looking})
                raise

    async def _begin(self, caller: Caller, spec: ExportSpec, weight: int) -> _Beginning:
        feed = AdmittedFeed(lambda: self._admit(caller, spec, weight))
        try:
            await feed.start()
            data = bytearray()
            while len(data) < BYTES:
                chunk = await feed.next_chunk()
                if chunk is None:
                    return _Beginning(bytes(data), whole=True)
                data += chunk[: BYTES - len(data)]
            return _Beginning(bytes(data), whole=False)
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
        file: With these rows, or with as many as its first bytes hold; ``None`` where it says nothing of the size.
        complete: Whether these rows are all.
    """
    rows = planned if planned is None or complete else max(planned, shown + 1)
    if rows is None or file is None or shown == 0:
        return Estimate(rows, None)
    return Estimate(rows, round(len(file.data) / shown * rows))


def _written(spec: ExportSpec, file: _Beginning) -> str:
    encoding = python_name(getattr(spec.options, "encoding", UTF_8))
    text = file.data.decode(encoding, errors="replace").removeprefix("\ufeff")
    return text if file.whole else f"{text}…"


def _whole_lines(file: _Beginning) -> list[bytes]:
    lines = file.data.splitlines()
    return lines if file.whole else lines[:-1]


def _values(line: bytes) -> list[Any]:
    """Those of a row. What Python cannot read (JSON that is nested very deeply) is shown as its text."""
    try:
        # Not int, which refuses more than 4,300 digits.
        return list(json.loads(line, parse_float=Decimal, parse_int=Decimal).values())
    except RecursionError:
        return [line.decode(errors="replace")]


def _shortened(rows: list[list[Any]]) -> tuple[list[list[Any]], list[tuple[int, int, int]]]:
    """The rows with long values cut, and which those are."""
    cut: list[tuple[int, int, int]] = []
    shown: list[list[Any]] = []
    for index, row in enumerate(rows):
        shown.append([])
        for column, value in enumerate(row):
            text = value if isinstance(value, str) else None
            if isinstance(value, dict | list):
                text = json.dumps(value, default=str, ensure_ascii=False)
                if len(text) <= CELL:
                    text = None
            if text is not None and len(text) > CELL:
                cut.append((index, column, len(text)))
                shown[-1].append(text[:CELL])
            else:
                shown[-1].append(value)
    return shown, cut
