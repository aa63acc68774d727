"""``polyglot ui`` opens the page for one person."""

from __future__ import annotations

import html
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path

import click

from polyglot_export.cli.connections import named_database
from polyglot_export.cli.extras import missing_extra
from polyglot_export.cli.options import Command, debug_option, dsn_option
from polyglot_export.cli.signals import raising_interrupted

__all__ = ["HELP_POSITION", "ui_command"]

HELP_POSITION = 4


@click.command("ui", cls=Command)
@click.option(
    "--port",
    "-p",
    type=click.IntRange(min=0, max=65535),
    default=0,
    metavar="PORT",
    help="Port of 127.0.0.1 to listen on. Default: a free one.",
)
@click.option("--no-browser", is_flag=True, help="Print the address, and open nothing.")
@dsn_option
@debug_option
def ui_command(*, port: int, no_browser: bool, dsn: str | None) -> None:
    """Choose, preview and export in the browser, for you alone.

    Starts service and page on this machine and opens the browser. Everything that the login may read is there. The
    address has a key that is made for this run, so that nobody else on the machine gets in. Ctrl-C ends it, and nothing
    stays. Of the settings of a service it takes only those of sizes, such as POLYGLOT_MEMORY_LIMIT.
    """
    try:
        from polyglot_export.service.config.environment import ServiceSettings
        from polyglot_export.service.server import run
    except ModuleNotFoundError as error:
        raise missing_extra(error, "serve") from error
    from polyglot_export.access.exposure import EVERYTHING
    from polyglot_export.access.keys import Key, Keys, hash_key, new_key
    from polyglot_export.access.scopes import Scope
    from polyglot_export.service.config.file import Configuration

    key = new_key()
    holder = Key(hash=hash_key(key), scopes=tuple(Scope))
    settings = ServiceSettings.for_one(
        host="127.0.0.1", port=port, database_url=named_database(dsn), log_level="warning", page="on"
    )

    with raising_interrupted(), tempfile.TemporaryDirectory(prefix="polyglot-ui-") as folder:

        def ready(url: str) -> None:
            address = f"{url}/#key={key}&keep"
            print(f"The page is at {address}\nCtrl-C ends it.", file=sys.stderr)
            if not no_browser:
                # A browser in the foreground is waited for until it ends, which must not keep the service from working.
                threading.Thread(target=_open, args=(_way(Path(folder), address),), daemon=True).start()

        run(settings, Configuration(EVERYTHING, Keys({"you": holder})), ready)


def _open(way: str) -> None:
    if not webbrowser.open(way):
        print("No browser could be opened: open the address yourself.", file=sys.stderr)


def _way(folder: Path, address: str) -> str:
    """What a browser is told to open: a file for this user alone that leads to the address. Arguments of programs can
    be read by everybody on the machine, and the address has the key.

    Args:
        folder: That nobody else can read.
        address: Of the page.
    """
    file = folder / "page.html"
    target = html.escape(address)
    file.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><title>Polyglot Export</title>'
        f'<meta http-equiv="refresh" content="0;url={target}"><a href="{target}">The page</a>\n'
    )
    return file.as_uri()
