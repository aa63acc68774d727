"""A dump on any pool of ``concurrent.futures``: what is sent, and what a worker refuses."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import (
    ConnectionFailed,
    ConnectionLost,
    ExecutorEngine,
    SourceChanged,
    SpecError,
    TargetFailed,
    dump,
    verify,
)
from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.folder import FolderStore
from polyglot_export.dumps.cluster import task
from polyglot_export.dumps.cluster.room import Room
from polyglot_export.dumps.routed import write_ticket
from polyglot_export.dumps.tickets import PartResult
from polyglot_export.errors import Cancelled, PolyglotError
from tests.cli.helpers import wait_until
from tests.dumps.helpers import files
from tests.dumps.pools import GATED, PARTS, Begun, Inline, digests, fill, gate, nothing_is_left, waiting


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    fill(module_dsn)
    return module_dsn


@pytest.fixture(autouse=True)
def environment_of_workers(tables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", tables)


def test_a_pool_of_processes_serves(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The command line runs elsewhere than the workers.
    monkeypatch.chdir(tmp_path)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), initializer=os.chdir, initargs=("/",)) as pool:
        there = dump(tables, "there", format="csv", part_size=PARTS, engine=pool)
    here = dump(tables, "here", format="csv", part_size=PARTS)
    assert digests(there.manifest) == digests(here.manifest)
    assert verify("there").ok


def test_a_process_that_dies_fails_a_pool_that_cannot_replace_it(tables: str, tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool, gate(tables):
        begun = Begun(tables, tmp_path, queries=GATED, format="csv", engine=pool)
        wait_until(lambda: waiting(tables) == 1)
        for process in list(pool._processes):
            os.kill(process, signal.SIGKILL)
        with pytest.raises(ConnectionLost, match="the ProcessPoolExecutor ended before the dump was complete"):
            begun.result()
        nothing_is_left(tables, tmp_path)


def test_no_password_is_sent(tables: str, tmp_path: Path) -> None:
    password = psycopg.conninfo.conninfo_to_dict(tables)["password"]
    with Inline() as pool:
        dump(tables, tmp_path / "a", tables=["small"], engine=pool)
        assert len(pool.texts) == 1
        assert str(password) not in pool.texts[0]
        assert json.loads(pool.texts[0])["terms"]["dsn"] is None
        dump(tables, tmp_path / "b", tables=["small"], engine=ExecutorEngine(pool, send_dsn=True))
        assert str(password) in pool.texts[1]
        with pytest.raises(SpecError, match="send_dsn: there is no connection string to send"):
            dump(None, tmp_path / "c", tables=["small"], engine=ExecutorEngine(pool, send_dsn=True))


def test_a_worker_that_sees_another_folder_is_refused(tables: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"

    def mislead(given: dict[str, Any]) -> None:
        given["terms"]["place"] = str(elsewhere)

    with Inline(mislead) as pool, pytest.raises(TargetFailed, match=r"does not see the claim of the dump in .*elsewh"):
        dump(tables, tmp_path / "set", tables=["small"], engine=pool)
    assert files(tmp_path) == []


def late(tables: str, folder: Path, conn: psycopg.Connection, **how: Any) -> dict[str, Any]:
    """The answer of a worker that was taken for dead, and whose dump has ended meanwhile."""
    conn.execute("SET application_name = 'beacon'")
    beacon = {"beacon": conn.info.backend_pid, "beacon_name": "beacon"}
    running: list[Future[str]] = []

    class Dead(Inline):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            running.append(super().submit(fn, *args, **kwargs))
            wait_until(lambda: waiting(tables) == 1)
            lost: Future[Any] = Future()
            lost.set_exception(BrokenExecutor("taken for dead"))
            return lost

    with Dead(lambda given: given["terms"].update(beacon)) as pool, gate(tables) as open_gate:
        with pytest.raises(ConnectionLost, match="taken for dead"):
            dump(tables, folder, queries=GATED, format="csv", engine=pool, overwrite=True, **how)
        open_gate()
        answer: dict[str, Any] = json.loads(running[0].result(30))
    return answer


def test_a_part_that_comes_too_late_does_not_appear(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, tables=["small"], format="csv")
    before = files(tmp_path)
    with psycopg.connect(tables, autocommit=True) as conn:
        answer = late(tables, tmp_path, conn)
    assert "does not see the claim of the dump" in answer["error"]["reason"]
    assert files(tmp_path) == before
    assert verify(tmp_path).ok


@pytest.mark.parametrize("how", [{}, {"partition_by": {"gated": "one"}}], ids=["a file", "files of values"])
def test_a_part_that_appears_in_the_last_moment_is_taken_back(
    tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    """The dump ends between the look at its claim and the part, and does not find the temporary file."""
    monkeypatch.setattr(FolderStore, "unfinished", lambda _: iter(()))

    def unseen(*what: Any, **how: Any) -> PartResult:
        return write_ticket(*what, **{**how, "before_commit": lambda: None})

    monkeypatch.setattr(task, "write_ticket", unseen)
    with psycopg.connect(tables, autocommit=True) as conn:
        answer = late(tables, tmp_path, conn, **how)
    assert "does not see the claim of the dump" in answer["error"]["reason"]
    assert files(tmp_path) == []


def test_something_else_is_no_engine(tables: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="engine: must be a DaskEngine, an ExecutorEngine or an Executor"):
        dump(tables, tmp_path, engine="dask=tcp://x:1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({"system_identifier": "1"}, "reaches another server than the leader of the dump"),
        ({"standby": True}, "reaches its primary, and the leader of the dump a standby: they do not share a snapshot"),
        ({"user": "somebody"}, r"reaches database .+ as postgres, and the leader of the dump .+ as somebody"),
        ({"beacon": 1, "system_identifier": None}, "does not see the leader of the dump"),
    ],
    ids=["server", "standby", "user", "unknown"],
)
def test_a_worker_on_another_server_is_refused(tables: str, tmp_path: Path, terms: dict[str, Any], told: str) -> None:
    pool = Inline(lambda given: given["terms"].update(terms))
    with pool, pytest.raises(ConnectionFailed, match=rf"the worker on .+ {told}"):
        dump(tables, tmp_path, tables=["small"], engine=pool)
    nothing_is_left(tables, tmp_path)


class Failing(Inline):
    """Loses its first tasks."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        if len(self.texts) < self._times:
            self.texts.append(args[0])
            lost: Future[Any] = Future()
            lost.set_exception(KeyError("the worker is lost"))
            return lost
        return super().submit(fn, *args, **kwargs)


