"""``GET /exports/{id}/events``: the present state at once, progress, the end; whoever leaves, and whenever the service
ends.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from polyglot_export.jobs.job import Job, now
from polyglot_export.jobs.stores.memory import MemoryJobStore
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.streams import events
from polyglot_export.service.streams.events import JobEvents
from tests.fixtures.process import Service, serve
from tests.formats import browser
from tests.service.client import PATIENCE, RawDownload, assert_problem, call, create, job, wait_for
from tests.service.conftest import SLOW_CONFIG
from tests.service.sample_jobs import make_job
from tests.service.sse import Event, EventStream
from tests.service.test_cut import nginx


def test_a_job_that_waits_runs_and_ends(service: Service) -> None:
    export_id = create(service)
    with EventStream(service, export_id) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        first = stream.next()
        assert first is not None
        assert (first.name, first.data["status"], first.data["exportId"]) == ("state", "pending", export_id)
        assert "spec" not in first.data
        assert stream.retry == 2000
        with RawDownload(service, export_id, headers="Connection: close\r\n") as download:
            download.read_some(10_000)
            second = stream.next()
            assert second is not None
            assert (second.name, second.data["status"]) == ("state", "running")
            moments: list[Event] = []
            # Two segments, and far from the end. Who reads slowly hears of it several times before the first segment is
            # done.
            download.read_some(20_000_000)
            while not moments or not moments[-1].data["segmentsDone"]:
                event = stream.next()
                assert event is not None
                moments.append(event)
            download.read_to_end()
        rest = stream.rest()
    assert all(event.name == "progress" for event in [*moments, *rest[:-1]])
    assert rest[-1].name == "end"
    ids = [event.id for event in [first, second, *moments, *rest]]
    assert len(set(ids)) == len(ids)
    rows = [event.data["rows"] for event in [second, *moments, *rest]]
    assert rows == sorted(rows)
    running = moments[-1].data
    assert 0 < running["progress"] < 1
    assert 0 < running["segmentsDone"] < running["segmentsTotal"]
    assert running["rowsPerSecond"] > 0
    assert running["bytesPerSecond"] > running["rowsPerSecond"]
    assert running["etaSeconds"] > 0
    end = rest[-1].data
    shown = job(service, export_id)
    assert {name: value for name, value in shown.items() if name not in {"runs", "spec", "webhook"}} == end
    assert (end["status"], end["progress"], end["etaSeconds"]) == ("completed", 1.0, None)


def test_who_comes_after_the_end_gets_it_and_who_has_it_is_told_to_stay_away(service: Service) -> None:
    export_id = create(service, dataset="small")
    call(service, f"/exports/{export_id}/download")
    with EventStream(service, export_id) as stream:
        (end,) = stream.rest()
    assert (end.name, end.data["status"]) == ("end", "completed")
    answer = call(service, f"/exports/{export_id}/events", headers={"Last-Event-ID": end.id})
    assert (answer.status, answer.body) == (204, b"")
    call(service, f"/exports/{export_id}/download")
    with EventStream(service, export_id, headers=f"Last-Event-ID: {end.id}\r\n") as stream:
        assert [event.data["rows"] for event in stream.rest()] == [3]


def test_who_comes_back_gets_the_present_state(service: Service) -> None:
    export_id = create(service)
    with EventStream(service, export_id, headers="Last-Event-ID: completed.1.2.3\r\n") as stream:
        event = stream.next()
        assert event is not None
        assert event.data["status"] == "pending"


def test_http_1_0_has_no_chunks(service: Service) -> None:
    export_id = create(service)
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as client:
        client.sendall(f"GET /exports/{export_id}/events HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        assert client.makefile("rb").readline().split()[1] == b"426"


def test_nginx_passes_every_event_on_at_once(service: Service, tmp_path: Path) -> None:
    export_id = create(service, dataset="small")
    with nginx(service, tmp_path, "proxy_http_version 1.1; proxy_buffering on;") as url:
        proxied = replace(service, port=int(url.rpartition(":")[2]))
        with EventStream(proxied, export_id) as stream:
            first = stream.next()
            assert first is not None
            assert first.data["status"] == "pending"
            call(service, f"/exports/{export_id}/download")
            assert stream.rest()[-1].data["status"] == "completed"


def test_a_failure_and_a_cancel_end_the_stream(service: Service) -> None:
    failing = create(service, dataset="small", filter=[{"column": "id", "op": "=", "value": "no number"}])
    cancelled = create(service)
    with EventStream(service, failing) as one, EventStream(service, cancelled) as other:
        assert call(service, f"/exports/{failing}/download").status == 400
        assert call(service, f"/exports/{cancelled}", method="DELETE").status == 204
        end = one.rest()[-1]
        assert (end.name, end.data["status"], end.data["error"]["code"]) == ("end", "failed", "bad-request")
        end = other.rest()[-1]
        assert (end.name, end.data["status"]) == ("end", "cancelled")


def test_a_job_that_is_forgotten_ends_the_stream(service: Service) -> None:
    export_id = create(service, dataset="slow")
    with EventStream(service, export_id) as stream:
        assert stream.next() is not None
        call(service, f"/exports/{export_id}", method="DELETE")
        call(service, f"/exports/{export_id}", method="DELETE")
        assert [event.name for event in stream.rest()] in ([], ["end"])
    assert_problem(call(service, f"/exports/{export_id}/events"), 404, "not-found")


def test_others_and_the_expired_are_refused(records: str) -> None:
    with serve(records, job_retention=3) as short:
        assert_problem(call(short, "/exports/nothing/events"), 404, "not-found")
        export_id = create(short)
        with EventStream(short, export_id) as stream:
            assert [event.data["status"] for event in stream.rest()] == ["pending", "expired"]
        assert_problem(call(short, f"/exports/{export_id}/events"), 410, "expired", "POST /exports")


@pytest.fixture
def own_service(records: str, tmp_path: Path) -> Iterator[Service]:
    """A service whose streams are counted or that is stopped."""
    config = tmp_path / "polyglot.toml"
    config.write_text(SLOW_CONFIG)
    with serve(records, config=config, default_dataset="records", workers=2, shutdown_grace=60) as running:
        yield running


def test_streams_are_bounded_and_those_that_are_left_make_room(own_service: Service) -> None:
    export_id = create(own_service)
    with ThreadPoolExecutor(20) as pool:
        streams = list(pool.map(lambda _: EventStream(own_service, export_id), range(events.MAX_STREAMS)))
    assert {stream.status for stream in streams} == {200}
    refused = call(own_service, f"/exports/{export_id}/events")
    assert_problem(refused, 503, "busy", str(events.MAX_STREAMS))
    assert refused.headers["retry-after"]
    for stream in streams:
        stream.socket.close()
    streams = []

    def room_for_all() -> bool:
        while len(streams) < events.MAX_STREAMS:
            stream = EventStream(own_service, export_id)
            if stream.status != 200:
                stream.socket.close()
                return False
            streams.append(stream)
        return True

    wait_for(room_for_all)
    for stream in streams:
        stream.socket.close()
    assert "Task exception" not in own_service.log()


def test_an_orderly_end_does_not_wait_for_who_only_looks(own_service: Service) -> None:
    export_id = create(own_service)
    with EventStream(own_service, export_id) as stream:
        assert stream.next() is not None
        started = time.monotonic()
        own_service.process.send_signal(signal.SIGTERM)
        assert stream.rest() == []
        assert own_service.process.wait(timeout=PATIENCE) == 0
        # The grace is a minute.
        assert time.monotonic() - started < 30


def test_an_orderly_end_tells_what_became_of_a_run(own_service: Service) -> None:
    export_id = create(own_service)
    with EventStream(own_service, export_id) as stream, RawDownload(own_service, export_id) as download:
        download.read_some(100_000)
        own_service.process.send_signal(signal.SIGTERM)
        time.sleep(3 * events.LOOK_SECONDS)
        download.read_to_end()
        end = stream.rest()[-1]
        assert (end.name, end.data["status"]) == ("end", "completed")
        assert own_service.process.wait(timeout=PATIENCE) == 0


@pytest.mark.anyio
async def test_a_silent_stream_says_something_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.01)
    store = MemoryJobStore(10)
    job_events = JobEvents(Runs(store), store, lambda _: False)
    waiting: Job = await store.add(make_job(at=now()))
    spoken = []
    async with asyncio.timeout(PATIENCE):
        async for event in job_events.of(waiting):
            spoken.append(event)
            if len(spoken) == 3:
                await store.remove(waiting.id)
    assert spoken[0].startswith(b"event: state\n")
    assert spoken[1:] == [b":\n\n"] * 2


BROWSER_PAGE = """<!DOCTYPE html><script type="module">
const [[name, address]] = Object.entries(ADDRESSES);
const log = [];
const source = new EventSource(address);
const over = new Promise((resolve) => {
    for (const kind of ["state", "progress", "end"])
        source.addEventListener(kind, (event) => {
            log.push([kind, JSON.parse(event.data).status, event.lastEventId]);
            if (log.length == 1) fetch(address.replace("events", "download")).then((answer) => answer.arrayBuffer());
        });
    // 0 means that the browser connects again by itself, 2 that it has given up.
    source.onerror = () => { log.push(["error", source.readyState, ""]); if (source.readyState == 2) resolve(); };
});
await over;
await fetch(`/body/200/${name}`, {method: "POST", body: JSON.stringify(log)});
await fetch("/done/0/", {method: "POST", body: ""});
</script>"""


def test_a_browser_follows_comes_back_once_and_stays_away(records: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "_PAGE", BROWSER_PAGE)
    port, origin = browser.page_origin()
    with serve(records, workers=2, cors_origins=origin) as service:
        export_id = create(service)
        found = browser.fetch({"log": f"{service.url}/exports/{export_id}/events"}, port)
    log = json.loads(found["log"].body)
    kinds = [kind for kind, _, _ in log]
    assert log[0][:2] == ["state", "pending"]
    assert log[kinds.index("end")][:2] == ["end", "completed"]
    assert log[kinds.index("end") + 1 :] == [["error", 0, ""], ["error", 2, ""]]
