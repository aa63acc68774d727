"""Prepared files of two replicas that share a Redis and a spool."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from polyglot_export import parse_spec
from polyglot_export.jobs.job import Job
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import load_configuration
from polyglot_export.service.container import build
from tests.fixtures.process import Service as Running
from tests.fixtures.redis import RedisServer
from tests.service.client import (
    GONE_SECONDS,
    PATIENCE,
    assert_problem,
    backends,
    call,
    create,
    job,
    wait_for,
    wait_for_status,
)
from tests.service.spooled import begun, closed_gate, serving, spooled

TAKEN_UP_SECONDS = 90.0
"""A lease, and the time in touch after which a replica judges others; generous."""


def has_two_runs(service: Running, export_id: str) -> bool:
    return len(job(service, export_id)["runs"]) == 2


@contextmanager
def replica(dsn: str, server: RedisServer, folder: Path, **settings: object) -> Iterator[Running]:
    """One of several replicas of one service."""
    with serving(dsn, folder, redis_url=server.url, shutdown_grace=0.3, **settings) as running:
        yield running


def assert_whole(service: Running, export_id: str, run: int) -> None:
    """The file is there, made by that run, and is what its job says."""
    shown = job(service, export_id)
    answer = call(service, f"/exports/{export_id}/download")
    assert answer.status == 200, service.log()
    assert answer.body.count(b"\n") == 4
    assert (shown["file"]["run"], shown["file"]["rows"], shown["status"]) == (run, 3, "completed")
    assert shown["file"]["sha256"] == hashlib.sha256(answer.body).hexdigest()


def test_any_replica_serves_cancels_and_deletes(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    with replica(records, redis_server, tmp_path) as first, replica(records, redis_server, tmp_path) as second:
        done, deleted = (create(first, dataset="small", delivery="file") for _ in range(2))
        for export_id in (done, deleted):
            wait_for_status(second, export_id, "completed")
            assert_whole(second, export_id, 1)
        with closed_gate(records):
            waiting = begun(first, records)
            assert_problem(call(second, f"/exports/{waiting}/download"), 409, "not-ready")
            assert call(second, f"/exports/{waiting}", method="DELETE").status == 204
            assert wait_for(lambda: not backends(records, waiting)) < GONE_SECONDS
            wait_for(lambda: job(first, waiting)["runs"][0]["status"] == "cancelled")
        assert call(second, f"/exports/{deleted}", method="DELETE").status == 204
        assert call(first, f"/exports/{deleted}/download").status == 404
        assert spooled(tmp_path) == [f"{done}.1"]
    # What is finished outlives all replicas. What no job knows does not, but its job may be told of it late.
    dead = tmp_path / "spool" / "polyglot-spool-dead"
    dead.mkdir()
    for name in ("lock", "young.1", "old.1"):
        (dead / name).write_text("")
    os.utime(dead / "old.1", (time.time() - 120,) * 2)
    with replica(records, redis_server, tmp_path) as third:
        wait_for(lambda: "old.1" not in spooled(tmp_path))
        assert spooled(tmp_path) == sorted([f"{done}.1", "young.1"])
        assert_whole(third, done, 1)
        assert call(third, f"/exports/{done}", method="DELETE").status == 204
    assert spooled(tmp_path) == ["young.1"]


def test_a_store_that_is_away_hears_of_it_later(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    with replica(records, redis_server, tmp_path, job_retention=60) as service:
        with closed_gate(records):
            export_id = begun(service, records)
            redis_server.stop()
        wait_for(lambda: "end of a run waits for the store" in service.log())
        redis_server.start()
        wait_for(lambda: "end of a run stored late" in service.log())
        assert_whole(service, export_id, 1)


def test_another_replica_goes_on(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    """With what one that was killed had begun, and one that was ended before its file was ready; what was finished
    stays.
    """
    with (
        replica(records, redis_server, tmp_path) as killed,
        replica(records, redis_server, tmp_path) as ended,
        replica(records, redis_server, tmp_path) as survivor,
    ):
        done = create(killed, dataset="small", delivery="file")
        wait_for_status(survivor, done, "completed")
        with closed_gate(records):
            lost = [begun(killed, records), begun(ended, records)]
            wait_for(lambda: len(spooled(tmp_path)) == 3)
            killed.process.kill()
            ended.process.send_signal(signal.SIGTERM)
            for process in (killed.process, ended.process):
                process.wait(timeout=PATIENCE)
            for export_id in lost:
                wait_for(partial(has_two_runs, survivor, export_id), seconds=TAKEN_UP_SECONDS)
                assert job(survivor, export_id)["runs"][0]["error"]["code"] == "replica-lost"
        for export_id in lost:
            wait_for_status(survivor, export_id, "completed")
            assert_whole(survivor, export_id, 2)
        assert_whole(survivor, done, 1)


def test_not_for_ever() -> None:
    service = build(ServiceSettings.load(file_attempts=2), load_configuration(None), "1")
    at = datetime.now(UTC)
    job = Job("the-job", None, parse_spec({"format": "csv", "delivery": "file"}), "export", at, at, timedelta(hours=1))
    for attempts in range(3):
        assert service.preparations.may_begin(job) == (attempts < 2)
        job = job.with_new_run(at).with_lost_run(attempts + 1, at)
