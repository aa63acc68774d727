"""From a DSN to a connection, and from a connection to parameters that reach the same server again.

psycopg and libpq resolve everything: URI or key=value, ``PG*`` variables, service file, ``.pgpass``, several hosts,
``target_session_attrs`` (PostgreSQL manual, "Database Connection Control Functions"). The workers then get what the
leader's connection really used: a snapshot can be imported on the server that exported it and on no other.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import generators, pq, waiting
from psycopg.conninfo import conninfo_to_dict, make_conninfo, timeout_from_conninfo

from polyglot_export.cancel import CancelToken
from polyglot_export.errors import Cancelled, ConnectionFailed, InternalError
from polyglot_export.postgres.dsn import read_dsn
from polyglot_export.postgres.errors import connect_error
from polyglot_export.postgres.libpq import accepted_methods, accepted_tls_versions, refuse_unsupported
from polyglot_export.postgres.parameters import ServerParameters

__all__ = ["connect", "resolved", "same_server"]

KEEPALIVES: dict[str, int] = {
    # A leader says nothing for as long as the export runs. A probe each 15 s keeps NAT tables open and notices a
    # vanished server within 30 s, where the kernel would take two hours.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Milliseconds that a sent statement may stay unacknowledged: bounds the last proof that the server is alive.
    "tcp_user_timeout": 60_000,
}
LIBPQ_FOLDER = Path("~/.postgresql")
"""Where libpq looks for certificates that no parameter names (PostgreSQL manual, "SSL Support")."""


def connect(dsn: str | None, *, application_name: str, token: CancelToken | None = None) -> psycopg.Connection:
    """Connect in autocommit mode.

    The attempt runs in a thread of its own, so that a cancel is obeyed at once also while a name is being looked up or
    a host does not answer; an attempt that nobody waits for any more is closed as soon as it succeeds.

    Args:
        dsn: URI or key=value string; ``None`` or empty leaves everything to the environment.
        application_name: What ``pg_stat_activity`` shows.
        token: A cancel of it ends the wait.

    Raises:
        ConnectionFailed: One sentence, never with the password.
        Cancelled: The token was cancelled.
    """
    given = read_dsn(dsn)
    parameters: dict[str, str | int] = {
        **KEEPALIVES,
        # The leader does not try what the workers cannot do.
        "gssencmode": os.environ.get("PGGSSENCMODE") or "disable",
        **given,
    }
    refuse_unsupported(_values(pq.Conninfo.get_defaults()) | {name: str(value) for name, value in parameters.items()})
    # Names and messages are read as UTF-8 whatever the environment says.
    parameters |= {"application_name": application_name, "client_encoding": "UTF8"}
    attempt = _Attempt(make_conninfo("", **parameters))
    try:
        connection = attempt.wait(token)
    except psycopg.Error as error:
        if "MULE_INTERNAL" in str(error):
            raise ConnectionFailed(
                "a database in MULE_INTERNAL cannot be read: PostgreSQL cannot convert it to UTF-8"
            ) from None
        raise connect_error(error, named=_names_a_server(given)) from None
    # For the transactions that psycopg opens; see ``settings.BEGIN``.
    connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
    try:
        # A service file may have set more.
        refuse_unsupported(_values(connection.pgconn.info))
    except BaseException:
        connection.close()
        raise
    return connection


def _names_a_server(given: Mapping[str, str]) -> bool:
    """Whether anything says which server is meant; else libpq tries the socket of this machine."""
    variables = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGSERVICE", "PGDATABASE", "PGUSER")
    return bool(given) or any(os.environ.get(name) for name in variables)


class _Attempt:
    """One connection attempt in its own thread."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._abandoned = False
        self._connection: psycopg.Connection | None = None
        self._error: BaseException | None = None

    def wait(self, token: CancelToken | None) -> psycopg.Connection:
        """Start, and wait for the connection, an error or a cancel."""
        threading.Thread(target=self._run, name="polyglot-connect", daemon=True).start()
        forget = token.on_cancel(self._done.set) if token is not None else (lambda: None)
        try:
            self._done.wait()
        except BaseException:
            self._abandon()
            raise
        finally:
            forget()
        if token is not None and token.cancelled:
            self._abandon()
            raise Cancelled("the export was cancelled")
        if self._connection is None:
            raise self._error or InternalError("a connection attempt ended without a result")
        return self._connection

    def _run(self) -> None:
        connection = None
        try:
            connection = _open(self._conninfo)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
        with self._lock:
            self._connection = connection
            abandoned = self._abandoned
        if abandoned and connection is not None:
            connection.close()
        self._done.set()

    def _abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            connection = self._connection
        if connection is not None:
            connection.close()


