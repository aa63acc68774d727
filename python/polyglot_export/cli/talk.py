"""How a command talks to its user: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

__all__ = ["leave_quietly", "one_line", "say", "show", "tell"]


def one_line(text: str) -> str:
    """Make one line of a text from elsewhere, in which control characters are shown and cannot steer the terminal."""
    lines = "; ".join(line.strip() for line in text.splitlines() if line.strip())
    return "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in lines)


def say(message: str) -> None:
    """Write one line to standard error, where everything goes that is not data."""
    tell(f"polyglot: {one_line(message)}")


def tell(line: str) -> None:
    """Write a line to standard error as it is, for a program that reads it."""
    if sys.stderr is None:
        return
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        # Standard error is closed; the exit code still tells.
        return


def show(text: str) -> None:
    """Write the result of a command to standard output. A reader that has left (``| head``) ends the command."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        leave_quietly()


def leave_quietly() -> NoReturn:
    """End with exit code 0 because the reader of standard output wanted no more."""
    # Python flushes standard output once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise click.exceptions.Exit(0)
