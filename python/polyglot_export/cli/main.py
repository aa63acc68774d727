"""The command ``polyglot``: what all commands share, and what an error becomes.

Exit codes: 0 done, 1 failed, 2 wrong use. A signal that ended the command ends the process as well, which a shell shows as
128 plus its number (130 for Ctrl-C, 143 for SIGTERM). Every error is one line on standard error.

Nothing heavy is imported here: each command imports what it needs when it runs, so that ``polyglot --help`` is quick.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from polyglot_export.cli.common import is_debugging, say
from polyglot_export.cli.complaints import error_line
from polyglot_export.cli.datasets import datasets_command
from polyglot_export.cli.demo import demo_command
from polyglot_export.cli.explain import explain_command
from polyglot_export.cli.export import export_command
from polyglot_export.cli.interrupt import Interrupted, die_by
from polyglot_export.cli.keys import keys_command
from polyglot_export.cli.serve import serve_command
from polyglot_export.errors import PolyglotError, SpecError

__all__ = ["app", "exit_code", "main"]

HELP_COLUMNS = 100
"""Help is at most this wide, however wide the terminal is."""

FAILED = 1
WRONG_USE = 2
INTERRUPTED = 130
"""What typer gives for a Ctrl-C that it caught."""


def _version(wanted: bool) -> None:
    if wanted:
        from polyglot_export import _core

        typer.echo(f"polyglot {_core.version}")
        raise typer.Exit(0)


def _help(context: typer.Context, wanted: bool) -> None:
    if wanted:
        typer.echo(context.get_help())
        raise typer.Exit(0)


def _all_commands(
    *,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)] = False,
    show_help: Annotated[bool, typer.Option("--help", "-h", help="Show this message and exit.", callback=_help, is_eager=True)] = False,
) -> None:
    """Any PostgreSQL table, view or query as CSV, TSV, JSON, NDJSON, XML or Parquet: faithful, and in bounded memory."""
    del version, show_help


app = typer.Typer(
    name="polyglot",
    callback=_all_commands,
    # typer reads its own options for completion and help with pydantic before each command, whose help would take twice as long.
    add_completion=False,
    add_help_option=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": HELP_COLUMNS},
)
app.command("export")(export_command)
app.command("explain")(explain_command)
app.command("datasets")(datasets_command)
app.command("serve")(serve_command)
app.command("keys")(keys_command)
app.command("demo")(demo_command)


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    code = _run(sys.argv[1:])
    with suppress(AttributeError):
        try:
            sys.stdout.flush()
        except OSError:
            # The reader of a help text has left. Python would flush again at its end, and complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Run a command; gives the exit code. No arguments at all is wrong use, and the help is the answer."""
    try:
        outcome = app(arguments or ["--help"], prog_name="polyglot", standalone_mode=False)
    except typer.TyperException as error:
        say(_usage_line(error))
        return error.exit_code
    except SystemExit:
        # typer's answer to a closed pipe, which only the text of a help is written to by typer itself.
        return 0 if {"--help", "-h"}.intersection(arguments) else FAILED
    except Interrupted as interrupted:
        _trace(interrupted)
        say(f"{interrupted}{interrupted.remark}")
        die_by(interrupted.number)
    except PolyglotError as error:
        _trace(error)
        say(error_line(error))
        return exit_code(error)
    except Exception as error:  # noqa: BLE001 - a person gets one line, and the traceback with --debug
        _trace(error)
        say(f"internal error, please report it: {type(error).__name__}: {error}{'' if is_debugging() else ' (--debug shows where)'}")
        return FAILED
    if outcome == INTERRUPTED:
        say(str(Interrupted(signal.SIGINT)))
        die_by(signal.SIGINT)
    if not arguments:
        return WRONG_USE
    return outcome if isinstance(outcome, int) else 0


def exit_code(error: PolyglotError) -> int:
    """2 when the request is wrong, 1 when something failed."""
    return WRONG_USE if isinstance(error, SpecError) else FAILED


def _usage_line(error: typer.TyperException) -> str:
    """A complaint of the parser in one line; an unknown option or command is answered with those that there are."""
    message = error.format_message().replace("Value error, ", "").removesuffix(".")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    if message.startswith("No such option"):
        known = [name for parameter in context.command.get_params(context) for name in parameter.opts if name.startswith("--")]
        message = f"{message}; options are {', '.join(known)}"
    elif message.startswith("No such command"):
        message = f"{message}; commands are {', '.join(context.command.list_commands(context))}"
    command = context.command_path.removeprefix("polyglot").strip()
    return f"{command}: {message}" if command else message


def _trace(error: BaseException) -> None:
    """Show the traceback where it was asked for."""
    if is_debugging():
        traceback.print_exception(error, file=sys.stderr)


if __name__ == "__main__":
    main()
