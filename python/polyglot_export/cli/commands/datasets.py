"""``polyglot datasets`` lists what this login may export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polyglot_export.cli.completion.values import complete_source
from polyglot_export.cli.connections import database
from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import Command, debug_option, dsn_option
from polyglot_export.cli.talk import show
from polyglot_export.errors import UnknownDataset
from polyglot_export.text.cells import visible
from polyglot_export.text.sizes import size_text
from polyglot_export.text.tables import aligned

if TYPE_CHECKING:
    from polyglot_export.access.catalog import Dataset, DatasetColumn

__all__ = ["HELP_POSITION", "datasets_command"]

HELP_POSITION = 3


@click.command("datasets", cls=Command)
@click.argument(
    "name",
    metavar="[NAME]",
    required=False,
    shell_complete=complete_source,
    help="A table or view, to show its columns, key and comments; or a schema, to list what is in it.",
)
@dsn_option
@click.option("--all", "extensions", is_flag=True, help="Tables and views that belong to an extension too.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@debug_option
def datasets_command(*, name: str | None, dsn: str | None, extensions: bool, as_json: bool) -> None:
    """List the tables and views that can be exported, those of one schema, or the columns of one.

    Rows and size are the estimates of PostgreSQL's statistics; a table that was never analyzed has none.
    """
    one, datasets = _ask(name, database(dsn), extensions=extensions)
    if as_json:
        import json

        members = [_as_json(dataset) | (_details(dataset) if one else {}) for dataset in datasets]
        show(json.dumps(members, ensure_ascii=False, indent=2))
    elif one:
        show(_columns(datasets[0]))
    else:
        rows = [_row(dataset) for dataset in datasets]
        show(aligned(("NAME", "KIND", "COLUMNS", "ROWS", "SIZE"), rows, right=(2, 3, 4)))


def _ask(name: str | None, dsn: str | None, *, extensions: bool) -> tuple[bool, list[Dataset]]:
    """Whether a table or view is meant, and it alone; or else the list that is meant.

    Raises:
        UnknownDataset: The name is that of nothing.
    """
    from polyglot_export.access.catalog import describe_dataset, list_datasets
    from polyglot_export.access.exposure import EVERYTHING
    from polyglot_export.postgres.connect import connect

    with suggesting(dsn, name), connect(dsn, application_name="polyglot datasets") as connection:
        if name is None:
            return False, list_datasets(connection, EVERYTHING, extensions=extensions)
        try:
            return True, [describe_dataset(connection, EVERYTHING, name, details=True)]
        except UnknownDataset:
            found = list_datasets(connection, EVERYTHING, schema=name, extensions=extensions)
            if not found:
                raise
            return False, found


def _row(dataset: Dataset) -> tuple[str, ...]:
    rows = "" if dataset.estimated_rows is None else f"~{dataset.estimated_rows:,}"
    bytes_ = "" if dataset.estimated_bytes is None else size_text(dataset.estimated_bytes)
    return visible(dataset.name), dataset.kind, str(len(dataset.columns)), rows, bytes_


def _columns(dataset: Dataset) -> str:
    """The columns, and below them what is to say of all; comments only where there are some."""
    commented = any(column.comment is not None for column in dataset.columns)
    header = ("COLUMN", "TYPE", "NULL", *(("COMMENT",) if commented else ()))
    lines = [aligned(header, [_cells(column, commented=commented) for column in dataset.columns])]
    if dataset.key or dataset.comment is not None:
        lines.append("")
    if dataset.key:
        lines.append(f"primary key: {', '.join(map(visible, dataset.key))}")
    if dataset.comment is not None:
        lines.append(f"comment: {visible(dataset.comment)}")
    return "\n".join(lines)


def _cells(column: DatasetColumn, *, commented: bool) -> tuple[str, ...]:
    cells = (visible(column.name), visible(column.type), "yes" if column.nullable else "no")
    return (*cells, visible(column.comment or "")) if commented else cells


def _as_json(dataset: Dataset) -> dict[str, object]:
    """The dataset with the members that the service's ``GET /datasets`` gives it."""
    return {
        "name": dataset.name,
        "kind": dataset.kind,
        "columns": [
            {"name": column.name, "type": column.type, "nullable": column.nullable} for column in dataset.columns
        ],
        "estimatedRows": dataset.estimated_rows,
        "estimatedBytes": dataset.estimated_bytes,
    }


def _details(dataset: Dataset) -> dict[str, object]:
    """What is told of one alone: its columns with their comments, and its own."""
    return {
        "columns": [
            {"name": column.name, "type": column.type, "nullable": column.nullable, "comment": column.comment}
            for column in dataset.columns
        ],
        "key": list(dataset.key),
        "comment": dataset.comment,
    }