def _open(conninfo: str) -> psycopg.Connection:
    """Psycopg looks the hosts up and bounds each attempt, but takes the name of an abstract socket for a host's."""
    hosts = str(conninfo_to_dict(conninfo).get("host") or os.environ.get("PGHOST") or "")
    if not any(host.startswith("@") for host in hosts.split(",")):
        return psycopg.Connection.connect(conninfo, autocommit=True, prepare_threshold=None)
    # libpq itself tries one host after the other.
    timeout = timeout_from_conninfo(conninfo_to_dict(conninfo))
    connection = psycopg.Connection(waiting.wait_conn(generators.connect(conninfo), timeout=timeout))
    connection.set_autocommit(True)
    return connection


def same_server(dsn: str | None, connection: psycopg.Connection) -> str:
    """A connection string by which the server of a connection is reached once more, where ``dsn`` may name several."""
    info = connection.info
    reached = {
        "host": info.host,
        "hostaddr": _address(connection.pgconn, info.host),
        "port": info.port,
        "user": info.user,
        "dbname": info.dbname,
        "password": info.password,
    }
    return make_conninfo("", **{**read_dsn(dsn), **{name: value for name, value in reached.items() if value}})


def resolved(connection: psycopg.Connection) -> ServerParameters:
    """The parameters that reach this connection's server again, as this user and on this address."""
    info = connection.info
    values = _values(connection.pgconn.info)
    root, certificate, key = _certificates(values)
    if root and connection.pgconn.ssl_in_use:
        # libpq reads this list without being told to.
        refuse_unsupported({"sslcrl": _in_folder("root.crl") or ""})
    return ServerParameters(
        host=info.host,
        port=info.port,
        user=info.user,
        dbname=info.dbname,
        password=info.password or None,
        hostaddr=_address(connection.pgconn, info.host),
        sslmode=values.get("sslmode", "prefer"),
        sslrootcert=root,
        sslcert=certificate,
        sslkey=key,
        sslpassword=values.get("sslpassword"),
        sslcertmode=values.get("sslcertmode", "allow"),
        sslsni=values.get("sslsni", "1") == "1",
        tls_versions=accepted_tls_versions(
            values.get("ssl_min_protocol_version"), values.get("ssl_max_protocol_version")
        ),
        sslnegotiation=values.get("sslnegotiation", "postgres"),
        channel_binding=values.get("channel_binding", "prefer"),
        require_auth=accepted_methods(values.get("require_auth")),
        keepalives=values.get("keepalives", "1") != "0",
        keepalives_idle=_positive(values.get("keepalives_idle")),
        keepalives_interval=_positive(values.get("keepalives_interval")),
        keepalives_count=_positive(values.get("keepalives_count")),
        tcp_user_timeout=_positive(values.get("tcp_user_timeout")),
        connect_timeout=_timeout(values.get("connect_timeout")),
        application_name=values.get("application_name", "polyglot"),
        options=info.options or None,
    )


def _address(pgconn: pq.abc.PGconn, host: str) -> str | None:
    """The address that was connected to: a name may stand for several servers. None for a unix socket."""
    if host.startswith(("/", "@")):
        return None
    return pgconn.hostaddr.decode() or None


def _values(options: list[pq.ConninfoOption]) -> dict[str, str]:
    """What is set, by name."""
    return {option.keyword.decode(): option.val.decode() for option in options if option.val}


def _positive(value: str | None) -> int | None:
    """Libpq leaves to the system what is zero or less."""
    number = int(value) if value else 0
    return number if number > 0 else None


def _timeout(value: str | None) -> float | None:
    """The rule of libpq: zero or less waits without a limit, and one second is taken as two."""
    seconds = float(value) if value else 0.0
    return max(seconds, 2.0) if seconds > 0 else None


def _certificates(values: dict[str, str]) -> tuple[str | None, str | None, str | None]:
    """Root certificate, client certificate and its key, from libpq's folder where no parameter names them."""
    root = values.get("sslrootcert") or _in_folder("root.crt")
    if values.get("sslcertmode") == "disable":
        return root, None, None
    certificate = values.get("sslcert") or _in_folder("postgresql.crt")
    key = values.get("sslkey") or (_in_folder("postgresql.key") if certificate else None)
    return root, certificate, key


def _in_folder(name: str) -> str | None:
    try:
        path = (LIBPQ_FOLDER / name).expanduser()
    except RuntimeError:  # no home folder
        return None
    # Not Path.exists(): a folder that may not be searched (HOME of somebody else, under sudo) is for libpq one without
    # the file.
    return str(path) if os.path.exists(path) else None  # noqa: PTH110
