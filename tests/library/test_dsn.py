"""Connection strings as people and other tools write them: understood, or answered with what to write, and never with
the password.
"""

from __future__ import annotations

import traceback
from urllib.parse import quote

import psycopg
import pytest

from polyglot_export import ConnectionFailed
from tests.fixtures.process import free_port
from tests.library.helpers import exported

WORDS = "database server connection to at failed: FATAL role exist"


def refusal(dsn: str | None) -> str:
    """What the error says, with all that a traceback would show of it."""
    with pytest.raises(ConnectionFailed) as raised:
        exported(dsn, "t")
    assert "\n" not in str(raised.value)
    assert "".join(traceback.format_exception_only(raised.value)).count(str(raised.value)) == 1
    return str(raised.value)


@pytest.mark.parametrize("length", range(1, 41))
def test_no_message_depends_on_the_password(dsn: str, length: int) -> None:
    """The password is also the user, the database, and a part of the sentence: a star anywhere would tell it."""
    password = WORDS[:length]
    names = {"dbname": password, "user": password}
    for parts in (names, {"host": "127.0.0.1", "port": str(free_port()), **names}):
        base = psycopg.conninfo.make_conninfo(dsn, **parts)
        one = refusal(psycopg.conninfo.make_conninfo(base, password=password))
        other = refusal(psycopg.conninfo.make_conninfo(base, password="q" * 60))
        assert one == other
        assert "*" not in one


def test_the_names_of_the_error_are_whole() -> None:
    port = free_port()
    line = refusal(f"postgresql://reader:s@127.0.0.1:{port}/shopp")
    assert line.startswith(f'cannot connect to the database: connection to server at "127.0.0.1", port {port} failed')


@pytest.mark.parametrize(
    ("dsn_", "advice"),
    [
        ("postgresql://u:p@ss@h/db", "write @ as %40"),
        ("postgresql://u:p@ss@h:5432/db?sslmode=require", "write @ as %40"),
        ("postgresql://u:left/right@h/db", "write / as %2F"),
        ("postgresql://u:topsec%zz@h/db", "write % as %25"),
        ("postgresql://u:top sec@h/db", "write a space as %20"),
        ("mysql://u:topsec@h/db", "mysql:// is not a URI of PostgreSQL"),
        ("jdbc:mysql://u:topsec@h/db", "jdbc:mysql:// is not a URI of PostgreSQL"),
        (
            "postgresql://u:topsec@h/db?schema=sales",
            'parameter: "schema": leave it out, and name tables with their schema',
        ),
        ("postgresql://u:topsec@h/db?connection_limit=5", "leave it out"),
        ("jdbc:postgresql://h/db?user=u&password=topsec&currentSchema=a", "name tables with their schema"),
        ("postgresql+asyncpg://u:topsec@h/db?ssl=require", "write sslmode=require"),
    ],
)
def test_what_to_write(dsn_: str, advice: str) -> None:
    line = refusal(dsn_)
    assert line.startswith("cannot read the connection string: ")
    assert advice in line
    for secret in ("topsec", "top sec", "ss@", "left", "right"):
        assert secret not in line.replace("sslmode", "")


@pytest.mark.parametrize("scheme", ["postgresql+psycopg2", "postgresql+asyncpg", "postgres+psycopg", "jdbc:postgresql"])
def test_urls_of_other_tools(dsn: str, conn: psycopg.Connection, scheme: str) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    known = psycopg.conninfo.conninfo_to_dict(dsn)
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in known.items() if name != "dbname")
    assert exported(f"{scheme}:///{known['dbname']}?{query}", "t") == b"id\n1\n"


def test_nothing_says_which_database(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGDATABASE", "PGUSER"):
        monkeypatch.delenv(name, raising=False)
    line = refusal(None)
    for word in ("DATABASE_URL", "--dsn", "PG*"):
        assert word in line
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    monkeypatch.setenv("PGPORT", str(free_port()))
    assert "DATABASE_URL" not in refusal(None)
