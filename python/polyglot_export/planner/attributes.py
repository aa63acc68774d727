"""The columns of a relation and of a query, as the planner chooses among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.leader import Described, Leader
from polyglot_export.planner.columns import SourceColumn
from polyglot_export.planner.filters import unknown_column
from polyglot_export.planner.relation import Relation
from polyglot_export.planner.types import Types

if TYPE_CHECKING:
    from polyglot_export.spec import ColumnChoice

__all__ = ["choose_columns", "exposed", "named", "primary_key", "query_columns", "readable_columns", "relation_columns"]


def relation_columns(leader: Leader, relation: Relation) -> tuple[SourceColumn, ...]:
    """All columns in their order: dropped ones left out, generated ones kept."""
    rows = leader.catalogue(
        sql.SQL(
            "SELECT attname, atttypid, atttypmod, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ).format(sql.Literal(relation.oid))
    )
    return tuple(
        SourceColumn(name, sql.SQL("r.{}").format(sql.Identifier(name)), type_, modifier, display)
        for name, type_, modifier, display in rows
    )


def query_columns(described: Described, types: Types) -> tuple[SourceColumn, ...]:
    """The columns of a query, by position: names may repeat."""
    return tuple(
        SourceColumn(name, sql.SQL(f"q.c{number}"), type_, modifier, types[type_].display)
        for number, (name, type_, modifier) in enumerate(described.columns, 1)
    )


def readable_columns(leader: Leader, relation: Relation) -> list[str]:
    """The columns that a login with column grants may read."""
    rows = leader.catalogue(
        sql.SQL(
            "SELECT attname FROM pg_attribute WHERE attrelid = {0} AND attnum > 0 AND NOT attisdropped"
            " AND has_column_privilege({0}::oid, attnum, 'SELECT') ORDER BY attnum"
        ).format(sql.Literal(relation.oid))
    )
    return [row[0] for row in rows]


def primary_key(leader: Leader, relation: Relation) -> list[str]:
    """The columns of the primary key in its order; empty where there is none."""
    rows = leader.catalogue(
        sql.SQL(
            "SELECT a.attname FROM pg_constraint AS c, unnest(c.conkey) WITH ORDINALITY AS k(attnum, position)"
            " JOIN pg_attribute AS a ON a.attnum = k.attnum"
            " WHERE c.conrelid = {} AND c.contype = 'p' AND a.attrelid = c.conrelid ORDER BY k.position"
        ).format(sql.Literal(relation.oid))
    )
    return [row[0] for row in rows]


def exposed(columns: Iterable[SourceColumn], allowed: tuple[str, ...] | None) -> tuple[SourceColumn, ...]:
    """The columns that the exposure allows, in its order.

    Raises:
        SpecError: The exposure names one that does not exist; that is a defect of the configuration, not of the request.
    """
    found = tuple(columns)
    if allowed is None:
        return found
    by_name = {column.name: column for column in found}
    missing = [name for name in allowed if name not in by_name]
    if missing:
        raise SpecError(f"columns: the configured column {missing[0]!r} does not exist", field="columns")
    return tuple(by_name[name] for name in allowed)


def choose_columns(columns: tuple[SourceColumn, ...], chosen: tuple[ColumnChoice, ...] | None) -> list[tuple[SourceColumn, str]]:
    """What is exported, each with its target name.

    Raises:
        SpecError: An unknown or ambiguous column, or two columns with one target.
    """
    if chosen is None:
        _refuse_repeated([column.name for column in columns], "two columns of it are called {!r}; rename one with AS or choose columns")
        return [(column, column.name) for column in columns]
    by_name = {column.name: column for column in columns}
    unambiguous = named(columns)
    for index, choice in enumerate(chosen):
        field = f"columns.{index}.source"
        if choice.source not in by_name:
            raise unknown_column(choice.source, by_name, field)
        if choice.source not in unambiguous:
            raise SpecError(f"{field}: two columns are called {choice.source!r}; rename one with AS", field=field)
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
            raise SpecError(f"columns: {message.format(name)}", field="columns")
        seen.add(name)
