"""Exports from a replica of the database: a real hot standby, and what vacuum on its primary does to a running
export.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from polyglot_export import SpecError
from polyglot_export.testing.postgres import EmbeddedServer
from tests.fixtures.process import serve
from tests.library.helpers import exported
from tests.service.client import RawDownload, backends, call, create, wait_for, wait_for_status

ROWS = 300_000
SETTINGS = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on", "autovacuum": "off"}


class Standby(EmbeddedServer):
    """A server that is made from another one and follows it."""

    def __init__(self, primary: EmbeddedServer, settings: dict[str, str]) -> None:
        super().__init__(settings=SETTINGS | settings)
        self._primary = primary
        self.password = primary.password

    def _initdb(self) -> None:
        # The standby follows by what pg_basebackup writes down with -R: the connection string, password included.
        conninfo = make_conninfo(self._primary.dsn(), dbname="")
        self._run(
            "pg_basebackup", "-D", str(self.data), "-d", conninfo, "-R", "-X", "stream", "-c", "fast", "--no-sync"
        )


@dataclass
class Pair:
    """A primary with ``records`` and a standby that gives way to it after a second."""

    primary: EmbeddedServer
    standby: Standby

    def follow(self) -> None:
        """Wait until the standby has replayed what the primary has written."""
        with (
            psycopg.connect(self.primary.dsn(), autocommit=True) as one,
            psycopg.connect(self.standby.dsn(), autocommit=True) as two,
        ):
            row = one.execute("SELECT pg_current_wal_lsn()").fetchone()
            assert row is not None
            wait_for(
                lambda: two.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [row[0]]).fetchone() == (True,)
            )

    def update_and_vacuum(self) -> None:
        """Remove row versions that an older snapshot still sees."""
        with psycopg.connect(self.primary.dsn(), autocommit=True) as connection:
            connection.execute("UPDATE records SET name = name || '!' WHERE id % 100 = 0")
            connection.execute("VACUUM records")


@pytest.fixture(scope="module")
def primary() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(settings=SETTINGS) as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("CREATE TABLE records (id int PRIMARY KEY, name text) WITH (fillfactor = 90)")
            connection.execute(
                "INSERT INTO records SELECT n, repeat('name ' || n, 12) FROM generate_series(1, %s) AS n", [ROWS]
            )
            connection.execute("VACUUM (ANALYZE) records")
        yield server


@pytest.fixture(params=["off", "on"])
def pair(primary: EmbeddedServer, request: pytest.FixtureRequest) -> Iterator[tuple[Pair, bool]]:
    """With ``hot_standby_feedback`` off and on."""
    settings = {
        "max_standby_streaming_delay": "1s",
        "hot_standby_feedback": request.param,
        "wal_receiver_status_interval": "1s",
    }
    with Standby(primary, settings) as standby:
        both = Pair(primary, standby)
        both.follow()
        yield both, request.param == "on"


def test_an_export_from_a_standby(pair: tuple[Pair, bool]) -> None:
    """Snapshots are exported there as on a primary; vacuum on the primary ends an export only without feedback."""
    both, feedback = pair
    with (
        psycopg.connect(both.primary.dsn()) as connection,
        connection.cursor().copy("COPY records TO STDOUT (FORMAT csv, HEADER)") as copy,
    ):
        original = b"".join(copy)
    # No session is left on the primary whose snapshot vacuum would have to respect.
    with serve(both.standby.dsn(), workers=2) as service:
        assert call(service, f"/exports/{create(service)}/download").body == original
        export_id = create(service)
        with RawDownload(service, export_id) as download:
            download.read_some(1000)
            if feedback:
                _wait_for_feedback(both)
                both.update_and_vacuum()
                both.follow()
                assert download.read_to_end().endswith(b"0\r\n\r\n")
                assert wait_for_status(service, export_id, "completed")["rows"] == ROWS
            else:
                _vacuum_until_the_leader_is_ended(both, export_id)
                with pytest.raises(ConnectionResetError):
                    download.read_to_end()
                # The standby ends the leader's session, whose snapshot stands in the way.
                assert wait_for_status(service, export_id, "failed")["error"]["code"] == "database-lost"


def test_a_login_whose_transactions_are_serializable(pair: tuple[Pair, bool]) -> None:
    """A standby refuses such transactions, so that not even a health check may begin one."""
    both, _ = pair
    with psycopg.connect(both.primary.dsn(), autocommit=True) as connection:
        connection.execute("CREATE ROLE careful LOGIN PASSWORD 's3cret'; GRANT SELECT ON records TO careful")
        connection.execute("ALTER ROLE careful SET default_transaction_isolation = serializable")
        try:
            both.follow()
            dsn = both.standby.dsn(user="careful", password="s3cret")
            with (
                psycopg.connect(dsn, autocommit=True) as refused,
                pytest.raises(psycopg.errors.FeatureNotSupported, match="serializable"),
            ):
                refused.execute("SELECT 1")
            with serve(dsn, workers=2) as service:
                assert call(service, "/health/ready").status == 200
                assert [found["name"] for found in call(service, "/datasets").json()["datasets"]] == ["records"]
                body = call(service, f"/exports/{create(service, limit=10)}/download").body
                assert body.count(b"\n") == 11
            query = "SELECT current_setting('transaction_isolation') AS level"
            assert exported(dsn, query=query) == b"level\nrepeatable read\n"
            with pytest.raises(SpecError, match="does not know the time zone"):
                exported(dsn, "records", options={"timeZone": "Nowhere"})
        finally:
            connection.execute("DROP OWNED BY careful; DROP ROLE careful")


def _vacuum_until_the_leader_is_ended(both: Pair, export_id: str) -> None:
    """A vacuum removes nothing while a session that is just being closed still has a snapshot: then the next one
    does.
    """
    with psycopg.connect(both.standby.dsn(), autocommit=True) as connection:
        statement = "SELECT pid FROM pg_stat_activity WHERE application_name = %s ORDER BY backend_start LIMIT 1"
        row = connection.execute(statement, [f"polyglot {export_id}"]).fetchone()
        assert row is not None
        leader = row[0]

    def ended() -> bool:
        both.update_and_vacuum()
        both.follow()
        return leader not in backends(both.standby.dsn(), export_id)

    wait_for(ended)


def _wait_for_feedback(both: Pair) -> None:
    """Until the primary knows the oldest snapshot of the standby."""
    with psycopg.connect(both.primary.dsn(), autocommit=True) as connection:
        wait_for(lambda: connection.execute("SELECT count(backend_xmin) FROM pg_stat_replication").fetchone() == (1,))
