"""The server's plan of a part, as its EXPLAIN tells it: a tree of nodes with their expressions as text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from polyglot_export.postgres.catalogue.statistics import ColumnName

__all__ = ["NAME", "Node", "column_of", "columns_in", "names_called", "nodes_of", "without_literals", "words_in"]

NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
"""An identifier, as the server prints it."""
_CALL = re.compile(rf"(?:({NAME})\.)?({NAME})\(")
_COLUMN = re.compile(rf"({NAME})\.({NAME})")
_QUOTED = re.compile(r"""("(?:[^"]|"")*")|'(?:[^']|'')*'""")
_FOLLOWING = ("Append", "Merge Append", "Recursive Union", "SetOp")
_ABOUT_THE_NODE = frozenset(
    (
        *("Plans", "Node Type", "Schema", "Relation Name", "Alias", "Parent Relationship", "Subplan Name", "CTE Name"),
        *("Index Name", "Strategy", "Join Type", "Partial Mode", "Scan Direction", "Command", "Operation"),
    )
)
"""Members that have no expressions."""


class Node(NamedTuple):
    """A node with what stands above it, the topmost first."""

    plan: Mapping[str, Any]
    above: tuple[Node, ...] = ()

    @property
    def kind(self) -> str:
        """``Seq Scan``, ``Aggregate`` …"""
        return str(self.plan["Node Type"])

    def expressions(self) -> Iterator[tuple[str, str]]:
        """Every text that the node computes, with the member that it stands in."""
        for key, value in self.plan.items():
            if key not in _ABOUT_THE_NODE:
                yield from ((key, text) for text in _texts(value))

    def mentions(self, text: str) -> bool:
        """Whether one of its expressions has a text in it."""
        return any(text in expression for _, expression in self.expressions())


def nodes_of(plan: Mapping[str, Any], above: tuple[Node, ...] = ()) -> Iterator[Node]:
    """All nodes of a plan, each before those below it."""
    node = Node(plan, above)
    yield node
    for child in plan.get("Plans", ()):
        yield from nodes_of(child, (*above, node))


def without_literals(text: str) -> str:
    """An expression with all strings empty; quoted names stay."""
    return _QUOTED.sub(lambda found: found[1] or "''", text)


def names_called(text: str) -> Iterator[tuple[str | None, str]]:
    """Schema and name of every function in an expression; words of SQL that are followed by a parenthesis too."""
    for schema, name in _CALL.findall(without_literals(text)):
        yield (_unquoted(schema) if schema else None, _unquoted(name))


def words_in(text: str) -> frozenset[str]:
    """All names and words in a statement, as the server reads them: without quotes in lower case."""
    found = re.findall(NAME, without_literals(text))
    return frozenset(_unquoted(word) if word.startswith('"') else word.lower() for word in found)


def columns_in(text: str, nodes: Sequence[Node], under: Node | None = None) -> list[ColumnName | None]:
    """The columns that an expression names; ``None`` for one that is of no relation.

    Args:
        text: The expression.
        nodes: Of the whole plan.
        under: The node whose expression it is, where every row counts that the column may be of: where several
            relations follow one another below it (a UNION ALL), a column is called after the first of them.
    """
    return [_resolved(alias, column, nodes, under) for alias, column in _COLUMN.findall(without_literals(text))]


def column_of(text: str, nodes: Sequence[Node], under: Node | None = None) -> ColumnName | None:
    """The column of a relation that an expression is, with nothing around it; ``None`` where it is anything else.

    Args:
        text: The expression.
        nodes: Of the whole plan.
        under: As that of :func:`columns_in`.
    """
    if (found := _COLUMN.fullmatch(text)) is not None:
        return _resolved(found[1], found[2], nodes, under)
    if under is not None and any(_follows(each, under) for each in nodes):
        return None
    relations = {name for node in nodes if (name := _relation(node)) is not None}
    if re.fullmatch(NAME, text) is None or len(relations) != 1:
        return None
    ((schema, relation),) = relations
    return ColumnName(schema, relation, _unquoted(text))


def _resolved(alias: str, column: str, nodes: Sequence[Node], under: Node | None) -> ColumnName | None:
    meant = [node for node in nodes if node.plan.get("Alias") == _unquoted(alias) and _relation(node) is not None]
    if not meant and alias != _first_child(alias):
        # The tables below a parent have its alias and a number.
        return _resolved(_first_child(alias), column, nodes, None)
    if under is not None and any(_follows(node, under) for node in meant):
        return None
    named = {relation for node in meant if (relation := _relation(node)) is not None}
    if len(named) != 1:
        return None
    ((schema, table),) = named
    return ColumnName(schema, table, _unquoted(column))


def _follows(node: Node, under: Node) -> bool:
    """Whether it is one of several nodes below another one whose rows follow one another."""
    return any(over.kind in _FOLLOWING and any(above.plan is under.plan for above in over.above) for over in node.above)


def _first_child(alias: str) -> str:
    return alias if alias.endswith("_1") else f"{alias}_1"


def _relation(node: Node) -> tuple[str, str] | None:
    if "Relation Name" not in node.plan or "Schema" not in node.plan:
        return None
    return node.plan["Schema"], node.plan["Relation Name"]


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts(each)
        case dict():
            for each in value.values():
                yield from _texts(each)
