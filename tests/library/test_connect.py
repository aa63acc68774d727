"""The workers connect where libpq does, as libpq does, and fail where it fails.

The core has its own implementation of libpq's conventions (sslmode, certificates, passwords, channel binding). The
oracle is libpq
itself: psycopg tries the same parameters on the same server. An export opens a psycopg connection first, so the core is
also asked alone, with a plan whose connection is changed.
"""

from __future__ import annotations

import dataclasses
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
import trustme
from psycopg import conninfo

from polyglot_export import Cancelled, ConnectionFailed, Export, _core, export
from polyglot_export.planning.plan import Plan
from polyglot_export.postgres.parameters import ServerParameters
from tests.fixtures.debian import LOGINS, PASSWORD, DebianServer
from tests.fixtures.process import free_port
from tests.fixtures.server import Database
from tests.library.helpers import exported

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
BINDINGS = ("disable", "prefer", "require")
ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
REFUSED = "refused"
RESOLVED = {"hostaddr", "tls_versions", "require_auth", "sslsni", "keepalives"}
"""Fields that are not libpq's text any more; ``test_parameters.py`` tries those."""
SLOW_SECONDS = 30.0
"""What must happen at once may take this long on a loaded machine; a default of the system (two minutes) is far
beyond."""


@pytest.fixture(scope="module")
def opened(debian: Database) -> Iterator[Export]:
    """An export of :data:`ENCRYPTED` whose leader holds a snapshot, so that its plan can be run again and again."""
    with debian.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as admin:
            # Any login may then be the worker's.
            admin.execute("GRANT ALL ON SCHEMA public TO PUBLIC")
        with export(dsn, query=ENCRYPTED) as running:
            yield running


def worker(plan: Plan, **changes: Any) -> str:
    """Run the plan with these connection parameters: ``t`` with TLS, ``f`` without, or :data:`REFUSED`."""
    connection = dataclasses.replace(plan.connection, hostaddr=None, **changes)
    stream = _core.ChunkStream(dataclasses.replace(plan, connection=connection))
    try:
        data = b""
        while (chunk := stream.next_chunk()) is not None:
            data += chunk
    except ConnectionFailed as error:
        assert_names_the_server(error, connection)
        return REFUSED
    finally:
        stream.close()
    return data.decode().split()[1]


def libpq(plan: Plan, **changes: Any) -> str:
    """The same through libpq."""
    connection = dataclasses.replace(plan.connection, hostaddr=None, **changes)
    parameters = {
        field.name: getattr(connection, field.name)
        for field in dataclasses.fields(connection)
        if field.name not in RESOLVED and getattr(connection, field.name) is not None
    }
    try:
        with psycopg.connect("", autocommit=True, **parameters) as conn:
            row = conn.execute(ENCRYPTED).fetchone()
            assert row is not None
            return "t" if row[0] else "f"
    except psycopg.OperationalError:
        return REFUSED


def assert_names_the_server(error: ConnectionFailed, connection: ServerParameters) -> None:
    """One sentence with the address, and nothing that is secret."""
    assert error.message.startswith(f"cannot connect to {connection.host}:{connection.port}: ")
    assert "\n" not in error.message
    if connection.password:
        assert connection.password not in error.message


@pytest.mark.parametrize("sslmode", MODES)
def test_certificates_as_in_libpq(opened: Export, debian_server: DebianServer, sslmode: str) -> None:
    roots = (
        None,
        str(debian_server.ca_file),
        str(debian_server.other_ca_file),
        str(debian_server.directory / "missing.pem"),
    )
    outcomes = set()
    for root, host in itertools.product(roots, ("localhost", "127.0.0.1")):
        changes = {"sslmode": sslmode, "sslrootcert": root, "host": host}
        expected = libpq(opened.plan, **changes)
        assert worker(opened.plan, **changes) == expected, changes
        outcomes.add(expected)
    # What makes the comparison worth something: libpq does tell these cases apart.
    expected_outcomes = {"disable": {"f"}, "allow": {"f"}, "prefer": {"t", "f"}}
    assert outcomes == expected_outcomes.get(sslmode, {"t", REFUSED})


@pytest.mark.parametrize("login", ["postgres", *LOGINS])
def test_logins_as_in_libpq(opened: Export, debian_server: DebianServer, login: str) -> None:
    right = debian_server.password if login == "postgres" else PASSWORD
    outcomes = set()
    for sslmode, binding, password in itertools.product(MODES[:4], BINDINGS, (right, "wrong", None)):
        changes = {"user": login, "password": password, "sslmode": sslmode, "channel_binding": binding}
        expected = libpq(opened.plan, **changes)
        assert worker(opened.plan, **changes) == expected, changes
        outcomes.add(expected)
    assert REFUSED in outcomes
    assert outcomes & {"t", "f"} or login == "cert_user"


