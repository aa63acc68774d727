"""Names of the database for a shell that waits: all of it within a second, and nothing where that is not possible."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress

from polyglot_export.cli.quick import import_psycopg

__all__ = ["column_names", "dataset_names", "silent"]

SECONDS = 1.0
"""How long a person waits for the tab key. libpq itself waits two seconds at least."""
COMMON_SCHEMA = "public."
"""The schema whose tables are named without it."""

_PLAIN = re.compile(r"[\w.-]+")
"""A name that a shell takes as it is."""


def dataset_names(dsn: str | None) -> list[str]:
    """Tables and views that the login may read; those of the schema ``public`` without it."""

    def read() -> list[str]:
        from polyglot_export.access.catalog import list_datasets
        from polyglot_export.access.exposure import EVERYTHING
        from polyglot_export.cli.connections import database
        from polyglot_export.postgres.connect import connect

        with connect(database(dsn), application_name="polyglot completion") as connection:
            found = list_datasets(connection, EVERYTHING, extensions=False)
            return [each.name.removeprefix(COMMON_SCHEMA) for each in found]

    return _in_time(read)


def column_names(dsn: str | None, dataset: str) -> list[str]:
    """The columns of a table or view."""

    def read() -> list[str]:
        from polyglot_export.access.catalog import describe_dataset
        from polyglot_export.access.exposure import EVERYTHING
        from polyglot_export.cli.connections import database
        from polyglot_export.postgres.connect import connect

        with connect(database(dsn), application_name="polyglot completion") as connection:
            return [each.name for each in describe_dataset(connection, EVERYTHING, dataset).columns]

    return _in_time(read)


@contextmanager
def silent() -> Iterator[None]:
    """Say nothing while a person types; the command that follows tells what is wrong."""
    with redirect_stderr(io.StringIO()), suppress(Exception):
        yield


def _in_time(read: Callable[[], list[str]]) -> list[str]:
    """What is read within :data:`SECONDS`, without what a shell would have to quote.

    A host that does not answer holds a thread, which ends with the process.
    """
    found: list[str] = []

    def run() -> None:
        with silent():
            found.extend(read())

    import_psycopg()
    thread = threading.Thread(target=run, name="polyglot-completion", daemon=True)
    thread.start()
    thread.join(SECONDS)
    return [name for name in found if _PLAIN.fullmatch(name)]
