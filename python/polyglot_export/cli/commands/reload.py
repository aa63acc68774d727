"""``polyglot reload`` makes a running service read its configuration again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from polyglot_export.cli.options import Command, debug_option, parse_time
from polyglot_export.cli.processes import is_service, services
from polyglot_export.cli.talk import say
from polyglot_export.errors import PolyglotError, SpecError

__all__ = ["HELP_POSITION", "reload_command"]

HELP_POSITION = 5

PAUSE = 0.02
"""Seconds between two looks at what the service tells."""


@click.command("reload", cls=Command)
@click.option(
    "--pid-file",
    metavar="FILE",
    help="The file that the service was told to write. Default: POLYGLOT_PID_FILE, as for the service itself.",
)
@click.option(
    "--pid",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="The number of its process. Default: that of the file, else of the only service of this user.",
)
@click.option(
    "--timeout",
    default="10s",
    show_default=True,
    metavar="TIME",
    help="How long to wait for what the service tells in its file.",
)
@debug_option
def reload_command(*, pid_file: str | None, pid: int | None, timeout: str) -> None:
    """Let a running service read its configuration again.

    It gets SIGHUP. Keys and datasets of the file hold for every call from then on, on all replicas of one Redis; a key
    that is gone is refused. A file that is wrong changes nothing. Where the service writes a file with its number
    (POLYGLOT_PID_FILE), this waits for what came of it: exit code 2 and the reason where the file is wrong. Without
    that its log tells.

    \b
    docker exec exports polyglot reload
    """  # noqa: D301 - click reads the backspace as: do not join these lines
    seconds = parse_time(timeout, "timeout") or 0.0
    if pid is not None and pid_file is not None:
        raise click.UsageError("--pid and --pid-file name a process each; give one of them")
    named = pid_file or os.environ.get("POLYGLOT_PID_FILE")
    if pid is None and named:
        _reload_and_wait(Path(named), seconds)
        return
    chosen = _checked(pid) if pid is not None else _only_one()
    _signal(chosen)
    say(f"process {chosen} was told to read its configuration again; its log says what came of it")


def _reload_and_wait(path: Path, seconds: float) -> None:
    from polyglot_export.service.pid_file import process_of, read_note

    pid = process_of(path)
    sent = time.monotonic()
    _signal(pid)
    note = None
    while note is None or note.begun < sent:
        if time.monotonic() - sent > seconds:
            raise PolyglotError(f"process {pid} has not told within {seconds:g} s what came of it; its log will")
        time.sleep(PAUSE)
        note = read_note(path)
    if note.reason is not None:
        raise SpecError(None, f"process {pid} keeps the configuration that it has: {note.reason}")
    say(f"process {pid} has read its configuration again: {note.keys} {'key' if note.keys == 1 else 'keys'}")


def _checked(pid: int) -> int:
    """A process that was named: SIGHUP would end most others."""
    if is_service(pid) is False:
        raise SpecError("pid", f"process {pid} is no polyglot serve")
    return pid


def _only_one() -> int:
    found = services()
    if len(found) == 1:
        return found[0]
    if not found:
        raise SpecError(None, "no running service of this user was found; say which one with --pid or --pid-file")
    numbers = ", ".join(map(str, found))
    raise SpecError(None, f"{len(found)} services of this user run; say which one with --pid or --pid-file ({numbers})")


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise SpecError(None, f"process {pid} cannot be told: {error.strerror}") from None
