"""Deliveries of replicas that share a Redis: what a lost one has begun another one begins anew."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from polyglot_export import verify
from tests.fixtures.object_stores import S3Cloud
from tests.fixtures.process import Service
from tests.fixtures.redis import RedisServer
from tests.service.client import PATIENCE, backends, call, create, job, wait_for, wait_for_status
from tests.service.delivered import deliver, delivering, in_lake, listed
from tests.service.spooled import closed_gate
from tests.service.test_prepared_replicas import TAKEN_UP_SECONDS, has_two_runs


@contextmanager
def replica(dsn: str, server: RedisServer, folder: Path, cloud: S3Cloud | None = None) -> Iterator[Service]:
    """One of several replicas of one service, with a folder or a bucket for its destination."""
    place, env = (cloud.url("lake"), cloud.env) if cloud is not None else (None, None)
    # Room for three uploads at a time.
    more: dict[str, Any] = {"redis_url": server.url, "shutdown_grace": 0.3, "memory_limit": "512MB"}
    with delivering(dsn, folder, place, env=env, **more) as running:
        yield running


def begun(service: Service, dsn: str) -> str:
    """An export whose first dataset is delivered, and whose second one waits at the gate; gives its id."""
    export_id = create(service, delivery="store", destination="lake", datasets=["small", "gated"])
    wait_for(lambda: len(backends(dsn, export_id)) >= 2 and job(service, export_id)["rows"])
    return export_id


def test_any_replica_gives_the_files_and_cancels(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    with replica(records, redis_server, tmp_path) as first, replica(records, redis_server, tmp_path) as second:
        export_id = deliver(first, datasets=["small", "records"])
        assert listed(second, export_id) == listed(first, export_id)
        assert call(second, f"/exports/{export_id}/files/0").status == 200
        with closed_gate(records):
            waiting = begun(first, records)
            assert call(second, f"/exports/{waiting}", method="DELETE").status == 204
            wait_for(lambda: job(first, waiting)["runs"][0]["status"] == "cancelled")
        wait_for(lambda: not [name for name in in_lake(tmp_path) if waiting in name])


def test_another_replica_goes_on(records: str, redis_server: RedisServer, s3: S3Cloud, tmp_path: Path) -> None:
    """One was killed, one ended in an orderly way, and one stood still until it was too late, and then went on."""
    with (
        replica(records, redis_server, tmp_path, s3) as killed,
        replica(records, redis_server, tmp_path, s3) as ended,
        replica(records, redis_server, tmp_path, s3) as paused,
        replica(records, redis_server, tmp_path, s3) as survivor,
    ):
        with closed_gate(records):
            lost = [begun(each, records) for each in (killed, ended, paused)]
            # Rows are counted as they are read, which is before the file of the first dataset is complete.
            wait_for(lambda: len(s3.keys()) == 3)
            s3.begin(f"lake/{lost[0]}/gated/part-00000.csv")
            killed.process.kill()
            paused.process.send_signal(signal.SIGSTOP)
            ended.process.send_signal(signal.SIGTERM)
            for process in (killed.process, ended.process):
                process.wait(timeout=PATIENCE)
            for export_id in lost:
                wait_for(partial(has_two_runs, survivor, export_id), seconds=TAKEN_UP_SECONDS)
        for export_id in lost:
            shown = wait_for_status(survivor, export_id, "completed")
            assert (shown["delivered"]["run"], shown["delivered"]["files"]) == (2, 2)
        paused.process.send_signal(signal.SIGCONT)
        wait_for(lambda: "another one has declared the export failed" in paused.log())
        for export_id in lost:
            paths = [file["path"] for file in listed(survivor, export_id)]
            assert paths == ["small/part-00000-1.csv", "gated/part-00000-1.csv"]
            mine = partial(_of, s3, export_id)
            wait_for(lambda mine=mine, paths=paths: mine() == sorted(["manifest.json", *paths]))  # type: ignore[misc]  # bound now
            assert call(paused, f"/exports/{export_id}/files/1", method="HEAD").status == 200
        assert s3.uploads() == []


def _of(cloud: S3Cloud, export_id: str) -> list[str]:
    return sorted(key.removeprefix(f"lake/{export_id}/") for key in cloud.keys() if export_id in key)  # noqa: SIM118 - no dictionary


def test_what_was_delivered_outlives_the_replica(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    with replica(records, redis_server, tmp_path) as first:
        export_id = deliver(first, dataset="small")
        first.process.kill()
        first.process.wait(timeout=PATIENCE)
    with replica(records, redis_server, tmp_path) as second:
        assert len(listed(second, export_id)) == 1
        assert verify(str(tmp_path / "lake" / export_id)).ok