def test_a_client_certificate(opened: Export, debian_server: DebianServer) -> None:
    own = {"sslcert": str(debian_server.client_cert), "sslkey": str(debian_server.client_key)}
    cases: list[dict[str, Any]] = [
        own,
        {},
        {"sslcert": own["sslcert"]},
        {"sslcert": "/no/such/file", "sslkey": own["sslkey"]},
    ]
    cases.append({"sslcert": own["sslcert"], "sslkey": str(debian_server.data / "server.key")})
    for case in cases:
        changes = {"user": "cert_user", "password": None, "sslmode": "require", **case}
        expected = "t" if case is own else REFUSED
        assert worker(opened.plan, **changes) == libpq(opened.plan, **changes) == expected, case


def test_a_client_certificate_from_the_dsn(debian_server: DebianServer) -> None:
    own = {"sslcert": str(debian_server.client_cert), "sslkey": str(debian_server.client_key)}
    dsn = debian_server.login_dsn(
        "cert_user", host="localhost", sslmode="verify-full", sslrootcert=str(debian_server.ca_file), **own
    )
    assert exported(dsn, query=ENCRYPTED) == b"ssl\nt\n"


@pytest.mark.parametrize("parameter", ["sslmode=require", "sslmode=disable"])
def test_a_dsn_says_whether_there_is_tls(debian_dsn: str, parameter: str) -> None:
    expected = b"t" if "require" in parameter else b"f"
    assert exported(f"{debian_dsn}?{parameter}", query=ENCRYPTED) == b"ssl\n" + expected + b"\n"


def test_a_wrong_password(debian_dsn: str) -> None:
    dsn = conninfo.make_conninfo(debian_dsn, password="not-the-password")
    with pytest.raises(ConnectionFailed, match="password authentication failed") as caught:
        export(dsn, query=ENCRYPTED)
    assert "not-the-password" not in str(caught.value)


def test_sqlstate_of_a_refused_worker(opened: Export) -> None:
    connection = dataclasses.replace(opened.plan.connection, password="not-the-password", sslmode="require")
    stream = _core.ChunkStream(dataclasses.replace(opened.plan, connection=connection))
    with pytest.raises(ConnectionFailed, match="password authentication failed") as caught:
        stream.next_chunk()
    assert caught.value.sqlstate == "28P01"
    stream.close()


def test_a_unix_socket(debian: Database, debian_dsn: str) -> None:
    assert debian.process is not None
    dsn = debian.process.socket_dsn(str(conninfo.conninfo_to_dict(debian_dsn)["dbname"]))
    # As in libpq, sslmode does not count for it.
    for sslmode in ("disable", "require", "verify-full"):
        assert exported(f"{dsn}&sslmode={sslmode}", query=ENCRYPTED) == b"ssl\nf\n"


def test_a_socket_that_is_not_there(opened: Export, tmp_path: Any) -> None:
    connection = dataclasses.replace(opened.plan.connection, host=str(tmp_path), hostaddr=None)
    stream = _core.ChunkStream(dataclasses.replace(opened.plan, connection=connection))
    with pytest.raises(ConnectionFailed) as caught:
        stream.next_chunk()
    assert caught.value.message == f"cannot connect to {tmp_path}/.s.PGSQL.{connection.port}: no such file or directory"
    stream.close()


def test_the_server_is_away(opened: Export) -> None:
    port = free_port()
    start = time.monotonic()
    with pytest.raises(ConnectionFailed):
        export(f"postgresql://postgres@127.0.0.1:{port}/postgres", query=ENCRYPTED)
    connection = dataclasses.replace(opened.plan.connection, port=port, hostaddr=None)
    stream = _core.ChunkStream(dataclasses.replace(opened.plan, connection=connection))
    with pytest.raises(ConnectionFailed) as caught:
        stream.next_chunk()
    assert caught.value.message == f"cannot connect to {connection.host}:{port}: connection refused"
    assert time.monotonic() - start < SLOW_SECONDS
    stream.close()


def test_a_name_that_nobody_has(opened: Export) -> None:
    connection = dataclasses.replace(opened.plan.connection, host="no-such-host.invalid", hostaddr=None)
    stream = _core.ChunkStream(dataclasses.replace(opened.plan, connection=connection))
    with pytest.raises(ConnectionFailed, match=r'the name "no-such-host\.invalid" cannot be resolved'):
        stream.next_chunk()
    stream.close()


