"""What stands behind an option, as click asks for it. Nothing is imported before the tab key was pressed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

__all__ = [
    "complete_columns",
    "complete_connection",
    "complete_file",
    "complete_option",
    "complete_order",
    "complete_source",
    "complete_term",
]


def complete_source(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Tables and views of the database."""
    from polyglot_export.cli.completion.names import dataset_names

    return [name for name in dataset_names(context.params.get("dsn")) if name.startswith(incomplete)]


def complete_columns(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The column behind the last comma, in a list of several."""
    before, comma, begun = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _columns(context, begun)]


def complete_order(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """A column, or its direction."""
    before, colon, begun = incomplete.rpartition(":")
    if colon and "," not in begun:
        return [f"{before}:{word}" for word in ("asc", "desc") if word.startswith(begun)]
    return complete_columns(context, parameter, incomplete)


def complete_term(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The column that a term begins with."""
    return _columns(context, incomplete)


def complete_option(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """An option of the format, and its values where they are words."""
    from polyglot_export.cli.completion.words import option_words

    return option_words(context.params.get("format_name"), context.params.get("output"), incomplete)


def complete_connection(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """A named connection."""
    from polyglot_export.cli.completion.names import silent
    from polyglot_export.cli.connections import MARK, connection_names

    found: list[str] = []
    with silent():
        found += [MARK + name for name in connection_names()]
    return [name for name in found if name.startswith(incomplete)]


def complete_file(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shell's own names of files."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _columns(context: click.Context, begun: str) -> list[str]:
    from polyglot_export.cli.completion.names import column_names

    source = context.params.get("source")
    if not source:
        return []
    return [name for name in column_names(context.params.get("dsn"), source) if name.startswith(begun)]
