"""The command ``polyglot``: finds the command to run, and turns an error into a line and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong use. Where a signal ended the command, the process ends by that signal too; a
shell shows it as 128 plus its number (130 for Ctrl-C, 143 for SIGTERM). Every error is one line on standard error.

Nothing heavy is imported here: each command imports what it needs when it runs, so that ``polyglot --help`` is quick.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn

import click

from polyglot_export.cli.commands import command_names, find_command
from polyglot_export.cli.errors import error_line
from polyglot_export.cli.options import is_debugging
from polyglot_export.cli.signals import Interrupted, die_by
from polyglot_export.cli.talk import say
from polyglot_export.errors import PolyglotError, SpecError

__all__ = ["app", "exit_code", "main"]

HELP_COLUMNS = 100
"""The width of the help on a terminal that is wider."""

PATH_OPTIONS = ("--output", "-o", "--manifest", "--config", "--json")
"""Options whose value is a file name, which may be any bytes."""
COMPLETING = "_POLYGLOT_COMPLETE"
"""Set by a shell that asks for completions (``cli/completion/``)."""
FAILED = 1
WRONG_USE = 2


class _Commands(click.Group):
    """The commands of the folder ``commands``; only the one that runs is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return command_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        # What is imported does not become garbage; looking for some would only take time.
        gc.disable()
        try:
            return find_command(cmd_name)
        finally:
            gc.enable()

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. Ctrl-C is handled here because click would print an empty line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted(signal.SIGINT) from None


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from polyglot_export import _core

        click.echo(f"polyglot {_core.version}")
        context.exit()


@click.group(
    "polyglot",
    cls=_Commands,
    no_args_is_help=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": HELP_COLUMNS},
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
def app() -> None:
    """Any PostgreSQL table, view or query as CSV, TSV, JSON, NDJSON, XML, Parquet, XLSX or Arrow: faithful, and
    in bounded memory.
    """


def main() -> NoReturn:
    """Run the command line of this process and end it."""
    code = _run(sys.argv[1:])
    with suppress(AttributeError):
        try:
            sys.stdout.flush()
        except OSError:
            # The reader of the help has closed the pipe. Python flushes once more when it ends, and would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _end(code)


def _end(code: int) -> NoReturn:
    """End the process as Python does, but without taking every module apart, which takes a tenth of a short export.

    Threads that still run are waited for, as usual.
    """
    if threading.active_count() > 1:
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 - Python calls it at a normal end; there is no public name
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError):
            stream.flush()
    os._exit(code)


def _run(arguments: list[str]) -> int:
    """Run a command; gives the exit code. Without any arguments the help is shown, as the answer to wrong use."""
    try:
        if COMPLETING in os.environ:
            from polyglot_export.cli.completion.shells import register

            register()
        _check_text(arguments)
        outcome = app.main(arguments or ["--help"], prog_name="polyglot", standalone_mode=False)
    except click.ClickException as error:
        say(_usage_line(error))
        return error.exit_code
    except click.Abort:
        # click raises this at a Ctrl-C while it reads the arguments.
        say(str(Interrupted(signal.SIGINT)))
        die_by(signal.SIGINT)
    except SystemExit:
        # click ends this way when it has completed a line for a shell, and when the pipe is closed. The only text that
        # it writes itself is a help.
        return 0 if COMPLETING in os.environ or {"--help", "-h"}.intersection(arguments) else FAILED
    except Interrupted as interrupted:
        _trace(interrupted)
        say(f"{interrupted}{interrupted.remark}")
        die_by(interrupted.number)
    except PolyglotError as error:
        _trace(error)
        say(error_line(error))
        return exit_code(error)
    except Exception as error:  # noqa: BLE001 - a user gets one line, and the traceback with --debug
        _trace(error)
        say(
            f"internal error, please report it: {type(error).__name__}: "
            f"{error}{'' if is_debugging() else ' (--debug shows where)'}"
        )
        return FAILED
    if not arguments:
        return WRONG_USE
    return outcome if isinstance(outcome, int) else 0


def _check_text(arguments: list[str]) -> None:
    """See that the arguments are text. Python reads the bytes of others as half surrogates.

    Raises:
        UsageError: One is not UTF-8.
    """
    for number, (before, argument) in enumerate(zip(["", *arguments], arguments, strict=False), 1):
        is_path = before in PATH_OPTIONS or argument.startswith(PATH_OPTIONS)
        if not is_path and any("\ud800" <= character <= "\udfff" for character in argument):
            shown = os.fsencode(argument).decode(errors="backslashreplace")
            raise click.UsageError(f"argument {number}, '{shown}', is not UTF-8")


def exit_code(error: PolyglotError) -> int:
    """2 when the request is wrong, 1 when something failed."""
    return WRONG_USE if isinstance(error, SpecError) else FAILED


def _usage_line(error: click.ClickException) -> str:
    """An error of the argument parser in one line. For an unknown option or command, those that exist are added."""
    message = error.format_message().removesuffix(".").replace("is not a valid integer range", "is no whole number")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    if message.startswith("No such option"):
        known = [
            name
            for parameter in context.command.get_params(context)
            for name in parameter.opts
            if name.startswith("--")
        ]
        message = f"{message}; options are {', '.join(known)}"
    elif message.startswith("Got unexpected extra argument") and context.command.name == "export":
        message = f"{message}; for several tables: polyglot dump --table A --table B -o FOLDER"
    elif message.startswith("No such command"):
        message = f"{message}; commands are {', '.join(context.command.list_commands(context))}"
    command = context.command_path.removeprefix("polyglot").strip()
    return f"{command}: {message}" if command else message


def _trace(error: BaseException) -> None:
    """Show the traceback if ``--debug`` was given."""
    if is_debugging():
        import traceback

        traceback.print_exception(error, file=sys.stderr)


if __name__ == "__main__":
    main()
