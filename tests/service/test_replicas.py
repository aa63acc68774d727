"""Several replicas on one Redis: any of them serves any call, and neither a lost replica nor a lost Redis leaves a
false word.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.fixtures.process import Service, serve
from tests.fixtures.redis import RedisServer
from tests.service.client import (
    PATIENCE,
    RawDownload,
    assert_problem,
    backends,
    call,
    create,
    job,
    post,
    wait_for,
    wait_for_status,
)
from tests.service.spooled import CONFIG, begun, closed_gate
from tests.service.sse import EventStream


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "polyglot.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def pair(records: str, config: Path, shared_redis: RedisServer) -> Iterator[tuple[Service, Service]]:
    """Two replicas that no test stops."""
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(
                serve(records, config=config, workers=2, redis_url=shared_redis.url, redis_prefix="pair:")
            )
            for _ in "ab"
        )
        yield one, other


def rows_of(dsn: str) -> bytes:
    """What the table holds, by the server itself."""
    with (
        psycopg.connect(dsn) as connection,
        connection.cursor().copy("COPY records TO STDOUT (FORMAT csv, HEADER)") as copy,
    ):
        return b"".join(bytes(block) for block in copy)


def test_any_replica_serves_any_call(pair: tuple[Service, Service]) -> None:
    one, other = pair
    made = [create(service, dataset="small", limit=limit) for service, limit in ((one, 1), (other, 2), (one, 3))]
    for service in pair:
        first = call(service, "/exports?limit=2").json()
        rest = call(service, f"/exports?limit=1&after={first['next']}").json()
        assert [export["exportId"] for export in [*first["exports"], *rest["exports"]]] == made[::-1]
    assert job(one, made[0]) == job(other, made[0])
    assert call(other, f"/exports/{made[0]}/download").body == b"id,name,amount\n1,one,1.50\n"
    for service in pair:
        shown = job(service, made[0])
        assert (shown["status"], shown["rows"]) == ("completed", 1)
    assert call(one, f"/exports/{made[1]}", method="DELETE").status == 204
    assert job(other, made[1])["status"] == "cancelled"
    assert_problem(call(other, f"/exports/{made[1]}/download"), 409, "wrong-state")
    for export_id in made:
        call(other, f"/exports/{export_id}", method="DELETE")
        assert call(one, f"/exports/{export_id}").status in (200, 404)


def test_progress_and_cancel_reach_other_replicas(pair: tuple[Service, Service], records: str) -> None:
    one, other = pair
    export_id = create(one, dataset="records")
    with EventStream(other, export_id) as stream, RawDownload(one, export_id) as download:
        names: list[str] = []
        while names.count("progress") < 2:
            download.read_some(4_000_000)
            event = stream.next()
            assert event is not None
            names.append(event.name)
        assert job(other, export_id)["rows"] > 0
        assert call(other, "/exports?limit=1").json()["exports"][0]["rows"] > 0
        assert call(other, f"/exports/{export_id}", method="DELETE").status == 204
        wait_for(lambda: not backends(records, export_id))
        with pytest.raises(ConnectionResetError):
            download.read_to_end()
        end = stream.rest()[-1]
        assert (end.name, end.data["status"]) == ("end", "cancelled")
    wait_for(lambda: job(other, export_id)["runs"][0]["status"] == "cancelled")
    assert job(one, export_id)["error"]["code"] == "cancelled"


def test_a_key_is_known_to_all_replicas(pair: tuple[Service, Service]) -> None:
    key = {"Idempotency-Key": "one-for-both"}
    answers = [post(service, {"format": "csv", "dataset": "small"}, headers=key) for service in pair]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].headers["location"] == answers[1].headers["location"]


def test_a_lost_replica_is_noticed_and_a_paused_one_does_not_disagree(
    records: str, config: Path, shared_redis: RedisServer, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "config": config,
        "workers": 2,
        "redis_url": shared_redis.url,
        "redis_prefix": "lost:",
        "spool_dir": tmp_path / "spool",
        # Clients that wait for the others here are not slow.
        "slow_client_timeout": 600,
    }
    with ExitStack() as stack:
        killed, paused, left = (stack.enter_context(serve(records, **settings)) for _ in range(3))
        lost, stalled, fine = (create(service, dataset="records") for service in (killed, paused, left))
        cut, woken, whole = (
            stack.enter_context(RawDownload(service, export_id))
            for service, export_id in ((killed, lost), (paused, stalled), (left, fine))
        )
        for download in (cut, woken, whole):
            download.read_some(100_000)
        for export_id in (lost, stalled):
            wait_for(lambda export_id=export_id: job(left, export_id)["rows"] > 0)  # type: ignore[misc]
        with ExitStack() as streams:
            with closed_gate(records):
                file = begun(killed, records)
                wait_for_status(left, file, "running")
                stream, of_file = (streams.enter_context(EventStream(left, export_id)) for export_id in (lost, file))
                paused.process.send_signal(signal.SIGSTOP)
                killed.process.kill()
                started = time.monotonic()
                killed.process.wait()
            # The kernel closes the connection; it is broken for its client, however much had been sent before.
            with suppress(ConnectionResetError):
                assert not cut.read_to_end().endswith(b"0\r\n\r\n")
            end = stream.rest()[-1]
            assert time.monotonic() - started < 2 * PATIENCE
            # Who follows the file sees it begun again, and one end.
            assert [event.data["status"] for event in of_file.rest() if event.name == "end"] == ["completed"]
        assert (end.name, end.data["status"], end.data["error"]["code"]) == ("end", "failed", "replica-lost")
        assert end.data["rows"] > 0
        wait_for(lambda: job(left, stalled)["status"] == "failed")
        paused.process.send_signal(signal.SIGCONT)
        with pytest.raises(ConnectionResetError):
            woken.read_to_end()
        wait_for(lambda: not backends(records, stalled))
        for service in (paused, left):
            assert job(service, stalled)["error"]["code"] == "replica-lost"
        assert job(left, fine)["status"] == "running"
        assert whole.read_to_end().endswith(b"0\r\n\r\n")
        assert job(paused, fine)["status"] == "completed"
        wait_for(lambda: job(left, file)["status"] == "completed")
        assert [run["status"] for run in job(left, file)["runs"]] == ["failed", "completed"]
        assert job(left, file)["runs"][0]["error"]["code"] == "replica-lost"
        assert call(left, f"/exports/{file}/download").body.count(b"\n") == 4


def test_redis_goes_away_and_comes_back(records: str, config: Path, redis_server: RedisServer) -> None:
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(serve(records, config=config, workers=2, redis_url=redis_server.url)) for _ in "ab"
        )
        before, over = create(one, dataset="records"), create(one, dataset="records")
        ended, goes_on = (stack.enter_context(RawDownload(one, export_id)) for export_id in (before, over))
        for download in (ended, goes_on):
            download.read_some(1_000_000)
        with EventStream(other, before) as stream:
            assert stream.next() is not None
            redis_server.stop()
            refused = post(one, {"format": "csv", "dataset": "small"})
            assert_problem(refused, 503, "store-away", "try again later")
            assert refused.headers["retry-after"]
            for path in (f"/exports/{before}", "/exports", f"/exports/{before}/download", f"/exports/{before}/events"):
                assert_problem(call(other, path), 503, "store-away")
            assert call(one, "/health/live").status == 200
            assert ended.read_to_end().endswith(b"0\r\n\r\n")
            goes_on.read_some(1_000_000)
            redis_server.start()
            end = stream.rest()[-1]
            assert (end.name, end.data["status"], end.data["rows"]) == ("end", "completed", 600_000)
        goes_on.read_some(1_000_000)
        wait_for(lambda: job(other, over)["status"] == "running")
        assert goes_on.read_to_end().endswith(b"0\r\n\r\n")
        wait_for_status(other, over, "completed")
        assert post(other, {"format": "csv", "dataset": "small"}).status == 201
        assert "stored late" in one.log()
        assert "replica lost" not in one.log() + other.log()


def test_a_wrong_redis_url_ends_the_start(records: str) -> None:
    with (
        pytest.raises(AssertionError, match=r"POLYGLOT_REDIS_URL: .*scheme"),
        serve(records, redis_url="http://localhost"),
    ):
        pass


def test_what_a_download_gives_does_not_depend_on_the_store(pair: tuple[Service, Service], records: str) -> None:
    assert call(pair[1], f"/exports/{create(pair[0], dataset='records')}/download").body == rows_of(records)
