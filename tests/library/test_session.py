"""What goes wrong while an export's connection is being set up has its own class, as everything else does."""

from __future__ import annotations

import psycopg
import pytest

from polyglot_export.errors import ConnectionLost, SpecError
from polyglot_export.postgres import settings
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.settings import session_settings


def test_a_server_that_goes_away_at_the_start(dsn: str, conn: psycopg.Connection) -> None:
    with Leader.open(dsn, application_name="polyglot test") as leader:
        conn.execute("SELECT pg_terminate_backend(%s)", [leader.connection.info.backend_pid])
        with pytest.raises(ConnectionLost):
            session_settings(leader.connection, "UTC", views=True)


@pytest.mark.parametrize(
    "refused",
    [("no_such_setting", "1"), ("client_connection_check_interval", "-7")],
    ids=["a name that it does not know", "a value that its platform does not support"],
)
def test_what_the_server_does_not_take_is_left_out(
    dsn: str, monkeypatch: pytest.MonkeyPatch, refused: tuple[str, str]
) -> None:
    monkeypatch.setattr(settings, "_LATER", ((0, "work_mem", "4MB"), (0, *refused), (0, "temp_buffers", "8MB")))
    with Leader.open(dsn, application_name="polyglot test") as leader:
        found = session_settings(leader.connection, "Europe/Berlin", views=True)
        assert found[0] == "SET LOCAL TimeZone = 'Europe/Berlin'"
        assert found[-2:] == ("SET LOCAL work_mem = '4MB'", "SET LOCAL temp_buffers = '8MB'")
        with pytest.raises(SpecError, match="the server does not know the time zone 'Nowhere'"):
            session_settings(leader.connection, "Nowhere", views=True)


def test_trying_changes_nothing(dsn: str) -> None:
    with Leader.open(dsn, application_name="polyglot test") as leader:
        before = leader.run("SHOW TimeZone")
        session_settings(leader.connection, "Pacific/Chatham", views=True)
        assert leader.run("SHOW TimeZone") == before != [("Pacific/Chatham",)]
        assert leader.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
