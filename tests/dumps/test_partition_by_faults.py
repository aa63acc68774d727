"""Folders for values where something goes wrong: nothing is left, or all of it is there."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import (
    Cancelled,
    CancelToken,
    ConnectionLost,
    DumpProgress,
    TargetFailed,
    UnsupportedValue,
    dump,
    verify,
)
from polyglot_export.destinations.folder import FolderFile
from polyglot_export.dumps.cluster import task
from polyglot_export.dumps.routed import ATTEMPTS, write_ticket
from polyglot_export.dumps.tickets import PartResult
from tests.cli.helpers import succeeded, wait_until
from tests.dumps.helpers import files
from tests.dumps.pools import WAITS, Begun, Inline, digests, gate, nothing_is_left, waiting
from tests.fixtures.object_stores import S3Cloud
from tests.fixtures.process import Cli

GATED = {"gated": "SELECT g AS id, g % 20 AS kind, g <> 40000 OR gate() AS open FROM generate_series(1, 40000) g"}
"""A query that waits before its last row."""
BY_KIND = {"gated": "kind"}


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(WAITS.encode())
        conn.execute(
            "CREATE TABLE events AS SELECT g AS id, g % 9 AS kind,"
            " CASE g WHEN 60000 THEN chr(1) ELSE repeat('x', 600) END AS pad FROM generate_series(1, 60000) g"
        )
        conn.execute("CREATE TABLE other AS SELECT g AS id FROM generate_series(1, 10) g")
    return module_dsn


def end_next(dsn: str, ended: set[int]) -> None:
    """End the next session that waits before the gate. One that was ended goes on for a moment, and is none."""

    def end() -> bool:
        query = (
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event = 'PgSleep' AND pid <> ALL (%s)"
        )
        with psycopg.connect(dsn, autocommit=True) as conn:
            found = {pid for pid, _ in conn.execute(query, [list(ended)])}
        ended.update(found)
        return bool(found)

    wait_until(end)


def test_a_value_that_the_format_cannot_hold(tables: str, tmp_path: Path) -> None:
    """It comes late, when other files are complete."""
    how: dict[str, Any] = {"format": "xml", "partition_by": {"events": "kind"}}
    with pytest.raises(UnsupportedValue) as told:
        dump(tables, tmp_path, part_size=1 << 20, **how)
    assert told.value.column == "pad"
    assert told.value.row is None, "rows are not written in the order in which they are read"
    nothing_is_left(tables, tmp_path)
    assert list(tmp_path.iterdir()) == []
    result = dump(tables, tmp_path, keep_going=True, **how)
    assert [each.name for each in result.missing] == ["events"]
    assert files(tmp_path) == ["public.other/part-00000.xml"]
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", "public.other"}, "no empty folders are left"


def test_a_file_that_cannot_be_written(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = FolderFile.commit
    done = []

    def failing(self: FolderFile) -> None:
        done.append(self)
        if len(done) > 5:
            raise TargetFailed("no space left")
        commit(self)

    monkeypatch.setattr(FolderFile, "commit", failing)
    with pytest.raises(TargetFailed, match="no space left"):
        dump(tables, tmp_path, tables="events", format="csv", part_size=1 << 20, partition_by={"events": "kind"})
    nothing_is_left(tables, tmp_path)


def test_a_dump_that_is_cancelled(tables: str, tmp_path: Path) -> None:
    token = CancelToken()

    def cancel(told: DumpProgress) -> None:
        if told.bytes > 2 << 20:
            token.cancel()

    with pytest.raises(Cancelled), gate(tables):
        dump(
            tables,
            tmp_path,
            tables="events",
            queries=GATED,
            format="csv",
            part_size=1 << 20,
            partition_by={**BY_KIND, "events": "kind"},
            on_progress=cancel,
            token=token,
        )
    nothing_is_left(tables, tmp_path)


def test_a_part_whose_connection_is_lost_is_read_again(tables: str, tmp_path: Path) -> None:
    how: dict[str, Any] = {"queries": GATED, "format": "csv", "part_size": 1 << 20, "partition_by": BY_KIND}
    expected = digests(dump(tables, tmp_path / "a", **how).manifest)
    with gate(tables) as open_gate:
        begun = Begun(tables, tmp_path / "b", **how)
        wait_until(lambda: waiting(tables) == 1)
        end_next(tables, set())
        open_gate()
        assert digests(begun.result().manifest) == expected
    assert verify(tmp_path / "b").ok


def test_a_connection_that_is_lost_between_segments(tables: str, tmp_path: Path) -> None:
    """Rows of segments that were read before wait in the worker, and files of others are complete."""
    how: dict[str, Any] = {
        "tables": "events",
        "format": "csv",
        "part_size": 2 << 20,
        "partition_by": {"events": "kind"},
    }
    expected = digests(dump(tables, tmp_path / "a", **how).manifest)
    lost: list[int] = []

    def lose(told: DumpProgress) -> None:
        if told.bytes and not lost:
            with psycopg.connect(tables, autocommit=True) as conn:
                query = (
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE 'COPY %'"
                )
                lost.extend(conn.execute(query).fetchone() or ())

    result = dump(tables, tmp_path / "b", workers=1, rate_limit=10_000_000, on_progress=lose, **how)
    assert lost == [1]
    assert digests(result.manifest) == expected
    assert verify(tmp_path / "b", tables).ok


def test_one_whose_connections_are_all_lost_fails(tables: str, tmp_path: Path) -> None:
    with gate(tables):
        begun = Begun(tables, tmp_path, queries=GATED, format="csv", partition_by=BY_KIND)
        ended: set[int] = set()
        for _ in range(ATTEMPTS):
            end_next(tables, ended)
        with pytest.raises(ConnectionLost):
            begun.result()
    nothing_is_left(tables, tmp_path)


def test_what_a_worker_left_that_died_is_removed(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It wrote files, and told of none of them."""
    monkeypatch.setenv("DATABASE_URL", tables)
    seen = []

    def dying(*what: Any, **how: Any) -> PartResult:
        write_ticket(*what, **how)
        seen.extend(files(tmp_path))
        raise TargetFailed("the worker died")

    monkeypatch.setattr(task, "write_ticket", dying)
    with Inline() as pool:
        with pytest.raises(TargetFailed, match="the worker died"):
            dump(tables, tmp_path, tables="events", format="csv", partition_by={"events": "kind"}, engine=pool)
        assert any("/kind=3/part-0000" in name for name in seen), "of the part that was first"
        nothing_is_left(tables, tmp_path)


