"""``polyglot keys`` makes a key for a client of the service."""

from __future__ import annotations

import re
import sys

import click

from polyglot_export.cli.options import Command, debug_option
from polyglot_export.cli.talk import say, show
from polyglot_export.errors import SpecError

__all__ = ["HELP_POSITION", "keys_command"]

HELP_POSITION = 5

BARE_TOML_KEY = re.compile(r"[A-Za-z0-9_-]+")


@click.command("keys", cls=Command)
@click.argument("name", metavar="NAME", help="Name of the client; it appears in logs and owns its jobs.")
@click.option("--stdin", is_flag=True, help="Hash the key that standard input holds instead of making one.")
@debug_option
def keys_command(*, name: str, stdin: bool) -> None:
    """Make a key for a client of the service.

    The hash for the configuration goes to standard output, the key itself to standard error. It is shown once and not
    kept. The client sends it as Authorization: Bearer KEY.

    \b
    polyglot keys reports >> polyglot.toml
    """  # noqa: D301 - click reads the backspace as: do not join these lines
    import json

    from polyglot_export.access.keys import hash_key, new_key

    key = sys.stdin.readline().strip() if stdin else new_key()
    if not key:
        raise SpecError(None, "standard input holds no key")
    # TOML's basic strings are escaped as JSON's are (TOML 1.0, "String").
    table = name if BARE_TOML_KEY.fullmatch(name) else json.dumps(name)
    show(f'[keys.{table}]\nhash = "{hash_key(key)}"')
    if not stdin:
        say(f"the key, shown only now: {key}")
