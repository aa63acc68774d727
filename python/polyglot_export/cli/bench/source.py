"""What is measured: a server, a table on it, and how many rows the table has."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from polyglot_export.errors import PolyglotError, UnknownDataset
from polyglot_export.postgres.connect import connect
from polyglot_export.testing.postgres import PostgresServer
from polyglot_export.testing.records import Sums, fill_records, sums_of_server

__all__ = ["PROBE", "PROBE_ROWS", "RECORDS", "Sample", "Server", "Source", "filled", "found"]


@dataclass(frozen=True)
class Sample:
    """A table that can be filled on a server of our own.

    Attributes:
        name: The name of the table.
        fill: Creates and fills the table. It gets the connection string, the number of rows, and a function to call
            with the rows filled so far.
        sums: Asks the server what the rows add up to, for the check of our files; ``None`` where only rows are
            counted.
    """

    name: str
    fill: Callable[[str, int, Callable[[int], None]], None]
    sums: Callable[[str], Sums] | None = None


RECORDS = Sample("records", fill_records, sums_of_server)
"""The table of the demo."""
PROBE = "polyglot_bench_probe"
"""The table that is read by key beside an export, on a server of our own."""
PROBE_ROWS = 100_000


@dataclass(frozen=True)
class Server:
    """Where the table is, in parts, because each tool is told in another way."""

    host: str
    port: int
    user: str
    password: str
    dbname: str

    @property
    def uri(self) -> str:
        """``postgresql://…``; the folder of a unix socket is written as libpq reads it."""
        login = (
            f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
            if self.password
            else quote(self.user, safe="")
        )
        return f"postgresql://{login}@{quote(self.host, safe='.:[]')}:{self.port}/{quote(self.dbname, safe='')}"

    def environment(self) -> dict[str, str]:
        """The environment of this process, in which libpq's variables name this server and nothing else."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        own = {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.dbname,
        }
        return kept | own | {"DATABASE_URL": self.uri}


@dataclass(frozen=True)
class Source:
    """A table.

    Attributes:
        server: Where it is.
        schema: Its schema.
        table: Its name.
        rows: How many rows it has.
        psql: The psql that everything is compared with.
        postmaster: Process id of the server's first process, for its CPU time; ``None`` where it is not known.
        sums: What the rows of the demo's table add up to; ``None`` for other tables.
        probe: Whether the server has the table :data:`PROBE`.
    """

    server: Server
    schema: str
    table: str
    rows: int
    psql: str
    postmaster: int | None = None
    sums: Sums | None = None
    probe: bool = False

    def server_cpu(self) -> float | None:
        """CPU seconds of all backends that have ended: the postmaster's ``cutime`` and ``cstime`` (proc(5)).
        ``None`` where they cannot be read.
        """
        if self.postmaster is None:
            return None
        try:
            fields = Path(f"/proc/{self.postmaster}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def filled(server: PostgresServer, sample: Sample, rows: int, on_progress: Callable[[int], None]) -> Source:
    """Fill a sample on a server of our own."""
    dsn = server.dsn()
    sample.fill(dsn, rows, on_progress)
    where = Server(server.host, server.port, server.user, server.password, "postgres")
    sums = None if sample.sums is None else sample.sums(dsn)
    _fill_probe(dsn)
    return Source(where, "public", sample.name, rows, str(server.bin_dir / "psql"), server.pid, sums, probe=True)


def _fill_probe(dsn: str) -> None:
    """The table of a busy application, of which single rows are read by their key."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {PROBE} (id int PRIMARY KEY, payload text NOT NULL)")
        connection.execute(f"INSERT INTO {PROBE} SELECT i, md5(i::text) FROM generate_series(1, {PROBE_ROWS}) AS i")  # noqa: S608
        connection.execute(f"VACUUM (ANALYZE) {PROBE}")


def found(dsn: str | None, name: str) -> Source:
    """Look up a table of the user's and count its rows.

    Raises:
        UnknownDataset: There is no such table.
        PolyglotError: No connection, or no psql on PATH.
    """
    psql = shutil.which("psql")
    if psql is None:
        raise PolyglotError("psql is not on PATH, and it is what everything is compared with")
    with connect(dsn, application_name="polyglot bench") as connection:
        row = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE "
            "c.oid = to_regclass(%s)",
            [name],
        ).fetchone()
        if row is None:
            raise UnknownDataset("dataset", f"there is no table {name!r} that this login can see")
        counted = connection.execute(
            psycopg.sql.SQL("SELECT count(*) FROM {}").format(psycopg.sql.Identifier(*row))
        ).fetchone()
        info = connection.info
        server = Server(info.host, info.port, info.user, info.password, info.dbname)
    schema, table = row
    return Source(server, schema, table, counted[0] if counted is not None else 0, psql)
