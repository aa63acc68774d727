"""The backends of an export's workers, and the moment in which each of them is in the middle of its segment for
certain.
"""

from __future__ import annotations

import re

import psycopg

from tests.service.client import wait_for


def reading(dsn: str, name: str) -> dict[int, int]:
    """The backends of the workers by the first page of the segment that each has read last, perhaps to its end.

    Args:
        dsn: The database.
        name: ``application_name`` of the export's connections.
    """
    return _workers(dsn, name, "true")


def both_in_the_middle(dsn: str, name: str) -> dict[int, int]:
    """Wait until two backends wait to send; :func:`reading`.

    Nobody must read the export meanwhile: then they wait until somebody does. A segment must be larger than all buffers
    together: in the export, and in the kernel, where a connection may have some ten megabytes on their way.
    """
    at: dict[int, int] = {}

    def seen() -> bool:
        at.clear()
        at.update(_workers(dsn, name, _BLOCKED))
        return len(at) == 2

    wait_for(seen)
    return at


def terminate(dsn: str, pid: int) -> None:
    """End a backend and wait until it is gone."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT pg_terminate_backend(%s, 60000)", [pid]).fetchone()
    assert row == (True,)


_BLOCKED = "state = 'active' AND wait_event = 'ClientWrite'"


def _workers(dsn: str, name: str, condition: str) -> dict[int, int]:
    statement = (
        f"SELECT pid, query FROM pg_stat_activity WHERE application_name = %s AND query LIKE 'COPY%%' AND {condition}"
    )
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute(statement.encode(), [name]).fetchall()
    return {int(found[1]): pid for pid, query in rows if (found := re.search(r"'\((\d+),", query))}
