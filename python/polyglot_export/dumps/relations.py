"""The relations of a dump: how each is planned and cut into parts, and what became of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from psycopg import sql

from polyglot_export.compressions import Compression
from polyglot_export.dumps.file_count import ENTRY_BYTES, FileCount
from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.request import DumpProgress, DumpRequest, is_named
from polyglot_export.dumps.selection import Chosen
from polyglot_export.dumps.tickets import PartResult, Ticket
from polyglot_export.errors import PolyglotError, SpecError, cut
from polyglot_export.fields import write_record
from polyglot_export.limits import DUMP_FILES, MANIFEST_BYTES, ROUTE_FILES, ROUTE_UPLOADS, ROUTE_ZSTD_FILES, Limits
from polyglot_export.manifest import text
from polyglot_export.manifest.document import MissingRelation, RelationEntry, Watermark
from polyglot_export.manifest.moment import constraints_of, relation_of
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.partition import Partition, partition_of
from polyglot_export.planning.parts import Part, parts_of, routed_bytes
from polyglot_export.planning.plan import Plan, Route
from polyglot_export.planning.planner import plan

__all__ = ["Relations", "naming_relation"]


class _Count(NamedTuple):
    """What one relation, or all of them, come to so far."""

    ended: int = 0
    files: int = 0
    rows: int = 0
    bytes: int = 0
    estimated_rows: int = 0


NOTHING = _Count()


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
    files: int = 0
    """Of the results, and so are these."""
    rows_written: int = 0
    bytes_written: int = 0
    failure: str | None = None
    counted: _Count = NOTHING
    """What the totals of the dump have of it."""

    @property
    def title(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"

    @property
    def is_complete(self) -> bool:
        return self.entry is not None and len(self.results) == self.parts and self.failure is None

    def count(self) -> _Count:
        """What it comes to now."""
        return _Count(
            int(self.is_complete or self.failure is not None),
            self.files,
            self.rows_written,
            self.bytes_written,
            self.rows or 0,
        )


class Relations:
    """All relations of one dump, by their number among the sources of its moment.

    Args:
        request: What is dumped.
        layout: Where their files are.
        moment: That they are read in.
        chosen: What the selection means in it.
        part_workers: The most workers of one part; ``None`` where a part may have all of them.
        upload_bytes: What the place holds of each file that is being written.

    Raises:
        SpecError: A watermark or partitioning is of no relation or column of the dump, or the column does not allow it.
    """

    def __init__(
        self,
        request: DumpRequest,
        layout: Layout,
        moment: Moment,
        chosen: Chosen,
        *,
        part_workers: int | None = None,
        upload_bytes: int = 0,
    ) -> None:
        self._part_workers = part_workers
        self._upload_bytes = upload_bytes
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
        self._totals = NOTHING
        for state in self._states:
            self._count(state)
        self._constraints = constraints_of(moment)
        self._manifest_bytes = 0
        self._counts: dict[int, FileCount] = {}
        self._watermarks = self._marked(request.watermarks)
        self._partitions = self._partitioned(request)

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
        partition = self._partitions.get(index)
        planned = plan(
            self._moment,
            spec,
            self._limits,
            source=index,
            session=self._request.run.session(),
            partition=partition,
        )
        by_leaf = self._request.partition_folders and partition is None
        size = self._request.part_size if partition is None else routed_bytes(planned)
        parts = parts_of(planned, size, DUMP_FILES, by_leaf=by_leaf)
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
            partition_columns=() if partition is None else (partition.key,),
        )
        state.rows = planned.estimated_rows
        state.parts = len(parts)
        self._count(state)
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
        """Note that a part was written.

        Raises:
            SpecError: The relation has more files than a manifest has room for, which nobody knows before where values
                make them.
        """
        index = result.ticket.relation
        state = self._states[index]
        state.results.append(result)
        state.files += len(result.entries)
        state.rows_written += sum(each.rows for each in result.entries)
        state.bytes_written += sum(each.bytes for each in result.entries)
        self._count(state)
        if index not in self._partitions:
            return
        if self._part_workers is not None:
            # Other machines have counted those of their parts only.
            count = self.counted(index)
            for entry in result.entries:
                for value in (entry.partition or {}).values():
                    count.add(entry.path, value)
        self._see_manifest(0)

    def counted(self, index: int) -> FileCount:
        """Counts the files that values make of a relation."""
        # Asked by the threads of parts too: of two that make one, the first is kept.
        return self._counts.setdefault(index, FileCount(self._partitions[index].column.name, self.title(index)))

    def fail(self, index: int, error: PolyglotError) -> frozenset[str]:
        """Note that a relation has failed; gives its files that were written."""
        state = self._states[index]
        state.failure = error.message
        self._counts.pop(index, None)
        written = frozenset(entry.path for each in state.results for entry in each.entries)
        state.results.clear()
        state.files = state.rows_written = state.bytes_written = 0
        self._count(state)
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
        return DumpProgress(
            relations=self._totals.ended,
            relations_total=len(self._states),
            files=self._totals.files,
            rows=rows + self._totals.rows,
            bytes=bytes_ + self._totals.bytes,
            estimated_rows=self._totals.estimated_rows,
        )

    def _count(self, state: _State) -> None:
        """Bring the totals up to what is known of a relation: they are told after every part, of thousands perhaps."""
        now = state.count()
        self._totals = _Count(*(a - b + c for a, b, c in zip(self._totals, state.counted, now, strict=True)))
        state.counted = now

    def _see_room(self, entry: RelationEntry, tickets: tuple[Ticket, ...]) -> None:
        """See, before the rows are read, that the manifest will not be larger than it can be read."""
        if entry.partition_columns:
            # Of these parts the files are known when they are there.
            tickets = ()
        parts = sum(ENTRY_BYTES + len(json.dumps(each.path)) for each in tickets)
        self._see_manifest(len(text.write(write_record(entry))) + parts)

    def _see_manifest(self, more: int) -> None:
        self._manifest_bytes += more
        of_values = sum(count.manifest_bytes for count in list(self._counts.values()))
        if self._manifest_bytes + of_values > MANIFEST_BYTES:
            # What is refused will not be in it.
            self._manifest_bytes -= more
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
        if part.plan.route is not None:
            return self._routed(part.plan, part.plan.route)
        return part.plan.resized(replace(part.plan.limits, workers=workers))

    def _routed(self, plan: Plan, route: Route) -> Plan:
        """The plan of a part of many files. One worker keeps its rows apart, and what files there are depends on no
        number of workers.
        """
        files = ROUTE_UPLOADS if self._upload_bytes else ROUTE_FILES
        if plan.compression == Compression.ZSTD.value:
            files = min(files, ROUTE_ZSTD_FILES)
        route = route._replace(open_files=files, file_bytes=self._request.part_size)
        return replace(plan.resized(replace(plan.limits, workers=1)), route=route)

    def _marked(self, given: Mapping[str, str]) -> dict[int, str]:
        """The columns of watermarks, by the number of their relation."""
        found: dict[int, str] = {}
        for name, column in given.items():
            index = self._named("watermark", name)
            known = [each.name for each in self._moment.sources[index].exposed]
            if column not in known:
                raise SpecError(
                    "watermark", f"there is no column {column!r} in it; it has {', '.join(known)}", given=name
                )
            found[index] = column
        return found

    def _partitioned(self, request: DumpRequest) -> dict[int, Partition]:
        """What the rows are laid into folders by, by the number of their relation."""
        found: dict[int, Partition] = {}
        for name, by in request.partition_by.items():
            index = self._named("partition_by", name)
            located = self._moment.sources[index]
            relation = located.relation
            if index in found:
                raise SpecError("partition_by", f"{self.title(index)} is named twice", given=name)
            if request.partition_folders and relation is not None and relation.kind == "p":
                reason = "its own partitions have folders already, by partition_folders: leave out one of the two"
                raise SpecError("partition_by", reason, given=name)
            found[index] = partition_of(located, by, keep=request.keep_partition_column)
        return found

    def routed_folders(self, index: int | None = None) -> tuple[str, ...]:
        """The folders, or that of one relation, in which the values of rows have folders."""
        return tuple(self._states[each].folder for each in self._partitions if index in (None, each))

    def _named(self, field: str, name: str) -> int:
        """The number of the relation that a request names."""
        matching = [index for index, state in enumerate(self._states) if is_named(name, state.title, state.name)]
        if len(matching) != 1:
            problem = "is no relation of this dump" if not matching else "is several: write SCHEMA.NAME"
            raise SpecError(field, problem, given=name)
        return matching[0]

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
    parts = tuple(entry for each in ordered for entry in each.entries)
    losses: dict[str, int] = {}
    for each in ordered:
        for column, count in each.losses.items():
            losses[column] = losses.get(column, 0) + count
    return replace(
        entry,
        rows=sum(part.rows for part in parts),
        losses=losses,
        parts=parts,
    )
