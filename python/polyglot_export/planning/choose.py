"""Which columns are exported, and under which names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.types import Types
from polyglot_export.postgres.leader import Described
from polyglot_export.request.spec import REST
from polyglot_export.text.near import did_you_mean

if TYPE_CHECKING:
    from polyglot_export.request.spec import ColumnChoice, ExportSpec


__all__ = ["Choice", "choose_columns", "column_named", "exposed", "named", "query_columns", "unknown_column"]


class Choice(NamedTuple):
    """A column of the source and its name in the file."""

    column: SourceColumn
    target: str


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


def choose_columns(columns: tuple[SourceColumn, ...], spec: ExportSpec, unnamed: Sequence[str] = ()) -> list[Choice]:
    """What is exported.

    Args:
        columns: Those that may be.
        spec: What the caller wants; without ``columns`` of it, all.
        unnamed: Further ones that no file can name.

    Raises:
        SpecError: An unknown or ambiguous column, or a name that stands twice in a format that needs one for each.
    """
    rest = _rest(columns, spec)
    if spec.columns is not None:
        return _chosen(columns, spec.columns, rest, unnamed)
    _refuse_unnamed(unnamed)
    repeated = _repeated(column.name for column in rest)
    if repeated is not None and not spec.format.record.repeated_names:
        reason = (
            f"two columns are called {repeated!r}, and {spec.format.record.title} needs another name for each;"
            " rename one with AS, or choose columns and rename them"
        )
        raise SpecError("query" if spec.query is not None else "dataset", reason)
    return [Choice(column, column.name) for column in rest]


def _rest(columns: tuple[SourceColumn, ...], spec: ExportSpec) -> list[SourceColumn]:
    """What all columns are where none are named: those that the spec does not leave out."""
    known = {column.name: column for column in columns}
    for index, name in enumerate(spec.exclude):
        if name not in known:
            raise unknown_column(name, known, f"exclude.{index}")
    rest = [column for column in columns if column.name not in spec.exclude]
    if spec.exclude and not rest and spec.columns is None:
        raise SpecError("exclude", "leaves no column")
    return rest


def _refuse_unnamed(unnamed: Sequence[str]) -> None:
    if unnamed:
        raise SpecError("columns", f"the name of the column {unnamed[0]} is not UTF-8; choose others")


def _chosen(
    columns: tuple[SourceColumn, ...],
    choices: Sequence[ColumnChoice],
    rest: Sequence[SourceColumn],
    unnamed: Sequence[str],
) -> list[Choice]:
    asked = {choice.source for choice in choices}
    stars = REST in asked and all(column.name != REST for column in columns)
    found: list[Choice] = []
    for index, choice in enumerate(choices):
        if choice.source != REST or not stars:
            found.append(Choice(column_named(choice.source, columns, f"columns.{index}.source"), choice.target))
            continue
        if choice.target != REST:
            raise SpecError(f"columns.{index}.target", f"{REST} stands for many columns, which keep their names")
        _refuse_unnamed(unnamed)
        found += [Choice(column, column.name) for column in rest if column.name not in asked]
    repeated = _repeated(choice.target for choice in found)
    if repeated is not None:
        raise SpecError("columns", f"two columns have the target {repeated!r}; targets must differ")
    return found


def column_named(name: str, columns: Iterable[SourceColumn], field: str) -> SourceColumn:
    """The one column of a name.

    Args:
        name: What the caller wrote.
        columns: Those that the caller may name.
        field: Where it was written.

    Raises:
        SpecError: There is none, or more than one.
    """
    found = [column for column in columns if column.name == name]
    if not found:
        raise unknown_column(name, {column.name: column for column in columns}, field)
    if len(found) > 1:
        raise SpecError(field, f"two columns are called {name!r}; rename one with AS")
    return found[0]


def named(columns: Iterable[SourceColumn]) -> Mapping[str, SourceColumn]:
    """Columns by name, without those whose name stands for more than one."""
    every = tuple(columns)
    count = Counter(column.name for column in every)
    return {column.name: column for column in every if count[column.name] == 1}


def unknown_column(name: str, columns: Iterable[str], field: str) -> SpecError:
    """The error for a column that is not there; it lists what is allowed."""
    known = list(columns)
    reason = f"there is no column {name!r}; allowed are {', '.join(known) or 'none'}"
    return SpecError(field, reason, hint=did_you_mean(name, known))


def _repeated(names: Iterable[str]) -> str | None:
    """The first name that stands twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
