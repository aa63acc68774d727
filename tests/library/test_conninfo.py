"""From a DSN to a connection and back: libpq's conventions resolved once, and the workers on the very same server."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from polyglot_export import Cancelled, CancelToken, ConnectionFailed
from polyglot_export.postgres.connect import connect, resolved
from polyglot_export.postgres.parameters import ServerParameters
from tests.fixtures.debian import PASSWORD, DebianServer
from tests.fixtures.process import free_port
from tests.library.helpers import exported


def resolve(dsn: str | None) -> ServerParameters:
    with connect(dsn, application_name="polyglot test") as connection:
        return resolved(connection)


def parts(dsn: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(dsn).items()}


def without_pg(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No variable and no file of the user who runs the tests."""
    import os

    for name in list(os.environ):
        if name.startswith("PG"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))


def test_what_the_workers_get(dsn: str) -> None:
    given = parts(dsn)
    connection = resolve(dsn)
    assert (connection.dbname, connection.user, connection.port) == (given["dbname"], given["user"], int(given["port"]))
    assert connection.application_name == "polyglot test"
    assert connection.hostaddr in {"127.0.0.1", "::1", given.get("host")}
    assert exported(dsn, query="SELECT 1 AS a") == b"a\n1\n"


def test_options_and_time_out_are_handed_on(dsn: str) -> None:
    full = make_conninfo(dsn, options="-c search_path=other -c statement_timeout=1234", connect_timeout=7)
    connection = resolve(full)
    assert connection.options == "-c search_path=other -c statement_timeout=1234"
    assert connection.connect_timeout == 7
    assert exported(full, query="SELECT current_setting('search_path') AS a") == b"a\nother\n"
    assert resolve(make_conninfo(dsn, connect_timeout=0)).connect_timeout is None
    assert resolve(make_conninfo(dsn, connect_timeout=1)).connect_timeout == 2


def test_several_hosts_the_one_that_answers(dsn: str) -> None:
    given = parts(dsn)
    dead = free_port()
    several = make_conninfo(dsn, host=f"127.0.0.1,{given['host']}", port=f"{dead},{given['port']}")
    assert resolve(several).port == int(given["port"])
    assert exported(several, query="SELECT 1 AS a") == b"a\n1\n"
    attributes = make_conninfo(several, target_session_attrs="read-write")
    assert exported(attributes, query="SELECT 1 AS a") == b"a\n1\n"
    with pytest.raises(ConnectionFailed) as raised:
        exported(make_conninfo(dsn, target_session_attrs="standby"), query="SELECT 1 AS a")
    assert "\n" not in str(raised.value)


def test_no_host_answers(dsn: str) -> None:
    dead = f"{free_port()},{free_port()}"
    with pytest.raises(ConnectionFailed) as raised:
        exported(make_conninfo(dsn, host="127.0.0.1,127.0.0.1", port=dead), query="SELECT 1 AS a")
    for port in dead.split(","):
        assert port in str(raised.value)
    assert "\n" not in str(raised.value)


def test_service_file(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pg(monkeypatch, tmp_path)
    service = tmp_path / "services.conf"
    service.write_text("[shop]\n" + "\n".join(f"{name}={value}" for name, value in parts(dsn).items()) + "\n")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    assert exported("service=shop", query="SELECT 1 AS a") == b"a\n1\n"
    monkeypatch.setenv("PGSERVICE", "shop")
    assert exported(None, query="SELECT 1 AS a") == b"a\n1\n"


def test_password_file(debian_server: DebianServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_pg(monkeypatch, tmp_path)
    given = parts(debian_server.login_dsn("plain_only", host="127.0.0.1"))
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    (tmp_path / ".pgpass").write_text(f"127.0.0.1:{given['port']}:*:plain_only:{escaped}\n")
    (tmp_path / ".pgpass").chmod(0o600)
    bare = make_conninfo(
        "", **{name: value for name, value in given.items() if name != "password"}, passfile=str(tmp_path / ".pgpass")
    )
    assert resolve(bare).password == PASSWORD
    assert PASSWORD not in repr(resolve(bare))
    assert exported(bare, query="SELECT 1 AS a") == b"a\n1\n"


def test_a_wrong_password_is_never_shown(debian_server: DebianServer) -> None:
    wrong = make_conninfo(debian_server.login_dsn("plain_only"), password="not the s3cret")
    with pytest.raises(ConnectionFailed, match="password authentication failed") as raised:
        exported(wrong, query="SELECT 1 AS a")
    assert "s3cret" not in str(raised.value)


def test_unix_socket(debian_server: DebianServer) -> None:
    dsn = debian_server.socket_dsn()
    connection = resolve(dsn)
    assert connection.host.startswith("/")
    assert connection.hostaddr is None
    assert exported(dsn, query="SELECT 1 AS a") == b"a\n1\n"


def test_tls_parameters(debian_server: DebianServer) -> None:
    dsn = debian_server.login_dsn(
        "cert_user",
        host="localhost",
        sslmode="verify-full",
        sslrootcert=str(debian_server.ca_file),
        sslcert=str(debian_server.client_cert),
        sslkey=str(debian_server.client_key),
    )
    connection = resolve(dsn)
    assert (connection.sslmode, connection.sslrootcert) == ("verify-full", str(debian_server.ca_file))
    assert (connection.sslcert, connection.sslkey) == (str(debian_server.client_cert), str(debian_server.client_key))
    assert exported(dsn, query="SELECT ssl AS a FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == b"a\nt\n"


def test_certificates_in_libpq_s_folder(
    debian_server: DebianServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pg(monkeypatch, tmp_path)
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    (folder / "root.crt").write_bytes(debian_server.ca_file.read_bytes())
    monkeypatch.setattr("polyglot_export.postgres.connect.LIBPQ_FOLDER", folder)
    dsn = debian_server.login_dsn("tls_only", host="localhost", sslmode="require")
    assert resolve(dsn).sslrootcert == str(folder / "root.crt")
    assert resolve(
        make_conninfo(
            dsn,
            sslrootcert=str(debian_server.other_ca_file),
            sslmode="prefer",
            host="localhost",
            user="postgres",
            password=debian_server.password,
        )
    ).sslrootcert == str(debian_server.other_ca_file)


def test_cancel_while_nobody_answers() -> None:
    """The thread that opens is free at once; the attempt is left behind and ends by itself."""
    token = CancelToken()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        timer = threading.Timer(0.2, token.cancel)
        timer.start()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            connect(f"host=127.0.0.1 port={silent.getsockname()[1]} user=u dbname=d", application_name="x", token=token)
        assert time.monotonic() - started < 5
        timer.join()


def test_a_connection_that_comes_too_late_is_closed(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    token = CancelToken()
    made: list[psycopg.Connection] = []
    left = threading.Event()
    genuine = psycopg.Connection.connect

    def slow(*args: object, **kwargs: object) -> psycopg.Connection:
        assert left.wait(60)
        made.append(genuine(*args, **kwargs))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(psycopg.Connection, "connect", slow)
    threading.Timer(0.1, token.cancel).start()
    with pytest.raises(Cancelled):
        connect(dsn, application_name="x", token=token)
    left.set()
    deadline = time.monotonic() + 60
    while not made or not made[0].closed:
        assert time.monotonic() < deadline
        time.sleep(0.01)
