"""Tells errors in the words of the command line: with the option instead of the field, and with names that are similar
to one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from polyglot_export.errors import PolyglotError, SpecError, UnknownDataset

__all__ = ["error_line", "suggesting"]

OPTIONS = {
    "columns": "--columns",
    "exclude": "--exclude",
    "filter": "--where",
    "sqlWhere": "--sql-where",
    "sql_where": "--sql-where",
    "orderBy": "--order-by",
    "order_by": "--order-by",
    "splitBy": "--split-by",
    "split_by": "--split-by",
    "splitValues": "--split-values",
    "split_values": "--split-values",
    "query": "--query",
    "limit": "--limit",
    "options": "--option",
    "format": "--format",
    "compression": "--compression",
    "workers": "--workers",
    "engine": "--engine",
    "send_dsn": "--send-dsn",
    "dsn": "--dsn",
    "output": "--output",
    "mkdir": "--mkdir",
    "manifest": "--manifest",
    "fingerprints": "--fingerprints",
    "rate_limit": "--rate-limit",
    "lock_timeout": "--lock-timeout",
    "formats": "--formats",
    "schema": "--schema",
    "table": "--table",
    "exclude_schema": "--exclude-schema",
    "exclude_table": "--exclude-table",
    "part_size": "--part-size",
    "partition_folders": "--partition-folders",
    "partition_by": "--partition-by",
    "keep_partition_column": "--keep-partition-column",
    "watermark": "--watermark",
    "scopes": "--scopes",
    "expires": "--expires",
    "keep": "--keep",
    "at": "--at",
    "pid": "--pid",
    "timeout": "--timeout",
    "dataset": "SOURCE",
}
"""Which option a member of a spec, or an argument of a call, comes from."""

SUGGESTIONS = 3


def error_line(error: PolyglotError) -> str:
    """The error in one line: the option it is about, the reason, and the detail and hint that the server gave."""
    message = error.message
    if isinstance(error, SpecError) and error.field is not None:
        given = f" {error.given!r}" if error.given is not None else ""
        message = f"{_option(error.field)}{given}: {error.reason}"
    extra = [text for text in (error.detail, f"hint: {error.hint}" if error.hint else None) if text]
    return f"{message} ({'; '.join(extra)})" if extra else message


def _option(field: str) -> str:
    """What the user wrote for a field: ``--where (number 2)`` for ``filter.1.value``, ``--option quote`` for
    ``options.quote``.
    """
    member, *path = field.split(".")
    if member == "options" and path:
        return f"--option {path[0]}"
    if member not in OPTIONS:
        return field
    # People count from one, and the first of several needs no number.
    number = int(path[0]) + 1 if path and path[0].isdecimal() else 1
    return f"{OPTIONS[member]} (number {number})" if number > 1 else OPTIONS[member]


@contextmanager
def suggesting(dsn: str | None, name: str | None) -> Iterator[None]:
    """Where the block fails because a name is unknown, add similar names to the error.

    Args:
        dsn: The database that was asked.
        name: What the user wrote.
    """
    try:
        yield
    except UnknownDataset as error:
        if name is not None and any(sign in name for sign in "*?"):
            from shlex import quote

            several = f"one table at a time; for all that match: polyglot dump --table {quote(name)} -o FOLDER"
            raise UnknownDataset(error.field, f"{error.reason}; {several}") from error
        near = _near(dsn, name or "")
        if near:
            raise UnknownDataset(error.field, f"{error.reason}; did you mean {' or '.join(near)}?") from error
        raise


def _near(dsn: str | None, name: str) -> list[str]:
    """Tables and views with a similar name; none when the database cannot be asked."""
    from difflib import get_close_matches

    from polyglot_export.access.catalog import list_datasets
    from polyglot_export.access.exposure import EVERYTHING
    from polyglot_export.postgres.connect import connect

    try:
        with connect(dsn, application_name="polyglot names") as connection:
            names = [dataset.name for dataset in list_datasets(connection, EVERYTHING)]
    except PolyglotError:
        return []
    # The right name with the wrong schema is as likely as a typing error, so names are compared without schema too.
    written = {each.rpartition(".")[2].casefold(): each for each in names} | {each.casefold(): each for each in names}
    wanted = name.casefold()
    found = get_close_matches(wanted, written, n=SUGGESTIONS) or get_close_matches(
        wanted.rpartition(".")[2], written, n=SUGGESTIONS
    )
    return list(dict.fromkeys(written[each] for each in found))
