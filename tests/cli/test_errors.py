"""What goes wrong with the database: one line, the right exit code, no file, no connection left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from tests.cli.helpers import ITEMS, active, complaint, wait_until
from tests.fixtures.process import Cli, free_port, start_cli


@pytest.fixture(autouse=True)
def _nothing_half_written(tmp_path: Path) -> Iterator[None]:
    """Whatever a test of this file does, its folder is empty at the end."""
    yield
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def items(dsn: str, conn: psycopg.Connection) -> str:
    conn.execute(ITEMS)
    return dsn


def to(folder: Path) -> tuple[str, str]:
    """The option that writes into the folder which must stay empty."""
    return "-o", str(folder / "x.csv")


@pytest.mark.parametrize("command", ["export", "explain", "datasets"])
def test_no_server(cli: Cli, command: str) -> None:
    source = ("items",) if command != "datasets" else ()
    line = complaint(cli(command, *source, "--dsn", f"postgresql://nobody:topsecret@127.0.0.1:{free_port()}/x"), 1)
    assert line.startswith("cannot connect to the database: ")
    assert "Connection refused" in line
    assert "topsecret" not in line


def test_a_host_that_is_none(cli: Cli, tmp_path: Path) -> None:
    line = complaint(cli("export", "items", *to(tmp_path), "--dsn", "host=no-such-host.invalid user=x dbname=x"), 1)
    assert line.startswith("cannot connect to the database: ")
    assert "no-such-host.invalid" in line


@pytest.mark.parametrize(
    "dsn", ["nonsense", "postgresql://user@host:port/x", "host=x colour=red", "password='topsecret"]
)
def test_a_wrong_dsn(cli: Cli, tmp_path: Path, dsn: str) -> None:
    line = complaint(cli("export", "items", *to(tmp_path), "--dsn", dsn), 1)
    assert line.startswith(("cannot read the connection string: ", "cannot connect to the database: "))
    assert "topsecret" not in line


def test_a_wrong_password(cli: Cli, dsn: str, tmp_path: Path) -> None:
    line = complaint(cli("export", "items", *to(tmp_path), "--dsn", conninfo.make_conninfo(dsn, password="not it")), 1)
    assert line.startswith("cannot connect to the database: ")
    assert "password authentication failed" in line
    assert "not it" not in line


def test_a_database_that_does_not_exist(cli: Cli, dsn: str, tmp_path: Path) -> None:
    line = complaint(cli("export", "items", *to(tmp_path), "--dsn", conninfo.make_conninfo(dsn, dbname="no such")), 1)
    assert 'database "no such" does not exist' in line


@pytest.mark.parametrize("command", ["export", "explain", "datasets"])
@pytest.mark.parametrize("name", ["itmes", "ITEM", "publc.items", "other.items"])
def test_an_unknown_table_and_what_is_near(cli: Cli, items: str, command: str, name: str) -> None:
    line = complaint(cli(command, name, dsn=items), 2)
    assert repr(name) in line
    assert line.endswith("; did you mean public.items?")


def test_an_unknown_table_with_nothing_near(cli: Cli, items: str, tmp_path: Path) -> None:
    line = complaint(cli("export", "zzzzzz", *to(tmp_path), dsn=items), 2)
    assert "'zzzzzz'" in line
    assert "did you mean" not in line


@pytest.mark.parametrize(
    ("arguments", "start", "parts"),
    [
        (("--columns", "id,colour"), "--columns (number 2): ", ("'colour'", "id, name, value, note")),
        (("--where", "colour = red"), "--where: ", ("'colour'", "id, name, value, note")),
        (("--where", "id > 1", "--where", "id = red"), "--where (number 2): ", ('"red"',)),
        (("--where", "id like 1%"), "--where: ", ("like",)),
        (("--order-by", "id,colour"), "--order-by (number 2): ", ("'colour'", "id, name, value, note")),
        (("--split-by", "colour"), "--split-by: ", ("'colour'", "id, name, value, note")),
        (("--split-by", "id:1"), "--split-by: ", ("greater than or equal to 2",)),
        (("--split-by", "id:many"), "--split-by 'id:many': ", ("how many parts",)),
        (("--split-by", "id", "--order-by", "name"), "--split-by: ", ("'id'", "'name'")),
        (("--split-values", "id,name"), "--split-values: ", ("one expression",)),
        (("--split-values", "colour"), "--split-values: ", ("'colour'", "id, name, value, note")),
        (("--split-values", '"net, gross"'), "--split-values: ", ("'net, gross'",)),
        (("--split-values", "left(colour, 1)"), "--split-values: ", ("one expression", '"colour"')),
        (("--split-by", "id", "--limit", "3"), "--split-by: ", ("without orderBy",)),
        (("--option", "timeZone=Mars/Olympus"), "--option timeZone: ", ("'Mars/Olympus'",)),
        (("--option", "forceQuote=colour"), "--option forceQuote: ", ("'colour'",)),
    ],
)
def test_what_the_table_does_not_have(
    cli: Cli, items: str, tmp_path: Path, arguments: tuple[str, ...], start: str, parts: tuple[str, ...]
) -> None:
    line = complaint(cli("export", "items", *arguments, *to(tmp_path), dsn=items), 2)
    assert line.startswith(start)
    for part in parts:
        assert part in line.removeprefix(start)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE items",
        "DELETE FROM items",
        "DELETE FROM items RETURNING *",
        "WITH gone AS (DELETE FROM items RETURNING *) SELECT * FROM gone",
        "DROP TABLE items",
        "select 1) to program 'touch /tmp/polyglot-was-here' --",
        "SELECT colour FROM items",
        "SELEC 1",
        "SELECT $1",
        "",
        ";",
    ],
)
def test_a_query_that_is_none(cli: Cli, items: str, conn: psycopg.Connection, tmp_path: Path, query: str) -> None:
    done = cli("export", "--query", query, *to(tmp_path), dsn=items)
    complaint(done, 2)
    assert conn.execute("SELECT count(*) FROM items").fetchone() == (1000,)
    assert not Path("/tmp/polyglot-was-here").exists()


def test_a_query_that_fails_later(cli: Cli, items: str, tmp_path: Path) -> None:
    """Row 900 divides by zero, when bytes may already have been written."""
    done = cli(
        "export",
        "--query",
        "SELECT 1 / (id - 900) AS x, repeat('y', 5000) AS y FROM items ORDER BY id",
        *to(tmp_path),
        dsn=items,
    )
    assert complaint(done, 1) == "division by zero"


def test_permission_denied(cli: Cli, items: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    role = "reader_of_nothing"
    conn.execute(sql.SQL("DROP ROLE IF EXISTS {0}; CREATE ROLE {0} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
    try:
        limited = conninfo.make_conninfo(items, user=role, password="x")
        line = complaint(cli("export", "items", *to(tmp_path), dsn=limited), 1)
        assert "permission denied for table items" in line
        line = complaint(cli("export", "--query", "SELECT * FROM items", *to(tmp_path), dsn=limited), 1)
        assert "permission denied for table items" in line
        assert b"items" not in cli("datasets", dsn=limited).stdout
    finally:
        conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_table_that_is_dropped_while_it_is_exported(items: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    """The lock holds: DROP waits until the export is done, and the file is whole."""
    conn.execute("CREATE VIEW slow AS SELECT id, pg_advisory_xact_lock_shared(1)::text AS pause FROM items")
    target = tmp_path / "x.csv"
    with psycopg.connect(items, autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(1)")
        process = start_cli("export", "slow", "-o", str(target), "--quiet", dsn=items)
        wait_until(lambda: any("COPY" in query for query in active(conn)))
        opening = threading.Timer(0.5, gate.execute, ["SELECT pg_advisory_unlock(1)"])
        started = time.monotonic()
        opening.start()
        conn.execute("DROP TABLE items CASCADE")
        assert time.monotonic() - started >= 0.5, "DROP came through while no row could be read"
        opening.join()
    assert target.exists() or process.wait(60) == 0, "DROP came through while rows were being read"
    assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 0
    assert target.read_bytes().count(b"\n") == 1001
    target.unlink()


def test_the_server_ends_the_connections(items: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    process = start_cli("export", "--query", "SELECT id, pg_sleep(0.05)::text FROM items", *to(tmp_path), dsn=items)
    wait_until(lambda: any("COPY" in query for query in active(conn)))
    conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, b"")
    assert errors.startswith(b"polyglot: ")
    assert errors.count(b"\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("datasets", "--dsn", b"postgresql://\xe9/x"),
        ("export", b"caf\xe9", "-f", "csv"),
        ("export", "t", "-f", "csv", "--where", b"a = \xe9"),
        ("keys", b"caf\xe9"),
        ("serve", "--host", b"\xe9"),
        (b"--\xe9",),
        (b"\xe9",),
    ],
)
def test_arguments_that_are_not_text(arguments: tuple[str | bytes, ...]) -> None:
    command: list[str | bytes] = [sys.executable, "-m", "polyglot_export", *arguments]
    line = complaint(subprocess.run(command, capture_output=True, check=False, timeout=60), 2)
    assert re.fullmatch(r"argument \d, '.*\\xe9.*', is not UTF-8", line)


@pytest.mark.parametrize("command", ["export", "explain"])
def test_a_locked_table(cli: Cli, items: str, tmp_path: Path, command: str) -> None:
    with psycopg.connect(items) as holder:
        holder.execute("LOCK TABLE items IN ACCESS EXCLUSIVE MODE")
        done = cli(command, "items", *to(tmp_path), "--lock-timeout", "200ms", dsn=items)
    line = complaint(done, 1)
    assert "items is locked by another session, and did not become free within 0.2 seconds" in line


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("0", "must be above 0 seconds, and at most 2,147,483 (got 0.0)"),
        ("-1s", "must be above 0 seconds, and at most 2,147,483 (got -1.0)"),
        ("25d", "must be above 0 seconds, and at most 2,147,483 (got 2160000.0)"),
        ("nan", "must be a number of seconds, or a number with ms, s, min, h or d (got 'nan')"),
        ("inf", "must be a number of seconds, or a number with ms, s, min, h or d (got 'inf')"),
    ],
)
def test_no_time_to_wait_for_a_lock(cli: Cli, items: str, tmp_path: Path, given: str, reason: str) -> None:
    line = complaint(cli("export", "items", *to(tmp_path), "--lock-timeout", given, dsn=items), 2)
    assert line == f"--lock-timeout: {reason}"


def test_a_file_name_may_be_any_bytes(items: str, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xe9.csv"
    command: list[str | bytes] = [
        sys.executable,
        "-m",
        "polyglot_export",
        "export",
        "items",
        "--dsn",
        items,
        "-o",
        path,
    ]
    subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert os.path.getsize(path) > 0  # noqa: PTH202 - the name is bytes
    os.unlink(path)  # noqa: PTH108
