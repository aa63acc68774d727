"""The service behind a real PgBouncer: which pool modes work, and what of an export reaches the server through it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.fixtures.process import free_port, serve
from tests.service.client import (
    GONE_SECONDS,
    RawDownload,
    assert_problem,
    backends,
    call,
    create,
    post,
    wait_for,
    wait_for_status,
)

POOL = 8
"""Server connections that PgBouncer makes for the one user."""


@contextmanager
def pgbouncer(dsn: str, mode: str, pool: int = POOL, wait: int = 120) -> Iterator[str]:
    """Debian's PgBouncer in front of a server; gives the DSN that leads through it.

    Args:
        dsn: The server.
        mode: ``session``, ``transaction`` or ``statement``.
        pool: Server connections.
        wait: Seconds that a client waits for one (``query_wait_timeout``).
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.exit("pgbouncer is missing; tools/system-packages.sh installs it", returncode=3)
    known = conninfo_to_dict(dsn)
    port = free_port()
    target = " ".join(f"{name}={known[name]}" for name in ("host", "port", "user", "password") if name in known)
    folder = Path(tempfile.mkdtemp(prefix="polyglot-pgbouncer-"))
    # PgBouncer does not run as root.
    folder.chmod(0o755)
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = {target}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = {mode}\ndefault_pool_size = {pool}\nquery_wait_timeout = {wait}\n"
    )
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([program, *account, str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    through = make_conninfo(dsn, host="127.0.0.1", port=port)
    try:
        wait_for(lambda: process.poll() is not None or _answers(through))
        assert process.poll() is None, (folder / "pgbouncer.log").read_text()
        yield through
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(folder)


def _answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_exports_through_a_pool(records: str, mode: str) -> None:
    """The same bytes, the name in the server, an end when the client leaves or the owner says so, and a pool as it was
    found.
    """
    with (
        psycopg.connect(records) as connection,
        connection.cursor().copy("COPY records TO STDOUT (FORMAT csv, HEADER)") as copy,
    ):
        original = b"".join(copy)
    with pgbouncer(records, mode) as through, serve(through, workers=2) as service:
        assert call(service, f"/exports/{create(service)}/download").body == original
        vanished, deleted = create(service), create(service)
        with RawDownload(service, vanished) as download:
            download.read_some(1000)
            assert len(backends(records, vanished)) >= 2
        wait_for_status(service, vanished, "cancelled")
        with RawDownload(service, deleted) as download:
            download.read_some(1000)
            assert call(service, f"/exports/{deleted}", method="DELETE").status == 204
            with pytest.raises(ConnectionResetError):
                download.read_to_end()
        assert wait_for(lambda: not busy(records)) < GONE_SECONDS
        # Whoever comes next gets no setting of ours, and no open transaction.
        with psycopg.connect(through, autocommit=True) as pooled, psycopg.connect(records, autocommit=True) as plain:
            for setting in (
                "DateStyle",
                "extra_float_digits",
                "statement_timeout",
                "default_transaction_read_only",
                "search_path",
            ):
                assert pooled.execute(f"SHOW {setting}").fetchone() == plain.execute(f"SHOW {setting}").fetchone()


def busy(dsn: str) -> int:
    """Server connections in a transaction, our own aside."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend' AND xact_start IS NOT NULL"
        ).fetchone()
        return int(row[0]) if row is not None else 0


def test_statement_pooling_is_refused_before_anything_is_read(records: str) -> None:
    with pgbouncer(records, "statement") as through, serve(through, workers=2) as service:
        assert_problem(post(service, {"format": "csv", "dataset": "small"}), 503, "database-lost")
        wait_for(lambda: not busy(records))


def test_a_pool_that_is_too_small_is_an_error_and_no_dead_lock(records: str) -> None:
    """The leader has the only connection, its workers wait for another one: PgBouncer's time limit ends it."""
    with pgbouncer(records, "transaction", pool=1, wait=2) as through, serve(through, workers=2) as service:
        answer = call(service, f"/exports/{create(service, dataset='small')}/download")
        assert_problem(answer, 503, answer.json()["code"])
        wait_for(lambda: not busy(records))