def test_a_part_that_is_too_late_is_taken_back(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dump has ended when the worker looks the last time."""
    monkeypatch.setenv("DATABASE_URL", tables)
    written = threading.Event()

    def claim_gone(*what: Any, **how: Any) -> PartResult:
        result = write_ticket(*what, **how)
        for claim in tmp_path.glob(".*claim"):
            claim.unlink()
        written.set()
        return result

    monkeypatch.setattr(task, "write_ticket", claim_gone)
    with Inline() as pool, pytest.raises(TargetFailed):
        dump(tables, tmp_path, queries=GATED, format="csv", partition_by=BY_KIND, engine=pool)
    assert written.is_set()
    assert files(tmp_path) == []


def test_into_a_bucket(cli: Cli, tables: str, s3: S3Cloud) -> None:
    """Two uploads at a time, so that 9 values in turn have more files than on a disk, one for each of two parts."""
    by = ("-t", "events", "-f", "csv", "--partition-by", "events:kind")
    succeeded(cli("dump", "-o", s3.url("run/"), *by, "-w", "2", dsn=tables, env=s3.env))
    succeeded(cli("dump", "-o", s3.url("again/"), *by, "-w", "1", dsn=tables, env=s3.env))
    keys = [key.removeprefix("run/") for key in sorted(s3.keys()) if key.startswith("run/")]
    assert len(keys) > 2 * 9 + 1
    for key in keys:
        if key != "manifest.json":
            assert s3.get(f"run/{key}") == s3.get(f"again/{key}"), key
    assert s3.uploads() == []
    succeeded(cli("verify", s3.url("run/"), "--against", tables, env=s3.env))
    failed = cli("dump", "-o", s3.url("bad/"), *by[:2], "-f", "xml", *by[4:], dsn=tables, env=s3.env)
    assert failed.returncode == 1
    assert [key for key in sorted(s3.keys()) if key.startswith("bad/")] == []
    assert s3.uploads() == []
