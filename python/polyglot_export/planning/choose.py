"""The columns of a relation and of a query, as the planner chooses among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.types import Types
from polyglot_export.postgres.leader import Described

if TYPE_CHECKING:
    from polyglot_export.request.spec import ColumnChoice


__all__ = ["choose_columns", "exposed", "named", "query_columns", "unknown_column"]


def query_columns(described: Described, types: Types) -> tuple[SourceColumn, ...]:
    """The columns of a query, by position: names may repeat."""
    return tuple(
        SourceColumn(name, sql.SQL(f"q.c{number}"), type_, modifier, types[type_].display)
        for number, (name, type_, modifier) in enumerate(described.columns, 1)
    )


def exposed(columns: Iterable[SourceColumn], allowed: tuple[str, ...] | None) -> tuple[SourceColumn, ...]:
    """The columns that the exposure allows, in its order.

    Raises:
        SpecError: The exposure names one that does not exist; that is a defect of the configuration, not of the
        request.
    """
    found = tuple(columns)
    if allowed is None:
        return found
    by_name = {column.name: column for column in found}
    missing = [name for name in allowed if name not in by_name]
    if missing:
        raise SpecError("columns", f"the configured column {missing[0]!r} does not exist")
    return tuple(by_name[name] for name in allowed)


def choose_columns(
    columns: tuple[SourceColumn, ...], chosen: tuple[ColumnChoice, ...] | None
) -> list[tuple[SourceColumn, str]]:
    """What is exported, each with its target name.

    Raises:
        SpecError: An unknown or ambiguous column, or two columns with one target.
    """
    if chosen is None:
        _refuse_repeated(
            [column.name for column in columns],
            "two columns of it are called {!r}; rename one with AS or choose columns",
        )
        return [(column, column.name) for column in columns]
    by_name = {column.name: column for column in columns}
    unambiguous = named(columns)
    for index, choice in enumerate(chosen):
        field = f"columns.{index}.source"
        if choice.source not in by_name:
            raise unknown_column(choice.source, by_name, field)
        if choice.source not in unambiguous:
            raise SpecError(field, f"two columns are called {choice.source!r}; rename one with AS")
    _refuse_repeated([choice.target for choice in chosen], "two columns have the target {!r}; targets must differ")
    return [(by_name[choice.source], choice.target) for choice in chosen]


def named(columns: Iterable[SourceColumn]) -> Mapping[str, SourceColumn]:
    """Columns by name, without those whose name stands for more than one."""
    found: dict[str, SourceColumn] = {}
    repeated: set[str] = set()
    for column in columns:
        if column.name in found:
            repeated.add(column.name)
        found[column.name] = column
    return {name: column for name, column in found.items() if name not in repeated}


def _refuse_repeated(names: list[str], message: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise SpecError("columns", f"{message.format(name)}")
        seen.add(name)


def unknown_column(name: str, columns: Mapping[str, object], field: str) -> SpecError:
    """The error for a column that is not there; it lists what is allowed."""
    allowed = ", ".join(columns) or "none"
    return SpecError(field, f"there is no column {name!r}; allowed are {allowed}")