def test_connect_timeout(opened: Export, silent_port: int) -> None:
    start = time.monotonic()
    with pytest.raises(ConnectionFailed):
        export(f"postgresql://postgres@127.0.0.1:{silent_port}/postgres?connect_timeout=2", query=ENCRYPTED)
    assert time.monotonic() - start < SLOW_SECONDS

    start = time.monotonic()
    connection = dataclasses.replace(opened.plan.connection, port=silent_port, hostaddr=None, connect_timeout=0.5)
    stream = _core.ChunkStream(dataclasses.replace(opened.plan, connection=connection))
    with pytest.raises(ConnectionFailed, match=r"no answer within 0\.5 s"):
        stream.next_chunk()
    assert 0.4 < time.monotonic() - start < SLOW_SECONDS
    stream.close()


def test_hostaddr_spares_the_look_up_and_host_is_what_is_verified(opened: Export, debian_server: DebianServer) -> None:
    def run(host: str) -> str:
        connection = dataclasses.replace(
            opened.plan.connection,
            host=host,
            hostaddr="127.0.0.1",
            sslmode="verify-full",
            sslrootcert=str(debian_server.ca_file),
        )
        stream = _core.ChunkStream(dataclasses.replace(opened.plan, connection=connection))
        try:
            return (stream.next_chunk() or b"").decode()
        finally:
            stream.close()

    assert run("localhost") == "ssl\nt\n"
    with pytest.raises(ConnectionFailed, match="not for the host name"):
        run("no-such-host.invalid")


def test_a_cancel_over_tls_stops_the_query(debian_dsn: str) -> None:
    # The fixture fails when a connection, and so a query, is left.
    with export(f"{debian_dsn}?sslmode=require", query="SELECT pg_sleep(600)") as running:
        timer = threading.Timer(0.5, running.cancel)
        timer.start()
        start = time.monotonic()
        with pytest.raises(Cancelled):
            running.next_chunk()
        timer.join()
    assert time.monotonic() - start < SLOW_SECONDS


@pytest.mark.parametrize("sslmode", ["disable", "require"])
def test_a_large_row(debian_dsn: str, sslmode: str) -> None:
    size = 40_000_000
    data = exported(
        f"{debian_dsn}?sslmode={sslmode}", query=f"SELECT 1 AS a, repeat('x', {size}) AS b UNION ALL SELECT 2, 'small'"
    )
    assert data == b"a,b\n1," + b"x" * size + b"\n2,small\n"


def test_direct_tls(dsn: str) -> None:
    """``sslnegotiation=direct`` (PostgreSQL 17): TLS from the first byte, agreed upon by ALPN, and authentication
    inside it.
    """
    authority = trustme.CA()
    target = conninfo.conninfo_to_dict(dsn)
    with (
        terminated(authority, (str(target["host"]), int(target["port"] or 0))) as (port, protocols),
        authority.cert_pem.tempfile() as root,
    ):
        through = conninfo.make_conninfo(
            dsn,
            host="localhost",
            hostaddr="127.0.0.1",
            port=port,
            sslmode="verify-full",
            sslrootcert=root,
            sslnegotiation="direct",
        )
        assert exported(through, query="SELECT 1 AS a") == b"a\n1\n"
    # The leader's and the worker's.
    assert len(protocols) >= 2
    assert set(protocols) == {"postgresql"}


def test_direct_tls_without_alpn_is_refused(opened: Export) -> None:
    """Another TLS service on that port must not be talked to."""
    authority = trustme.CA()
    with terminated(authority, None) as (port, _):
        connection = dataclasses.replace(
            opened.plan.connection,
            host="localhost",
            hostaddr="127.0.0.1",
            port=port,
            sslmode="require",
            sslnegotiation="direct",
        )
        stream = _core.ChunkStream(dataclasses.replace(opened.plan, connection=connection))
        with pytest.raises(ConnectionFailed, match="ALPN"):
            stream.next_chunk()
        stream.close()


@contextmanager
def terminated(authority: trustme.CA, target: tuple[str, int] | None) -> Iterator[tuple[int, list[str | None]]]:
    """A port that takes TLS off and hands on to ``target``; yields it and the list of protocols that were agreed upon.

    Without a target it is a TLS service that knows no ALPN and waits for the client to go.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    if target is not None:
        context.set_alpn_protocols(["postgresql"])
    protocols: list[str | None] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=connection, args=(client,), daemon=True).start()

    def connection(raw: socket.socket) -> None:
        try:
            client = context.wrap_socket(raw, server_side=True)
        except OSError:
            raw.close()
            return
        protocols.append(client.selected_alpn_protocol())
        if target is None:
            client.recv(1)
            client.close()
            return
        server = socket.create_connection(target)
        back = threading.Thread(target=pump, args=(server.recv, client), daemon=True)
        back.start()
        pump(client.recv, server)
        back.join()
        for end in (client, server):
            end.close()

    def pump(receive: Callable[[int], bytes], to: socket.socket) -> None:
        try:
            while data := receive(65536):
                to.sendall(data)
        except OSError:
            pass
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listener.getsockname()[1]), protocols
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