def test_a_task_that_was_lost_is_begun_again(tables: str, tmp_path: Path) -> None:
    with Failing(2) as pool:
        dump(tables, tmp_path, tables=["small"], engine=pool)
        assert len(pool.texts) == 3
    assert verify(tmp_path).ok


def test_a_task_that_is_always_lost_fails(tables: str, tmp_path: Path) -> None:
    with (
        Failing(9) as pool,
        pytest.raises(PolyglotError, match=r"a worker of the Failing .+ KeyError: .the worker is lost"),
    ):
        dump(tables, tmp_path, tables=["small"], engine=pool)
    assert len(pool.texts) == 3
    nothing_is_left(tables, tmp_path)


def test_a_pool_that_ends_what_it_watches_by_is_lost(tables: str, tmp_path: Path) -> None:
    """Somebody ends the session that the workers watch."""
    with Inline() as pool, gate(tables):
        begun = Begun(tables, tmp_path, queries=GATED, engine=pool)
        wait_until(lambda: waiting(tables) == 1)
        with psycopg.connect(tables, autocommit=True) as conn:
            conn.execute("SELECT pg_terminate_backend(%s)", [json.loads(pool.texts[0])["terms"]["beacon"]])
        with pytest.raises(ConnectionLost, match="the leader's connection to the database was lost: terminating"):
            begun.result()
        nothing_is_left(tables, tmp_path)


def test_a_partition_that_was_added_is_met(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole statement is planned by the worker, so the leader looks whether it met what is not locked."""
    monkeypatch.setenv("DATABASE_URL", dsn)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE p (id int) PARTITION BY RANGE (id)")
        conn.execute("CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (10)")
        conn.execute("CREATE VIEW v AS SELECT * FROM p")

        conn.execute("CREATE TABLE p_2 (id int)")
        # The leader waits for this session, so it must not wait for the leader.
        conn.execute("SET lock_timeout = '10s'")

        def add(_: dict[str, Any]) -> None:
            conn.execute("ALTER TABLE p ATTACH PARTITION p_2 FOR VALUES FROM (10) TO (20)")

        with (
            Inline(add) as pool,
            pytest.raises(SourceChanged, match=r"was added to public\.v while its moment"),
        ):
            dump(dsn, tmp_path, tables=["v"], engine=pool)
    assert files(tmp_path) == []


def test_room_is_given_to_one_after_the_other() -> None:
    room, token, order = Room(10), CancelToken(), list[str]()
    with room.taken(30, token):
        waits = threading.Thread(target=lambda: _take(room, token, order))
        waits.start()
        order.append("first")
    waits.join()
    assert order == ["first", "second"]
    with room.taken(10, CancelToken()):
        token.cancel()
        with pytest.raises(Cancelled), room.taken(1, token):
            pass


def _take(room: Room, token: CancelToken, order: list[str]) -> None:
    with room.taken(1, token):
        order.append("second")


def test_a_pool_tells_how_many_tasks_it_runs() -> None:
    with ProcessPoolExecutor(3) as pool:
        assert ExecutorEngine(pool).slots() == 3
        assert ExecutorEngine(pool, slots=7).slots() == 7
        with pytest.raises(SpecError, match="slots must be at least 1"):
            ExecutorEngine(pool, slots=0)


def test_the_manifest_and_the_folders_are_those_of_one_machine(tables: str, tmp_path: Path) -> None:
    with psycopg.connect(tables, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS split (id int) PARTITION BY HASH (id);"
            "CREATE TABLE IF NOT EXISTS split_0 PARTITION OF split FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
            "CREATE TABLE IF NOT EXISTS split_1 PARTITION OF split FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
            "INSERT INTO split SELECT generate_series(1, 100)"
        )
    found = []
    with Inline() as pool:
        for engine in (pool, None):
            folder = tmp_path / ("there" if engine else "here")
            dumped = dump(
                tables,
                f"{folder}/{{table}}/day=1",
                manifest=folder / "day=1.json",
                tables="split",
                partition_folders=True,
                format="csv",
                engine=engine,
            )
            assert verify(dumped.destination).ok
            found.append((files(folder), digests(dumped.manifest)))
    assert found[0] == found[1]
    assert found[0][0] == ["day=1.json", *(f"split/day=1/public.split_{n}/part-0000{n}.csv" for n in (0, 1))]


def test_one_rate_for_several_machines_is_refused(tables: str, tmp_path: Path) -> None:
    with Inline() as pool, pytest.raises(SpecError, match="cannot be kept by several machines together"):
        dump(tables, tmp_path, engine=pool, rate_limit=1_000_000)
    assert files(tmp_path) == []
