"""What Django knows of a database, as an export takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections
from psycopg import pq
from psycopg.conninfo import make_conninfo

from polyglot_export.errors import SpecError

if TYPE_CHECKING:
    from django.db.models import QuerySet

__all__ = ["dsn_of", "query_of"]

_OURS = frozenset({"client_encoding", "application_name"})
"""What every export sets itself."""


def dsn_of(alias: str) -> str:
    """The connection string of a database of the settings.

    Raises:
        SpecError: It is not PostgreSQL.
    """
    connection = connections[alias]
    if connection.vendor != "postgresql":
        raise SpecError("using", f"must name a PostgreSQL database, and {alias!r} is {connection.vendor}")
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} - _OURS
    given = connection.get_connection_params()
    return make_conninfo(**{name: value for name, value in given.items() if name in known})


def query_of(queryset: QuerySet[Any]) -> str:
    """The statement of a queryset, whose values the driver has put in by the server's rules."""
    connection = connections[queryset.db]
    # An empty queryset is a statement too, which gives the header.
    sql, parameters = queryset.query.get_compiler(queryset.db, elide_empty=False).as_sql()
    connection.ensure_connection()
    composed = connection.ops.compose_sql(sql, parameters)
    return composed.decode() if isinstance(composed, bytes) else str(composed)
