"""What a dump would write: planned in a transaction that is rolled back, no row is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from polyglot_export.cancel import CancelToken
from polyglot_export.dumps.moment import leader_of, opened
from polyglot_export.dumps.place import layout_of, look, see_place
from polyglot_export.dumps.relations import Relations
from polyglot_export.dumps.request import DumpRequest
from polyglot_export.dumps.selection import Chosen
from polyglot_export.dumps.tickets import Ticket
from polyglot_export.limits import PAGE_BYTES
from polyglot_export.planning.moment import Moment
from polyglot_export.postgres.catalogue.relations import KINDS
from polyglot_export.text.sizes import counted, size_text
from polyglot_export.text.tables import aligned

if TYPE_CHECKING:
    from polyglot_export.execution.engines.executor import ExecutorEngine

__all__ = ["outline"]


def outline(
    request: DumpRequest,
    *,
    dsn: str | None = None,
    engine: ExecutorEngine | None = None,
    token: CancelToken | None = None,
) -> list[str]:
    """Lines for people: each relation with its kind, rows and bytes as the server estimates them, files, workers and
    folder; and what is locked.

    Raises:
        PolyglotError: As :func:`polyglot_export.dumps.run.dump_set`, for what can be known before anything is written.
    """
    layout = layout_of(request)
    place, _ = see_place(request, layout)
    with leader_of(request, dsn, token) as leader:
        request, moment, chosen, relations = opened(leader, request, layout, place, engine)
        look(place, layout, layout.folders).see_writable(place, overwrite=request.overwrite)
        rows = [_row(relations, moment, index, pages=pages) for index, pages in enumerate(_pages(moment, chosen))]
    header = ("relation", "kind", "rows", "size", "files", "workers", "folder")
    readers = counted(request.run.limits().workers, "worker") + (f" on {engine.title}" if engine is not None else "")
    least = "at least " if any(each.laid for each in rows) else ""
    written = f"{least}{counted(sum(each.files for each in rows), 'file')} and {layout.manifest}"
    total = size_text(sum(each.bytes for each in rows))
    laid = [each.laid for each in rows if each.laid]
    return [
        *aligned(header, [each.cells() for each in rows], right=(2, 3, 4, 5)).splitlines(),
        f"{counted(len(rows), 'relation')}, {written}, {readers}",
        *laid,
        f"ACCESS SHARE locks on {counted(len(moment.locked), 'table')}; about {total} to read",
        *(f"left out: {each.schema}.{each.name}: {each.reason}" for each in chosen.unreadable),
    ]


class _Row(NamedTuple):
    """A relation, as the server and the planner see it."""

    title: str
    kind: str
    rows: int
    bytes: int
    files: int
    workers: int
    folder: str
    laid: str
    """How its rows are laid into folders; empty where they are not."""

    def cells(self) -> list[str]:
        size = size_text(self.bytes) if self.bytes else "?"
        return [
            self.title,
            self.kind,
            f"~{self.rows:,}",
            size,
            f"{self.files}{'+' if self.laid else ''}",
            str(self.workers),
            self.folder,
        ]


def _row(relations: Relations, moment: Moment, index: int, pages: int) -> _Row:
    tickets = relations.plan(index)
    relation = moment.sources[index].relation
    return _Row(
        relations.title(index),
        KINDS[relation.kind] if relation is not None else "query",
        tickets[0].plan.estimated_rows or 0,
        pages * PAGE_BYTES,
        len(tickets),
        max(each.plan.limits.workers for each in tickets),
        relations.folder(index),
        _laid(relations.title(index), tickets),
    )


def _laid(title: str, tickets: tuple[Ticket, ...]) -> str:
    route = tickets[0].plan.route
    if route is None:
        return ""
    parts = counted(len(tickets), "part")
    return (
        f"{title}: a folder {route.key}=… for each value, by {route.column}, read in {parts}; a file or more for each"
    )


def _pages(moment: Moment, chosen: Chosen) -> list[int]:
    """Of each source of the moment; queries have none."""
    known = [each.pages for each in chosen.relations]
    return known + [0] * (len(moment.sources) - len(known))
