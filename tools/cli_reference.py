"""Write docs/reference/cli.md from the program's own help.

``python -m tools.cli_reference`` writes the page; with ``--check`` it ends with 1 when the page is not what the help
says.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from polyglot_export.cli.commands import command_names
from polyglot_export.cli.main import app
from tools.generated import keep

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
COLUMNS = 98
"""Width of the help on the page: that of a wide terminal."""

INTRODUCTION = """\
# Command line

Made from `polyglot --help` by `tools/cli_reference.py`; a test fails when it is stale. What the options mean in
practice is told in [Use it from a script](../howto/command-line.md), the options of each format in
[docs/formats](../formats/).
"""


def help_text(command: str | None) -> str:
    """What the program prints for ``polyglot --help`` or ``polyglot COMMAND --help``, at a fixed width."""
    program = click.Context(app, info_name="polyglot", terminal_width=COLUMNS, help_option_names=["--help", "-h"])
    found = app if command is None else app.get_command(program, command)
    assert found is not None
    context = program if command is None else click.Context(found, info_name=command, parent=program)
    return "\n".join(line.rstrip() for line in found.get_help(context).strip().splitlines())


def page(commands: list[str]) -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for command in (None, *commands):
        name = "polyglot" if command is None else f"polyglot {command}"
        parts.append(f"## {name}\n\n```text\n{help_text(command)}\n```\n")
    return "\n".join(parts)


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(PAGE, page(command_names()), "tools.cli_reference")


if __name__ == "__main__":
    sys.exit(main())
