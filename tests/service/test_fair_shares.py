"""No caller can take what others need: memory for bodies, places in queues, kept exports, connections."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export.access.keys import hash_key, new_key
from polyglot_export.limits import BODY_VALUES, MAX_COLUMNS, MAX_FILTER_TERMS, MAX_FILTER_VALUES, MAX_SORT_KEYS
from tests.fixtures.process import Service
from tests.fixtures.redis import RedisServer
from tests.service.client import Answer, RawDownload, assert_problem, call, post, wait_for
from tests.service.spooled import CONFIG, closed_gate, serving

GREEDY, HONEST = new_key(), new_key()
KEYS = "".join(
    f'[keys.{name}]\nhash = "{hash_key(secret)}"\n' for name, secret in {"greedy": GREEDY, "honest": HONEST}.items()
)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def keyed(dsn: str, folder: Path, **settings: object) -> Iterator[Service]:
    """A service with two keys."""
    config = folder / "keys.toml"
    config.write_text(CONFIG + KEYS)
    with serving(dsn, folder, config=config, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def service(records: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with keyed(records, tmp_path_factory.mktemp("shared"), queue_timeout=1) as running:
        yield running


def ask(service: Service, key: str, **spec: object) -> Answer:
    return post(service, {"format": "csv", **spec}, headers=bearer(key))


def ids(values: int) -> list[dict[str, Any]]:
    return [{"column": "id", "op": "in", "value": [1] * values}]


# Lists


def test_lists_have_a_limit(service: Service) -> None:
    for spec, place in (
        ({"columns": ["id"] * (MAX_COLUMNS + 1)}, "columns"),
        ({"orderBy": [{"column": "id"}] * (MAX_SORT_KEYS + 1)}, "orderBy"),
        ({"filter": [{"column": "id", "op": "isNull"}] * (MAX_FILTER_TERMS + 1)}, "filter"),
        ({"filter": ids(MAX_FILTER_VALUES + 1)}, "filter"),
        ({"filter": ids(MAX_FILTER_VALUES) + ids(1)}, "filter"),
    ):
        answer = ask(service, HONEST, dataset="small", **spec)
        assert_problem(
            answer, 400, "bad-request", place, "at most" if "values" not in answer.json()["error"] else "may"
        )
        assert answer.json()["field"] == place
    export_id = ask(service, HONEST, dataset="small", filter=ids(MAX_FILTER_VALUES)).json()["exportId"]
    whole = call(service, f"/exports/{export_id}/download", headers=bearer(HONEST))
    assert whole.body == b"id,name,amount\n1,one,1.50\n"


@pytest.mark.parametrize("piece", [b"1,", b"[],", b"{},", b'"",', b"[", b"1e1,"])
def test_a_body_of_many_small_values_is_refused_before_it_is_read_as_json(service: Service, piece: bytes) -> None:
    body = b'{"format": "csv", "filter": [' + piece * (BODY_VALUES + 1) + b"1]}"
    headers = {"Content-Type": "application/json", **bearer(HONEST)}
    answer = call(service, "/exports", method="POST", body=body, headers=headers)
    assert_problem(answer, 413, "body-too-large", str(BODY_VALUES))


# Bodies


@contextmanager
def endless_bodies(service: Service, key: str, count: int, *, size: int = 1 << 20) -> Iterator[None]:
    """Requests of a key whose bodies lack their last byte."""
    body = json.dumps({"format": "csv", "dataset": "small", "filter": ids(1)}).encode().ljust(size - 1)
    head = (
        f"POST /exports HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
    )
    with ExitStack() as open_:
        for _ in range(count):
            sender = open_.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
            sender.sendall(head.encode())
            sender.setblocking(False)
            for start in range(0, len(body), 65536):
                try:
                    sender.sendall(body[start : start + 65536])
                except BlockingIOError:
                    break
        yield


def resident(service: Service) -> int:
    """Resident memory of the service in bytes."""
    for line in Path(f"/proc/{service.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


@pytest.mark.parametrize("size", [1 << 20, 2_000])
def test_bodies_that_never_end_leave_room_for_those_of_others(records: str, tmp_path: Path, size: int) -> None:
    with keyed(records, tmp_path, queue_timeout=1) as service:
        before = resident(service)
        with endless_bodies(service, GREEDY, 100, size=size):
            wait_for(lambda: metric(service, "polyglot_request_bodies_bytes") > 0)
            for _ in range(5):
                assert ask(service, HONEST, dataset="small").status == 201
            headers = {"Content-Type": "application/json", **bearer(GREEDY)}
            answer = call(service, "/exports", method="POST", body=b'{"format": "csv"}'.ljust(size), headers=headers)
            assert_problem(answer, 503, "busy", "request body")
            assert resident(service) - before < 64 << 20
        wait_for(lambda: metric(service, "polyglot_request_bodies_bytes") == 0)
        assert ask(service, GREEDY, dataset="small").status == 201


def metric(service: Service, name: str) -> float:
    text = call(service, "/metrics", headers=bearer(HONEST)).body.decode()
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(line.split()[1])


# Files that wait


def test_the_queue_of_files_is_bounded_and_shared(records: str, tmp_path: Path) -> None:
    with keyed(records, tmp_path, file_queue=6) as service, closed_gate(records):
        greedy = [ask(service, GREEDY, dataset="gated", delivery="file").status for _ in range(10)]
        assert greedy == [201] * 6 + [503] * 4, "three have a turn, three wait"
        answer = ask(service, GREEDY, dataset="gated", delivery="file")
        assert_problem(answer, 503, "busy", "wait to be run in the background")
        assert metric(service, "polyglot_file_queue_length") == 3
        kept = call(service, "/exports", headers=bearer(GREEDY)).json()["exports"]
        assert len(kept) == 6, "what was refused is no export"
        # The place that the greedy one cannot have is the honest one's at once.
        done = ask(service, HONEST, dataset="small", delivery="file").json()["exportId"]
        wait_for(lambda: call(service, f"/exports/{done}", headers=bearer(HONEST)).json()["status"] == "completed")


def test_the_memory_of_the_queue_is_bounded(records: str, tmp_path: Path) -> None:
    text = "x" * 300_000
    with keyed(records, tmp_path) as service, closed_gate(records):
        terms = [{"column": "name", "op": "!=", "value": text}]
        found = [ask(service, GREEDY, dataset="gated", delivery="file", filter=terms).status for _ in range(12)]
        assert found[:3] == [201] * 3
        assert found[-1] == 503
        assert ask(service, HONEST, dataset="small", delivery="file").status == 201


# Messages


def test_messages_are_cut_wherever_they_are_kept_sent_or_logged(service: Service) -> None:
    text = "x" * 900_000
    before = len(service.log())
    answer = ask(service, HONEST, dataset="small", filter=[{"column": "id", "op": "=", "value": text}])
    path = f"/exports/{answer.json()['exportId']}"
    for _ in range(5):
        failed = call(service, f"{path}/download", headers=bearer(HONEST))
        assert_problem(failed, 400, "bad-request", "(9000")
        assert len(failed.body) < 4_000
    runs = call(service, path, headers=bearer(HONEST)).json()["runs"]
    assert [len(run["error"]["message"]) <= 1024 for run in runs] == [True] * 5
    for spec in ({"dataset": text}, {text: 1}, {"columns": [text]}, {"format": text}, {"options": {text: 1}}):
        refused = ask(service, HONEST, **spec)
        assert refused.status == 400
        assert len(refused.body) < 4_000
    assert len(service.log()) - before < 30_000


# Connections


def slow_download(service: Service, key: str) -> RawDownload:
    """A download of a large table by a client that takes nothing."""
    export_id = ask(service, key, dataset="records").json()["exportId"]
    return RawDownload(service, export_id, headers=f"Authorization: Bearer {key}\r\n")


def small_download(service: Service, key: str) -> Answer:
    export_id = ask(service, key, dataset="small").json()["exportId"]
    return call(service, f"/exports/{export_id}/download", headers=bearer(key))


@pytest.mark.parametrize("connections", [2, 4])
def test_slow_clients_of_one_caller_leave_a_connection_for_others(
    records: str, tmp_path: Path, connections: int
) -> None:
    with keyed(records, tmp_path, max_connections=connections, queue_timeout=1) as service, ExitStack() as slow:
        for _ in range(6):
            slow.enter_context(slow_download(service, GREEDY))
        wait_for(lambda: connections_of(service) == connections - 1)
        for _ in range(3):
            assert small_download(service, HONEST).status == 200
        assert_problem(small_download(service, GREEDY), 503, "busy", "connection")
        # Who has a connection leaves the last one to others as well.
        slow.enter_context(slow_download(service, HONEST))
        wait_for(lambda: connections_of(service) == connections)


def connections_of(service: Service) -> int:
    text = call(service, "/metrics", headers=bearer(HONEST)).body.decode()
    (line,) = (line for line in text.splitlines() if line.startswith('polyglot_database_connections{kind="worker"}'))
    return int(float(line.split()[1]))


def test_a_locked_table_ends_its_exports_and_no_others(records: str, tmp_path: Path) -> None:
    settings = {"max_connections": 4, "queue_timeout": 1, "lock_timeout": 3}
    with (
        keyed(records, tmp_path, **settings) as service,
        psycopg.connect(records) as other,
        ThreadPoolExecutor(12) as clients,
    ):
        other.execute("LOCK TABLE records IN ACCESS EXCLUSIVE MODE")
        paths = [f"/exports/{ask(service, GREEDY, dataset='records').json()['exportId']}/download" for _ in range(12)]
        answers = [clients.submit(call, service, path, headers=bearer(GREEDY)) for path in paths]
        wait_for(lambda: connections_of(service) == 3)
        assert small_download(service, HONEST).status == 200
        statuses = [answer.result().status for answer in answers]
        assert set(statuses) == {503, 504}
        locked = next(answer.result() for answer in answers if answer.result().status == 504)
        assert_problem(locked, 504, "database-timeout", "records is locked by another session", "3 seconds")
        assert small_download(service, GREEDY).status == 200


# Streams of events


def test_streams_of_one_export_share_one_look(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    """And a look does not read the request again, which has 900 kB here."""
    terms = [{"column": "name", "op": "!=", "value": "x" * 900_000}]
    with (
        keyed(records, tmp_path, redis_url=redis_server.url) as service,
        redis_server.client() as client,
        closed_gate(records),
        ExitStack() as streams,
    ):
        export_id = ask(service, GREEDY, dataset="gated", delivery="file", filter=terms).json()["exportId"]
        path = f"/exports/{export_id}"
        wait_for(lambda: call(service, path, headers=bearer(GREEDY)).json()["status"] == "running")
        for _ in range(50):
            stream = streams.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=20))
            request = f"GET /exports/{export_id}/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {GREEDY}"
            stream.sendall(f"{request}\r\n\r\n".encode())
            assert stream.recv(4096)

        def answered() -> tuple[int, int]:
            sent = client.info("stats")["total_net_output_bytes"]
            return client.info("commandstats")["cmdstat_evalsha"]["calls"], sent

        def shared() -> bool:
            """Three seconds of a beat and a look, each twice a second, and of no request that is read."""
            calls, sent = answered()
            time.sleep(3)
            more_calls, more_sent = answered()
            return 4 < more_calls - calls < 40 and more_sent - sent < 200_000

        # The first look reads the job once. The run gives up at its gate later than this wait does.
        wait_for(shared, seconds=25)
