"""What is left of a dump that fails in the middle, what is told of it, and what the next one says."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from polyglot_export import (
    ConnectionLost,
    PolyglotError,
    RunSettings,
    SourceChanged,
    TargetFailed,
    dump,
    parse_spec,
    verify,
)
from polyglot_export._core import Sha256
from polyglot_export.destinations.base import Chunks
from polyglot_export.destinations.folder import FolderFile
from polyglot_export.dumps import moment as dump_moment
from polyglot_export.dumps.request import DumpRequest
from polyglot_export.dumps.run import dump_set
from polyglot_export.dumps.selection import Chosen, Selection, select
from polyglot_export.limits import UPLOAD_PARTS
from polyglot_export.manifest.document import MANIFEST, Manifest
from polyglot_export.postgres.leader import Leader
from tests.cli.helpers import complaint, is_copying, succeeded, wait_until
from tests.dumps.helpers import files, manifest_of, same
from tests.faults.workers import both_in_the_middle, terminate
from tests.fixtures.disk import small_file_system
from tests.fixtures.object_front import answer, deaf
from tests.fixtures.object_stores import S3Cloud
from tests.fixtures.process import Cli, start_cli

TABLES = """
CREATE TABLE a AS SELECT g AS id FROM generate_series(1, 10) g;
CREATE TABLE big AS SELECT g AS id, repeat(md5(g::text), 20) AS text FROM generate_series(1, 20000) g;
CREATE TABLE b AS TABLE a;
"""
LONG = """
CREATE TABLE long (id int, pad text) WITH (fillfactor = 30);
INSERT INTO long SELECT n, md5(n::text) || repeat('name ' || n || ' ', 280) FROM generate_series(1, 40000) AS n;
"""
"""Segments of 73 MB: more than all buffers hold, so that a backend waits to send the rest."""
NAME = "polyglot dumps"
CSV = parse_spec({"format": "csv"})
ENDLESS = (
    "endless=SELECT g, pg_sleep(0.001)::text AS pause, repeat('x', 2000) AS pad FROM generate_series(1, 1000000) g"
)


@pytest.fixture(autouse=True)
def tables(conn: psycopg.Connection) -> None:
    conn.execute(TABLES.encode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing(dsn: str, conn: psycopg.Connection, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out"
    process = start_cli("dump", "-o", str(out), "-f", "csv", "-t", "a", "-q", ENDLESS, dsn=dsn)
    wait_until(lambda: is_copying(conn) and "public.a/part-00000.csv" in files(out))
    process.send_signal(number)
    _, text = process.communicate(timeout=60)
    assert process.returncode == -number
    assert f"no file of this dump is left in {out}" in text.decode()
    assert files(out) == []


def test_killed_in_the_middle_and_the_same_command_again(
    cli: Cli, dsn: str, conn: psycopg.Connection, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    process = start_cli("dump", "-o", str(out), "-f", "csv", "-t", "a", "-q", ENDLESS, dsn=dsn)
    wait_until(lambda: is_copying(conn) and "public.a/part-00000.csv" in files(out))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (out / MANIFEST).exists()
    told = complaint(cli("verify", str(out)), 1)
    assert told == f"there is no {MANIFEST} in {out}; the files in it are no complete set"

    again = ("dump", "-o", str(out), "-f", "csv", "-t", "a", "-t", "b")
    told = complaint(cli(*again, dsn=dsn), 2)
    assert f"{out} holds 1 files of a dump that was never complete" in told
    assert "--overwrite" in told
    succeeded(cli(*again, "--overwrite", dsn=dsn))
    assert succeeded(cli("clean", str(out), "--older-than", "0")).count(b"\n") == 1
    assert files(out) == ["public.a/part-00000-1.csv", "public.b/part-00000-1.csv"]
    same(conn, out)


def test_a_full_disk(dsn: str, tmp_path: Path) -> None:
    with small_file_system(tmp_path / "small", 4) as folder:
        with pytest.raises(TargetFailed, match="No space left on device"):
            dump(dsn, folder / "out", format="csv")
        assert files(folder) == []


def test_the_leader_is_lost(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    def kill(_progress: object) -> None:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name LIKE 'polyglot dump%' AND query NOT LIKE 'COPY%'"
        )

    with pytest.raises(ConnectionLost, match="leader"):
        dump(dsn, tmp_path / "out", queries={"slow": ENDLESS.partition("=")[2]}, format="csv", on_progress=kill)
    assert files(tmp_path / "out") == []


def test_one_worker_is_lost(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its segment is read again; the bytes are those of a dump that was left alone."""
    conn.execute(LONG)
    killed: list[int] = []
    take = FolderFile.take

    def first(self: FolderFile, chunks: Chunks, hasher: Sha256 | None = None) -> int | None:
        written = take(self, chunks, hasher)
        if not killed:
            # Nobody takes anything meanwhile, so that both workers are stopped in the middle of their segments.
            at = both_in_the_middle(dsn, NAME)
            killed.append(at[max(at)])
            terminate(dsn, killed[0])
        return written

    monkeypatch.setattr(FolderFile, "take", first)
    run = RunSettings(workers=2, chunk_bytes=64 << 10, window_bytes=256 << 10, application_name=NAME)
    selection = Selection(tables=("long",))
    dump_set(DumpRequest(destination=str(tmp_path / "out"), selection=selection, form=CSV, run=run), dsn=dsn)
    assert killed
    same(conn, tmp_path / "out")


