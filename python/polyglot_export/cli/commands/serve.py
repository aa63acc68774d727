"""``polyglot serve`` starts the HTTP service."""

from __future__ import annotations

import click

from polyglot_export.cli.connections import named_database
from polyglot_export.cli.extras import missing_extra
from polyglot_export.cli.options import Command, debug_option, dsn_option

__all__ = ["HELP_POSITION", "serve_command"]

HELP_POSITION = 4


@click.command("serve", cls=Command)
@click.option(
    "--host",
    metavar="ADDRESS",
    help="Address to listen on. Default: HOST, else 127.0.0.1. Others than loopback need keys in the configuration.",
)
@click.option(
    "--port",
    "-p",
    type=click.IntRange(min=0, max=65535),
    metavar="PORT",
    help="Port to listen on; 0 takes a free one. Default: PORT, else 8080.",
)
@click.option(
    "--config", metavar="FILE", help="Datasets and keys. Default: POLYGLOT_CONFIG, else polyglot.toml if there is one."
)
@dsn_option
@debug_option
def serve_command(*, host: str | None, port: int | None, config: str | None, dsn: str | None) -> None:
    """Offer exports over HTTP.

    Without a configuration file the tables of schema public are offered, to this machine only. All settings can also be
    given as environment variables, see docs/reference/settings.md. SIGTERM ends the service: running downloads get a
    short time to end.
    """
    try:
        from polyglot_export.service.config.environment import ServiceSettings
        from polyglot_export.service.server import run
    except ModuleNotFoundError as error:
        raise missing_extra(error, "serve") from error
    run(ServiceSettings.load(host=host, port=port, config=config, database_url=named_database(dsn)))
