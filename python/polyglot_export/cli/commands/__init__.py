"""A file for each command: this folder is the list of commands, and there is no other.

``commands/NAME.py`` has the command ``polyglot NAME`` as ``NAME_command``, and ``HELP_POSITION``, its place in
``polyglot --help``. A module whose name begins with an underscore is no command.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

__all__ = ["command_names", "find_command"]


def command_names() -> list[str]:
    """The names of all commands in the order of the help. Imports their modules, which are small: what a command works
    with is imported when it runs.
    """
    return sorted(_names(), key=lambda name: (import_module(f"{__name__}.{name}").HELP_POSITION, name))


def find_command(name: str) -> click.Command | None:
    """The command of this name; only its own module is imported. ``None`` where there is none."""
    if name.startswith("_") or not any((Path(folder) / f"{name}.py").is_file() for folder in __path__):
        return None
    command: click.Command = getattr(import_module(f"{__name__}.{name}"), f"{name}_command")
    return command


def _names() -> set[str]:
    return {file.stem for folder in __path__ for file in Path(folder).glob("[!_]*.py")}