def test_a_connection_that_was_lost_while_it_waited(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is kept for the next table, and ended by the server meanwhile: another one is opened."""
    killed: list[int] = []
    commit = FolderFile.commit

    def and_kill(self: FolderFile) -> None:
        commit(self)
        rows = conn.execute(
            "SELECT pg_terminate_backend(pid, 60000), pid FROM pg_stat_activity WHERE application_name = %s"
            " AND state = 'idle in transaction' AND query LIKE 'COPY%%'",
            [NAME],
        ).fetchall()
        killed.extend(pid for _, pid in rows)

    monkeypatch.setattr(FolderFile, "commit", and_kill)
    run = RunSettings(workers=1, application_name=NAME)
    dump_set(DumpRequest(destination=str(tmp_path / "out"), form=CSV, run=run), dsn=dsn)
    assert len(set(killed)) >= 2
    same(conn, tmp_path / "out")


def test_few_connections_serve_many_tables(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn.execute("".join(f"CREATE TABLE t{number} AS SELECT 1 AS id;" for number in range(20)).encode())
    seen: set[int] = set()
    commit = FolderFile.commit

    def and_look(self: FolderFile) -> None:
        with psycopg.connect(dsn, autocommit=True) as other:
            rows = other.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", [NAME]).fetchall()
        seen.update(pid for (pid,) in rows)
        commit(self)

    monkeypatch.setattr(FolderFile, "commit", and_look)
    run = RunSettings(workers=2, application_name=NAME)
    dump_set(DumpRequest(destination=str(tmp_path / "out"), form=CSV, run=run), dsn=dsn)
    assert 2 <= len(seen) <= 3, "the leader's and those of the workers"
    same(conn, tmp_path / "out")


Change = Callable[[psycopg.Connection], object]


def changing(monkeypatch: pytest.MonkeyPatch, conn: psycopg.Connection, change: Change, *, times: int = 1) -> None:
    """Change something right after the relations were listed, so many times."""
    calls: list[int] = []

    def listed(leader: Leader, selection: Selection) -> Chosen:
        found = select(leader, selection)
        if len(calls) < times:
            calls.append(1)
            change(conn)
        return found

    monkeypatch.setattr(dump_moment, "select", listed)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DROP TABLE b", ["public.a", "public.big"]),
        ("TRUNCATE a", ["public.a", "public.b", "public.big"]),
        ("ALTER TABLE a ADD COLUMN more int DEFAULT 7", ["public.a", "public.b", "public.big"]),
        ("ALTER TABLE a ALTER id TYPE text", ["public.a", "public.b", "public.big"]),
        ("CREATE TABLE new AS SELECT 1 AS id", ["public.a", "public.b", "public.big", "public.new"]),
        ("ALTER TABLE b RENAME TO c", ["public.a", "public.big", "public.c"]),
        ("DROP TABLE b; CREATE TABLE b AS SELECT 'other' AS x", ["public.a", "public.b", "public.big"]),
    ],
)
def test_a_change_between_listing_and_locking(
    dsn: str,
    conn: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    expected: list[str],
) -> None:
    changing(monkeypatch, conn, lambda conn: conn.execute(statement.encode()))
    dump(dsn, tmp_path, format="csv")
    assert [relation.full_name for relation in manifest_of(tmp_path).relations] == expected
    same(conn, tmp_path)


def test_changes_without_an_end(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing(monkeypatch, conn, lambda conn: conn.execute("DROP TABLE b; CREATE TABLE b (id int)"), times=100)
    with pytest.raises(SourceChanged, match="each time its moment was being taken"):
        dump(dsn, tmp_path / "out", format="csv")
    assert not (tmp_path / "out").exists()


def test_a_lock_that_is_held(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    with conn.transaction():
        conn.execute("LOCK TABLE b IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(PolyglotError, match="one of 3 relations is locked by another session"):
            dump(dsn, tmp_path / "out", lock_timeout=0.2)
    assert not (tmp_path / "out").exists()


BROKEN = "CREATE VIEW broken AS SELECT id, 1 / (id - 5) AS x FROM a"


def test_one_that_fails_fails_all(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(BROKEN)
    with pytest.raises(PolyglotError, match=r"public.broken: .*division by zero"):
        dump(dsn, tmp_path / "out", views=True, format="csv")
    assert files(tmp_path / "out") == []


@pytest.mark.parametrize("arguments", [["-f", "csv"], ["-f", "csv", "--part-size", "8MiB"]], ids=" ".join)
def test_keep_going_says_what_is_missing(
    cli: Cli, dsn: str, conn: psycopg.Connection, tmp_path: Path, arguments: list[str]
) -> None:
    conn.execute(f"{BROKEN}; CREATE TABLE nothing ()".encode())
    done = cli("dump", "-o", str(tmp_path), "--views", "--keep-going", *arguments, dsn=dsn)
    assert done.returncode == 1
    assert b"warning: public.broken is missing: public.broken: " in done.stderr
    manifest = incomplete(tmp_path)
    assert [(each.name, each.reason) for each in manifest.missing] == [("broken", manifest.missing[0].reason)]
    assert "division by zero" in manifest.missing[0].reason
    assert not any("broken" in name for name in files(tmp_path))
    told = cli("verify", str(tmp_path))
    assert told.returncode == 1
    assert told.stdout.startswith(b"missing   public.broken: not in the set: ")


def incomplete(folder: Path) -> Manifest:
    manifest = manifest_of(folder)
    assert manifest.complete is False
    assert [relation.name for relation in manifest.relations] == ["a", "b", "big", "nothing"]
    assert [fault.subject for fault in verify(folder).faults] == ["public.broken"]
    return manifest


def test_into_a_bucket(cli: Cli, dsn: str, s3: S3Cloud) -> None:
    succeeded(cli("dump", "-o", s3.url("run/"), "-f", "csv", "--quiet", dsn=dsn, env=s3.env))
    assert s3.keys() == [
        "run/manifest.json",
        "run/public.a/part-00000.csv",
        "run/public.b/part-00000.csv",
        "run/public.big/part-00000.csv",
    ]
    assert succeeded(cli("verify", s3.url("run/"), env=s3.env)) == b""
    told = complaint(cli("dump", "-o", s3.url("run/"), dsn=dsn, env=s3.env), 2)
    assert "holds a dump already" in told
    told = complaint(cli("dump", "-o", "s3://nosuchbucket/run/", dsn=dsn, env=s3.env), 1)
    assert "there is no such bucket" in told


def is_stopped(conn: psycopg.Connection) -> bool:
    """Whether a worker waits to send what nobody takes."""
    found = conn.execute(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'ClientWrite'"
    ).fetchone()
    return found is not None


def test_a_signal_while_the_store_is_silent(dsn: str, conn: psycopg.Connection, s3: S3Cloud) -> None:
    conn.execute(LONG)
    s3.front.fail("part", fault=deaf())
    patient = s3.env | {"POLYGLOT_STORE_PATIENCE": "10min"}
    process = start_cli("dump", "-o", s3.url("run/"), "-f", "csv", "-t", "long", "--quiet", dsn=dsn, env=patient)
    # As many parts as may be are under way, and the next one waits.
    wait_until(lambda: s3.front.count("part") == UPLOAD_PARTS)
    wait_until(lambda: is_stopped(conn))
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert "no file of this dump is left" in text.decode()
    assert s3.keys() == []
    assert s3.uploads() == []


def test_an_upload_that_could_not_be_ended_is_told(cli: Cli, dsn: str, conn: psycopg.Connection, s3: S3Cloud) -> None:
    conn.execute(LONG)
    s3.front.fail("part", fault=answer(403, "AccessDenied"))
    s3.front.fail("abort", fault=answer(403, "AccessDenied"))
    done = cli("dump", "-o", s3.url("run/"), "-f", "csv", "-t", "long", "--quiet", dsn=dsn, env=s3.env)
    assert done.returncode == 1
    assert b"polyglot clean --older-than 0 s3://" in done.stderr


def test_a_store_that_is_cut_in_the_middle(cli: Cli, dsn: str, s3: S3Cloud) -> None:
    s3.front.fail("complete", fault=answer(403, "AccessDenied"))
    told = complaint(cli("dump", "-o", s3.url("run/"), "-f", "csv", "--quiet", dsn=dsn, env=s3.env), 1)
    assert "these credentials may not do it" in told
    assert s3.keys() == []
    assert s3.uploads() == []
