"""The relations of a dump: how each is planned and cut into parts, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from psycopg import sql

from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.request import DumpProgress, DumpRequest
from polyglot_export.dumps.selection import Chosen
from polyglot_export.dumps.tickets import PartResult, Ticket
from polyglot_export.errors import PolyglotError, SpecError, cut
from polyglot_export.fields import write_record
from polyglot_export.limits import DUMP_FILES, MANIFEST_BYTES, Limits
from polyglot_export.manifest import text
from polyglot_export.manifest.document import MissingRelation, RelationEntry, Watermark
from polyglot_export.manifest.moment import constraints_of, relation_of
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.parts import Part, parts_of
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.planner import plan

__all__ = ["Relations", "naming_relation"]

PART_ENTRY_BYTES = 300
"""Of a part in the manifest, beside its path: numbers of up to 19 digits, the digest, their names and the indent."""


@dataclass(slots=True)
class _State:
    """What is known of one relation."""

    schema: str | None
    name: str
    folder: str
    pages: int
    rows: int | None
    entry: RelationEntry | None = None
    """``None`` until it is planned."""
    parts: int = 0
    results: list[PartResult] = field(default_factory=list)
    failure: str | None = None

    @property
    def title(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    @property
    def is_complete(self) -> bool:
        return self.entry is not None and len(self.results) == self.parts and self.failure is None


class Relations:
    """All relations of one dump, by their number among the sources of its moment.

    Args:
        request: What is dumped.
        layout: Where their files are.
        moment: That they are read in.
        chosen: What the selection means in it.
        part_workers: The most workers of one part; ``None`` where a part may have all of them.

    Raises:
        SpecError: A watermark is of no relation or column of the dump.
    """

    def __init__(
        self,
        request: DumpRequest,
        layout: Layout,
        moment: Moment,
        chosen: Chosen,
        *,
        part_workers: int | None = None,
    ) -> None:
        self._part_workers = part_workers
        self._request = request
        self._layout = layout
        self._moment = moment
        self._limits: Limits = request.run.limits()
        self._states = [
            _State(
                each.relation.schema,
                each.relation.name,
                layout.folder(each.relation.schema, each.relation.name),
                each.pages,
                each.rows,
            )
            for each in chosen.relations
        ]
        self._states += [_State(None, name, layout.folder(None, name), 0, None) for name in request.selection.queries]
        self._constraints = constraints_of(moment)
        self._manifest_bytes = 0
        self._watermarks = self._marked(request.watermarks)

    def in_order(self) -> Iterator[int]:
        """The largest first, so that no large one is left alone at the end. What has no size may be of any."""
        sized = sorted(range(len(self._states)), key=lambda index: (-self._states[index].pages, index))
        return iter(sorted(sized, key=lambda index: self._states[index].schema is not None))

    def title(self, index: int) -> str:
        """Of a relation, for people."""
        return self._states[index].title

    def folder(self, index: int) -> str:
        """Of a relation, relative to the set."""
        return self._states[index].folder

    def plan(self, index: int, generation: int = 0) -> tuple[Ticket, ...]:
        """Plan one and cut it into parts.

        Args:
            index: Which one.
            generation: Of the names of its files (:meth:`Layout.part`).

        Raises:
            PolyglotError: What the planner raises, with the name of the relation.
        """
        try:
            return self._plan(index, generation)
        except PolyglotError as error:
            raise naming_relation(error, self.title(index)) from None

    def _plan(self, index: int, generation: int) -> tuple[Ticket, ...]:
        state = self._states[index]
        spec = replace(self._request.form, dataset=state.title, query=None)
        planned = plan(self._moment, spec, self._limits, source=index, session=self._request.run.session())
        by_leaf = self._request.partition_folders
        parts = parts_of(planned, self._request.part_size, DUMP_FILES, by_leaf=by_leaf)
        state.entry = replace(
            relation_of(
                self._moment,
                planned,
                spec,
                self._constraints,
                source=index,
                with_fingerprints=self._request.fingerprints,
            ),
            name=state.name,
            folder=state.folder,
            watermark=self._watermark(index),
        )
        state.rows = planned.estimated_rows
        state.parts = len(parts)
        tickets = tuple(
            Ticket(
                index,
                number,
                self._layout.part(self._folder(state, part) if by_leaf else state.folder, number, generation),
                self._shared_out(part, len(parts)),
                part.first_segment,
                part.last_segment,
            )
            for number, part in enumerate(parts)
        )
        self._see_room(state.entry, tickets)
        return tickets

    def _folder(self, state: _State, part: Part) -> str:
        return state.folder if part.leaf is None else self._layout.leaf(state.folder, *part.leaf)

    def wants(self, ticket: Ticket) -> bool:
        """Whether a part is still to be written: not where another part of its relation has failed."""
        return self._states[ticket.relation].failure is None

    def has_failed(self, index: int) -> bool:
        """Whether a relation has failed."""
        return self._states[index].failure is not None

    def done(self, result: PartResult) -> None:
        """Note that a part was written."""
        self._states[result.ticket.relation].results.append(result)

    def fail(self, index: int, error: PolyglotError) -> frozenset[str]:
        """Note that a relation has failed; gives its files that were written."""
        state = self._states[index]
        state.failure = error.message
        written = frozenset(each.entry.path for each in state.results)
        state.results.clear()
        return written

    @property
    def failed(self) -> tuple[MissingRelation, ...]:
        """Those that have failed, and why."""
        return tuple(
            MissingRelation(schema=each.schema, name=each.name, reason=each.failure)
            for each in self._states
            if each.failure is not None
        )

    def entries(self) -> tuple[RelationEntry, ...]:
        """What the manifest says of those that are complete."""
        return tuple(_entry(each.entry, each.results) for each in self._states if each.entry and each.is_complete)

    def progress(self, rows: int, bytes_: int) -> DumpProgress:
        """How far the dump is.

        Args:
            rows: Of the parts that run.
            bytes_: Of the same.
        """
        results = [result for state in self._states for result in state.results]
        return DumpProgress(
            relations=sum(state.is_complete or state.failure is not None for state in self._states),
            relations_total=len(self._states),
            files=len(results),
            rows=rows + sum(each.entry.rows for each in results),
            bytes=bytes_ + sum(each.entry.bytes for each in results),
            estimated_rows=sum(state.rows or 0 for state in self._states),
        )

    def _see_room(self, entry: RelationEntry, tickets: tuple[Ticket, ...]) -> None:
        """See, before the rows are read, that the manifest will not be larger than it can be read."""
        self._manifest_bytes += len(text.write(write_record(entry)))
        self._manifest_bytes += sum(PART_ENTRY_BYTES + len(json.dumps(each.path)) for each in tickets)
        if self._manifest_bytes > MANIFEST_BYTES:
            raise SpecError(
                None,
                f"the manifest would be larger than {MANIFEST_BYTES >> 20} MiB, which is what can be read: dump fewer"
                " tables at a time, or larger parts",
            )

    def _shared_out(self, part: Part, count: int) -> Plan:
        """The plan of a part with its share of the workers: parts of one relation are read side by side."""
        workers = max(1, -(-self._limits.workers // count))
        if self._part_workers is not None:
            workers = min(workers, self._part_workers)
        return part.plan.resized(replace(part.plan.limits, workers=workers))

    def _marked(self, given: Mapping[str, str]) -> dict[int, str]:
        """The columns of watermarks, by the number of their relation."""
        found: dict[int, str] = {}
        for name, column in given.items():
            matching = [
                index
                for index, state in enumerate(self._states)
                if name == state.title or (name == state.name and "." not in name)
            ]
            if len(matching) != 1:
                problem = "is no relation of this dump" if not matching else "is several: write SCHEMA.NAME"
                raise SpecError("watermark", problem, given=name)
            known = [each.name for each in self._moment.sources[matching[0]].exposed]
            if column not in known:
                raise SpecError(
                    "watermark", f"there is no column {column!r} in it; it has {', '.join(known)}", given=name
                )
            found[matching[0]] = column
        return found

    def _watermark(self, index: int) -> Watermark | None:
        """The greatest value of the column, in the snapshot of the rows."""
        column = self._watermarks.get(index)
        if column is None:
            return None
        found = self._moment.sources[index]
        reference = next(each.reference for each in found.exposed if each.name == column)
        query = sql.SQL("SELECT pg_catalog.max({})::pg_catalog.text FROM {}").format(reference, found.from_)
        [(value,)] = self._moment.leader.run(query)
        return Watermark(column=column, value=value)


def naming_relation(error: PolyglotError, title: str) -> PolyglotError:
    """The same error with the name of the relation, where its message has none. What a request was wrong about is no
    field of a dump's request.
    """
    if isinstance(error, SpecError):
        reason = error.reason if title in error.reason else f"{title}: {error.reason}"
        return SpecError(None, reason, sqlstate=error.sqlstate, detail=error.detail, hint=error.hint)
    if title not in error.message:
        error.message = cut(f"{title}: {error.message}")
        error.args = (error.message,)
    return error


def _entry(entry: RelationEntry, results: list[PartResult]) -> RelationEntry:
    ordered = sorted(results, key=lambda each: each.ticket.number)
    losses: dict[str, int] = {}
    for each in ordered:
        for column, count in each.losses.items():
            losses[column] = losses.get(column, 0) + count
    return replace(
        entry,
        rows=sum(each.entry.rows for each in ordered),
        losses=losses,
        parts=tuple(each.entry for each in ordered),
    )
