"""What goes wrong while an export's connection is being set up has its own class, as everything else does."""

from __future__ import annotations

import psycopg
import pytest

from polyglot_export.errors import ConnectionLost
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.settings import session_settings


def test_a_server_that_goes_away_at_the_start(dsn: str, conn: psycopg.Connection) -> None:
    with Leader.open(dsn, application_name="polyglot test") as leader:
        conn.execute("SELECT pg_terminate_backend(%s)", [leader.connection.info.backend_pid])
        with pytest.raises(ConnectionLost):
            session_settings(leader.connection, "UTC", views=True)
