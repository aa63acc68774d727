"""``polyglot keys`` makes, lists, rotates and ends the keys of clients of the service."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import click

from polyglot_export.cli.extras import missing_extra
from polyglot_export.cli.options import Command, debug_option
from polyglot_export.cli.talk import say, show
from polyglot_export.errors import SpecError

__all__ = ["HELP_POSITION", "keys_command"]

HELP_POSITION = 5

MAKE = "new"
"""What is done with a word that is none of the commands: it is the name of a new key."""


class _Keys(click.Group):
    """``polyglot keys NAME`` is ``polyglot keys new NAME``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments."""
        if not ctx.resilient_parsing and (not args or args[0] not in {*self.commands, *ctx.help_option_names}):
            args = [MAKE, *args]
        return super().parse_args(ctx, args)


config_option = click.option(
    "--config", metavar="FILE", help="The configuration file. Default: POLYGLOT_CONFIG, else polyglot.toml."
)
stdin_option = click.option(
    "--stdin", is_flag=True, help="Hash the key that standard input holds instead of making one."
)
name_argument = click.argument("name", metavar="NAME", help="Name of the client; it appears in logs and owns its jobs.")


@click.group("keys", cls=_Keys, subcommand_metavar="[new|list|rotate|expire] ...")
def keys_command() -> None:
    """Make, list, rotate and end the keys of clients of the service.

    polyglot keys NAME makes a key, as polyglot keys new NAME does. It reads nothing until datasets are named.

    \b
    polyglot keys reports --datasets orders,revenue >> polyglot.toml
    polyglot keys rotate reports --keep 7d && polyglot reload
    """  # noqa: D301 - click reads the backspace as: do not join these lines


@keys_command.command("new", cls=Command)
@name_argument
@click.option(
    "--datasets",
    multiple=True,
    metavar="LIST",
    help="What it may read, as orders,revenue; all for everything that is offered. Default: nothing.",
)
@click.option(
    "--scopes",
    multiple=True,
    metavar="LIST",
    help="The only calls that it makes, of read, export, cancel, list-all and metrics. Default: all but list-all.",
)
@click.option(
    "--expires", metavar="WHEN", help="When it ends: a day, a time with its offset, or in how long, as in 90d."
)
@click.option("--write", metavar="FILE", help="Add the table to this configuration file instead of printing it.")
@stdin_option
@debug_option
def new_command(
    *,
    name: str,
    datasets: tuple[str, ...],
    scopes: tuple[str, ...],
    expires: str | None,
    write: str | None,
    stdin: bool,
) -> None:
    """Make a key for a client.

    Its table for the configuration goes to standard output, or into the file of --write; the key itself to standard
    error. It is shown once and not kept: the table has its hash. The client sends it as Authorization: Bearer KEY.

    \b
    polyglot keys reports --datasets orders,revenue >> polyglot.toml
    polyglot keys prometheus --scopes metrics --write polyglot.toml
    """  # noqa: D301 - click reads the backspace as: do not join these lines
    from pathlib import Path

    from polyglot_export.access.keys import hash_key
    from polyglot_export.cli.keys.file import change_file
    from polyglot_export.cli.keys.tables import NewKey, added

    if not name:
        raise SpecError(None, "a key must have a name")
    wanted = _words(datasets)
    key = _key(stdin=stdin)
    new = NewKey(
        name,
        hash_key(key),
        None if wanted == ["all"] else wanted,
        _scopes(scopes),
        _when(expires, "expires") if expires is not None else None,
    )
    if write is None:
        show(new.text())
    else:
        change_file(Path(write), lambda text: added(text, new), create=True)
        say(f"{write} has the key {name} now; polyglot reload lets a running service read it")
    if not stdin:
        say(f"the key, shown only now: {key}")


@keys_command.command("list", cls=Command)
@config_option
@click.option(
    "--audit",
    multiple=True,
    metavar="FILE",
    help="An audit log of the service, which tells when each key was used last; several where it was rotated.",
)
@debug_option
def list_command(*, config: str | None, audit: tuple[str, ...]) -> None:
    """List the keys of the configuration: what each may do, and for how long."""
    from pathlib import Path

    from polyglot_export.cli.keys.file import configured, read_file
    from polyglot_export.cli.keys.listing import last_uses, listed
    from polyglot_export.cli.keys.tables import read_keys

    path = configured(config)
    try:
        keys = read_keys(read_file(path))
    except SpecError as error:
        raise SpecError(
            str(path) if error.field in (None, str(path)) else f"{path}: {error.field}", error.reason
        ) from None
    show(listed(keys, datetime.now(UTC), last_uses(map(Path, audit)) if audit else None))


@keys_command.command("rotate", cls=Command)
@name_argument
@config_option
@click.option(
    "--keep",
    default="7d",
    show_default=True,
    metavar="TIME",
    help="How long the key before holds on; 0 takes it away at once.",
)
@stdin_option
@debug_option
def rotate_command(*, name: str, config: str | None, keep: str, stdin: bool) -> None:
    """Give a client a new key, while the one before holds on for a time.

    The configuration file is changed, with its comments kept. Exports stay those of the client.
    """
    from polyglot_export.access.keys import hash_key
    from polyglot_export.cli.keys.file import change_file, configured
    from polyglot_export.cli.keys.tables import rotated

    at = _now()
    until = _when(keep, "keep")
    if until < at:
        raise SpecError("keep", "must not be negative")
    key, path = _key(stdin=stdin), configured(config)
    with _needs_tomlkit():
        change_file(path, lambda text: rotated(text, name, hash_key(key), until if until > at else None, at))
    before = f"the one before holds until {_shown(until)}" if until > at else "the one before is gone"
    say(f"{path} has another key for {name}, {before}; polyglot reload lets a running service read it")
    if not stdin:
        say(f"the key, shown only now: {key}")


@keys_command.command("expire", cls=Command)
@name_argument
@config_option
@click.option("--at", metavar="WHEN", help="A day, a time with its offset, or in how long, as in 12h. Default: now.")
@debug_option
def expire_command(*, name: str, config: str | None, at: str | None) -> None:
    """Let a key end. The configuration file is changed, with its comments kept."""
    from polyglot_export.cli.keys.file import change_file, configured
    from polyglot_export.cli.keys.tables import expired

    end, path = _when(at, "at") if at is not None else _now(), configured(config)
    with _needs_tomlkit():
        change_file(path, lambda text: expired(text, name, end))
    say(f"{path}: {name} ends at {_shown(end)}; polyglot reload lets a running service read it")


def _key(*, stdin: bool) -> str:
    """A new key, or the one that is given."""
    from polyglot_export.access.keys import new_key

    key = sys.stdin.readline().strip() if stdin else new_key()
    if not key:
        raise SpecError(None, "standard input holds no key")
    return key


def _words(given: tuple[str, ...]) -> list[str]:
    return [word.strip() for each in given for word in each.split(",") if word.strip()]


def _scopes(given: tuple[str, ...]) -> list[str]:
    from polyglot_export.access.scopes import Scope

    words = _words(given)
    for word in words:
        if word not in list(Scope):
            raise SpecError("scopes", f"{word!r} is none; there are {', '.join(Scope)}")
    return words


@contextmanager
def _needs_tomlkit() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_extra(error, "serve") from error


def _shown(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _when(text: str, field: str) -> datetime:
    """A moment that is given as such, or as the time until then.

    Raises:
        SpecError: It is neither.
    """
    from polyglot_export.access.keys import read_moment
    from polyglot_export.text.times import parse_seconds

    try:
        return _now() + timedelta(seconds=float(str(parse_seconds(text))))
    except (ValueError, OverflowError):
        pass
    try:
        moment = read_moment(text)
    except SpecError as error:
        raise SpecError(field, f"{error.reason}; or a time from now such as 7d (got {text!r})") from None
    if moment is None:
        raise SpecError(field, "is empty")
    return moment
