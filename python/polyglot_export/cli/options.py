"""The options that several commands share, and what is read from their text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from polyglot_export.cli.completion.values import complete_connection
from polyglot_export.errors import SpecError

__all__ = [
    "Command",
    "debug_option",
    "dsn_option",
    "format_option",
    "is_debugging",
    "lock_timeout_option",
    "parse_rate",
    "parse_time",
    "rate_limit_option",
]

Function = TypeVar("Function", bound=Callable[..., Any])

_state = {"debug": False}


def _set_debug(_context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        _state["debug"] = True


def is_debugging() -> bool:
    """True when ``--debug`` was given: errors are then shown with their traceback."""
    return _state["debug"]


class Command(click.Command):
    """A command that refuses an option which is given twice: click would take the last one without a word."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments."""
        if ctx.resilient_parsing:
            # For a shell that completes a line which is not finished: an option whose value is being typed would let
            # the parser give up before it has seen the arguments.
            begun = {name for each in self.params for name in each.opts if not getattr(each, "is_flag", True)}
            return super().parse_args(ctx, args[:-1] if args and args[-1] in begun else args)
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        single = [each for each in order if isinstance(each, click.Option) and not each.multiple and not each.is_flag]
        for each in single:
            if single.count(each) > 1:
                raise click.UsageError(f"{each.opts[0]} is given twice; it takes one value", ctx)
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            # Names only; the name of a file may be any bytes.
            given = ctx.params.get(parameter.name or "") if isinstance(parameter, click.Argument) else None
            if isinstance(given, str) and any("\udc80" <= character <= "\udcff" for character in given):
                raise click.UsageError(f"{parameter.human_readable_name} must be text in UTF-8", ctx)
        return rest


dsn_option = click.option(
    "--dsn",
    "-d",
    metavar="DSN",
    shell_complete=complete_connection,
    help="Database, as postgresql://user@host/name, key=value pairs, or @name of a connection in connections.toml. "
    "Default: DATABASE_URL, else the PG* variables of libpq, else the default of connections.toml.",
)
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_debug,
    help="Show the traceback of an error.",
)


def format_option(complete: Callable[..., Any]) -> Callable[[Function], Function]:
    """The options of the format.

    Args:
        complete: Completes one in a shell.
    """
    return click.option(
        "--option",
        "-O",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=complete,
        help="An option of the format, as delimiter=';'. Each format has its own.",
    )


lock_timeout_option = click.option(
    "--lock-timeout",
    metavar="TIME",
    help="How long to wait for a table that another session has locked, as 30s or 5min. Default: as long as it takes.",
)
rate_limit_option = click.option(
    "--rate-limit", metavar="RATE", help="Bytes a second that are read at most, as in 20MB. Default: no limit."
)


def parse_rate(text: str | None) -> float | None:
    """The value of ``--rate-limit`` in bytes a second.

    Raises:
        SpecError: It is no rate.
    """
    if text is None:
        return None
    from polyglot_export.execution.rate import check_rate
    from polyglot_export.text.sizes import parse_size

    try:
        rate = float(str(parse_size(text)))
    except ValueError as error:
        raise SpecError("rate_limit", f"{error} (got {text!r})") from None
    check_rate(rate)
    return rate


def parse_time(text: str | None, field: str) -> float | None:
    """The value of an option in seconds.

    Raises:
        SpecError: It is no time; ``field`` says of what.
    """
    if text is None:
        return None
    from polyglot_export.text.times import parse_seconds

    try:
        return float(str(parse_seconds(text)))
    except ValueError as error:
        raise SpecError(field, f"{error} (got {text!r})") from None
