"""``polyglot datasets`` lists what this login may export."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import Command, database, debug_option, dsn_option, show
from polyglot_export.text.sizes import size_text
from polyglot_export.text.tables import aligned

if TYPE_CHECKING:
    from polyglot_export.access.catalog import Dataset

__all__ = ["HELP_POSITION", "datasets_command"]

HELP_POSITION = 3


@click.command("datasets", cls=Command)
@click.argument("name", metavar="[NAME]", required=False, help="Show the columns of this one.")
@dsn_option
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@debug_option
def datasets_command(*, name: str | None, dsn: str | None, as_json: bool) -> None:
    """List the tables and views that can be exported, or the columns of one.

    Rows and size are the estimates of PostgreSQL's statistics; a table that was never analyzed has none.
    """
    from polyglot_export.access.catalog import describe_dataset, list_datasets
    from polyglot_export.access.exposure import EVERYTHING
    from polyglot_export.postgres.connect import connect

    with suggesting(database(dsn), name), connect(database(dsn), application_name="polyglot datasets") as connection:
        datasets = (
            list_datasets(connection, EVERYTHING) if name is None else [describe_dataset(connection, EVERYTHING, name)]
        )
    if as_json:
        import json

        show(json.dumps([_as_json(dataset) for dataset in datasets], ensure_ascii=False, indent=2))
    elif name is not None:
        show(
            aligned(
                ("COLUMN", "TYPE", "NULL"),
                [(c.name, c.type, "yes" if c.nullable else "no") for c in datasets[0].columns],
            )
        )
    else:
        show(
            aligned(
                ("NAME", "KIND", "COLUMNS", "ROWS", "SIZE"), [_row(dataset) for dataset in datasets], right=(2, 3, 4)
            )
        )


def _row(dataset: Dataset) -> tuple[str, ...]:
    rows = "" if dataset.estimated_rows is None else f"~{dataset.estimated_rows:,}"
    bytes_ = "" if dataset.estimated_bytes is None else size_text(dataset.estimated_bytes)
    return dataset.name, dataset.kind, str(len(dataset.columns)), rows, bytes_


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
