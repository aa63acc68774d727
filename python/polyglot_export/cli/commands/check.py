"""``polyglot check``: would the service run with this configuration?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from polyglot_export.cli.connections import named_database
from polyglot_export.cli.extras import missing_extra
from polyglot_export.cli.options import Command, debug_option, dsn_option
from polyglot_export.cli.talk import one_line, show
from polyglot_export.errors import PolyglotError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polyglot_export.access.check import Finding
    from polyglot_export.service.config.environment import ServiceSettings
    from polyglot_export.service.config.file import Configuration

__all__ = ["HELP_POSITION", "check_command"]

HELP_POSITION = 5

FAILED = 1


@click.command("check", cls=Command)
@click.option(
    "--config", metavar="FILE", help="Datasets and keys. Default: POLYGLOT_CONFIG, else polyglot.toml if there is one."
)
@dsn_option
@debug_option
def check_command(*, config: str | None, dsn: str | None) -> None:
    """See whether the service would run: every dataset, column, query, key, destination and limit, a line each.

    Reads the settings that polyglot serve reads, and no row. The service does the same at its start.

    Exit codes: 0 all is well, 1 something cannot run, 2 the settings or the file cannot be read.
    """
    try:
        from polyglot_export.service.config.environment import ServiceSettings
    except ModuleNotFoundError as error:
        raise missing_extra(error, "serve") from error
    failed = False
    for finding in _findings(ServiceSettings.load(config=config, database_url=named_database(dsn))):
        failed = failed or finding.problem is not None
        show(one_line(f"{'ok     ' if finding.problem is None else 'problem'}  {finding}"))
    raise click.exceptions.Exit(FAILED if failed else 0)


def _findings(settings: ServiceSettings) -> Iterator[Finding]:
    from polyglot_export.access.check import Finding
    from polyglot_export.service.checks import check_configuration
    from polyglot_export.service.config.file import load_configuration
    from polyglot_export.service.container import body_room, export_memory, export_terms, set_default_dataset

    configuration = load_configuration(settings.config)
    place = str(configuration.path) if configuration.path is not None else "none; the tables of schema public"
    yield Finding("configuration", None, None, place)
    yield from _tls(settings, configuration)
    yield _spool(settings)
    yield _store(settings)
    try:
        yield from check_configuration(
            configuration,
            export_terms(settings),
            export_memory(settings, body_room(settings)),
            set_default_dataset(settings),
        )
    except PolyglotError as error:
        yield Finding("database", None, f"{error.message}; nothing else was checked")


def _tls(settings: ServiceSettings, configuration: Configuration) -> Iterator[Finding]:
    """The files of HTTPS, where it is spoken or something needs it."""
    from polyglot_export.access.check import Finding
    from polyglot_export.service.https import open_tls

    try:
        tls = open_tls(settings, configuration, lambda: None)
    except PolyglotError as error:
        yield Finding("TLS", None, error.message)
        return
    if tls is not None:
        yield Finding("TLS", None, None, f"the certificate expires on {tls.expires:%Y-%m-%d}")


def _spool(settings: ServiceSettings) -> Finding:
    """The folder of prepared files: a folder of this process is made in it and removed again."""
    from polyglot_export.access.check import Finding
    from polyglot_export.service.prepared.spool import Spool

    spool = Spool(settings.spool_dir, settings.spool_limit)
    try:
        spool.open()
    except PolyglotError as error:
        return Finding("spool", None, error.message)
    spool.close(keep=True)
    return Finding("spool", None, None, str(settings.spool_dir or "a private folder"))


def _store(settings: ServiceSettings) -> Finding:
    """The store of the jobs, asked as the readiness of the service asks it."""
    import asyncio

    from polyglot_export.access.check import Finding
    from polyglot_export.jobs.stores.registry import open_store

    async def ask() -> None:
        store = open_store(settings.redis_url, prefix=settings.redis_prefix, max_jobs=settings.max_jobs)
        try:
            await store.check()
        finally:
            await store.close()

    try:
        asyncio.run(ask())
    except PolyglotError as error:
        return Finding("job store", None, error.message)
    return Finding("job store", None, None, "Redis" if settings.redis_url else "memory of the process")
