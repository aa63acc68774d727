"""The scripts for bash, zsh and fish, and how each shell asks. zsh is click's own; bash breaks words in its own way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from click.shell_completion import (
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

if TYPE_CHECKING:
    import click

__all__ = ["SHELLS", "register", "script"]

VARIABLE: Final = "_POLYGLOT_COMPLETE"
"""In the environment it says which shell asks for what: click's name for the program ``polyglot``."""

_BASH = """\
# bash 4.4 or later
%(complete_func)s() {
    local IFS=$'\\n' completion response type value
    COMPREPLY=()
    response=$(env COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1")
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == file ]]; then
            compopt -o default
        else
            COMPREPLY+=("$value")
        fi
    done
    # Something follows an equals sign.
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *= ]]; then
        compopt -o nospace
    fi
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class _Bash(ShellComplete):
    """Bash divides words at signs of ``COMP_WORDBREAKS`` too, and replaces what is behind the last one."""

    name = "bash"
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The arguments that are complete, and the one that was begun."""
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        begun = words.pop() if words and not line[-1:].isspace() else ""
        self._begun = begun
        return words[1:], begun

    def format_completion(self, item: CompletionItem) -> str:
        """The kind of the item, and what stands in place of the word as bash sees it."""
        value = self._begun
        if value.startswith("--") and "=" in value:
            value = value.partition("=")[2]
        breaks = set(os.environ.get("COMP_BREAKS", "")) - set(" \t\n\"'")
        kept = max((at + 1 for at, sign in enumerate(value) if sign in breaks), default=0)
        return f"{item.type},{item.value[kept:]}"


class _Fish(FishComplete):
    """A value may have commas in it."""

    source_template = FishComplete.source_template.replace('split ","', 'split --max 1 ","')


_CLASSES: Final[tuple[type[ShellComplete], ...]] = (_Bash, ZshComplete, _Fish)
SHELLS: Final = tuple(each.name for each in _CLASSES)


def register() -> None:
    """Let click use these, for a process that a shell has asked."""
    for each in _CLASSES:
        add_completion_class(each)


def script(shell: str, program: click.Command) -> str:
    """What the shell reads once.

    Args:
        shell: One of :data:`SHELLS`.
        program: The whole command line.
    """
    kind = next(each for each in _CLASSES if each.name == shell)
    # ShellComplete.source, since that of a subclass may start the shell to see its version.
    return ShellComplete.source(kind(program, {}, "polyglot", VARIABLE))
