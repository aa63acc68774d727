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


def page(commands: list[str]) -> str:
    """The whole page."""
    program = click.Context(app, info_name="polyglot", terminal_width=COLUMNS, help_option_names=["--help", "-h"])
    parts = [INTRODUCTION, _section(program)]
    for name in commands:
        command = app.get_command(program, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=program)
        parts.append(_section(context))
        if isinstance(command, click.Group):
            parts += [
                _section(click.Context(each, info_name=word, parent=context)) for word, each in command.commands.items()
            ]
    return "\n".join(parts)


def _section(context: click.Context) -> str:
    help_text = "\n".join(line.rstrip() for line in context.get_help().strip().splitlines())
    return f"## {context.command_path}\n\n```text\n{help_text}\n```\n"


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(PAGE, page(command_names()), "tools.cli_reference")


if __name__ == "__main__":
    sys.exit(main())
