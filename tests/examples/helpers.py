"""What the tests of the examples share: their folder, a table to export, and a web server in a process of its own."""

from __future__ import annotations

import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.cli.helpers import wait_until
from tests.fixtures.process import environment

FOLDER = Path(__file__).parents[2] / "examples"
ORDERS = """
CREATE TABLE orders (id int PRIMARY KEY, placed_on date NOT NULL, customer text, total numeric(12,2));
INSERT INTO orders
SELECT g, date '2026-01-01' + g % 365, CASE g % 5 WHEN 0 THEN NULL WHEN 1 THEN 'Smith, Jones' ELSE 'Zoë ' || g END,
       g * 0.37
FROM generate_series(1, 2000) AS g
"""
MORE_ORDERS = """
INSERT INTO orders SELECT g, date '2026-01-01', repeat(md5(g::text), 32), g FROM generate_series(10000, 60000) AS g
"""
"""50 MB: more than the sockets and buffers between a server process of PostgreSQL and a client that reads nothing."""
BACKENDS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ '^polyglot '"


@contextmanager
def web_server(command: Sequence[str], port: int, dsn: str, path: str) -> Iterator[str]:
    """Run a web server until the block ends; yields its address once ``path`` is answered, whatever the answer is."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment(dsn), stdout=output, stderr=subprocess.STDOUT)

        def log() -> str:
            output.seek(0)
            return output.read().decode(errors="replace")

        def is_up() -> bool:
            assert process.poll() is None, log()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10).close()
            except urllib.error.HTTPError as error:
                error.close()
            except OSError:
                return False
            return True

        try:
            wait_until(is_up)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def terminate_exports(conn: psycopg.Connection) -> None:
    """End the server processes of every export, its leader's too: nothing can be read again after that."""
    (ended,) = conn.execute(f"SELECT count(pg_terminate_backend(pid)) {BACKENDS}").fetchone() or (0,)
    assert ended >= 2, f"{ended} connections of an export in its middle"


def backends(conn: psycopg.Connection) -> int:
    """How many connections exports have open now."""
    (count,) = conn.execute(f"SELECT count(*) {BACKENDS}").fetchone() or (0,)
    return int(count)


def fetch_with_curl(url: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Download as a person would."""
    return subprocess.run(["curl", "-sS", *options, url], capture_output=True, timeout=60, check=False)
