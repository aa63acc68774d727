"""``polyglot completion`` prints what makes a shell complete our commands, options and names."""

from __future__ import annotations

import click

from polyglot_export.cli.options import Command, debug_option
from polyglot_export.cli.talk import show

__all__ = ["HELP_POSITION", "completion_command"]

HELP_POSITION = 5


@click.command("completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@debug_option
def completion_command(*, shell: str) -> None:
    """Print the script by which a shell completes commands, options, tables and columns.

    Tables and columns come from the database that --dsn or DATABASE_URL names; where it does not answer within a
    second, nothing is offered.

    \b
    eval "$(polyglot completion bash)"     # in ~/.bashrc
    eval "$(polyglot completion zsh)"      # in ~/.zshrc, below compinit
    polyglot completion fish | source      # in ~/.config/fish/config.fish
    """  # noqa: D301 - click reads the backspace as: do not join these lines
    from polyglot_export.cli.completion.shells import script

    show(script(shell, click.get_current_context().find_root().command).rstrip())
