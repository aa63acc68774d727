"""The limits of each caller: what is refused, with which sentence, and what another caller has of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.issuer import AUDIENCE, ISSUER, TestIssuer, test_issuer
from tests.fixtures.process import Service
from tests.fixtures.redis import RedisServer
from tests.service.client import Answer, RawDownload, assert_problem, call, post, wait_for
from tests.service.spooled import CONFIG, closed_gate, serving

LIMITS = {
    "free": "{}",
    "one": "{ exports = 1 }",
    "narrow": "{ connections = 1 }",
    "patient": "{ exports = 1, waiting = 2 }",
    "small": "{ preparedBytes = 1 }",
    "waited": "{ preparedBytes = 1 }",
    "seldom": "{ requests_per_minute = 3 }",
    "thrifty": "{ bytes_per_day = '100kB' }",
    "delivering": "{ bytes_per_day = 10 }",
    "counted": "{ exports = 3, waiting = 4, prepared_bytes = '1MB', requests_per_minute = 1000, bytes_per_day = '1GB' }",
}
SECRETS = {name: new_key() for name in LIMITS}


def configuration(folder: Path) -> str:
    keys = "".join(
        f'[keys.{name}]\nhash = "{hash_key(SECRETS[name])}"\nlimits = {limits}\ndestinations = ["lake"]\n'
        for name, limits in LIMITS.items()
    )
    (folder / "lake").mkdir()
    return f'{CONFIG}\n[destinations.lake]\nurl = "{folder / "lake"}"\n{keys}'


@contextmanager
def limited(dsn: str, folder: Path, **settings: object) -> Iterator[Service]:
    config = folder / "limits.toml"
    if not config.exists():
        config.write_text(configuration(folder))
    with serving(dsn, folder, config=config, queue_timeout=1, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def service(records: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with limited(records, tmp_path_factory.mktemp("limits")) as running:
        yield running


@pytest.fixture(scope="module")
def pair(
    records: str, shared_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Service, Service]]:
    """Two replicas, which no test stops."""
    folder = tmp_path_factory.mktemp("pair")
    shared = {"redis_url": shared_redis.url, "redis_prefix": "limits:"}
    with limited(records, folder, **shared) as one, limited(records, folder, **shared) as other:
        yield one, other


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRETS[name]}"}


def ask(service: Service, name: str, path: str, method: str = "GET") -> Answer:
    return call(service, path, method=method, headers=bearer(name))


def make(service: Service, name: str, **spec: object) -> Answer:
    return post(service, {"format": "csv", "dataset": "small", **spec}, headers=bearer(name))


def made(service: Service, name: str, **spec: object) -> str:
    answer = make(service, name, **spec)
    assert answer.status == 201, answer
    return f"/exports/{answer.json()['exportId']}"


def download(service: Service, name: str, **spec: object) -> Answer:
    return ask(service, name, made(service, name, **spec) + "/download")


def stalled(service: Service, name: str) -> RawDownload:
    """A download of a large table that nobody reads."""
    export_id = made(service, name, dataset="records").removeprefix("/exports/")
    return RawDownload(service, export_id, headers=f"Authorization: Bearer {SECRETS[name]}\r\n")


def status(service: Service, name: str, path: str) -> Any:
    return ask(service, name, path).json()["status"]


def used(service: Service, name: str) -> Any:
    return ask(service, name, "/caller").json()["used"]


def refused(service: Service, limit: str) -> float:
    """How often the service says that it has refused because of a limit."""
    text = ask(service, "free", "/metrics").body.decode()
    (line,) = (
        line for line in text.splitlines() if line.startswith(f'polyglot_callers_limited_total{{limit="{limit}"')
    )
    return float(line.split()[1])


def assert_limited(answer: Answer, limit: str, *words: str) -> int:
    """A refusal that names the limit; gives the seconds that it asks to wait."""
    assert_problem(answer, 429, "too-many-requests", f"limits.{limit}", *words)
    seconds = int(answer.headers["retry-after"])
    assert seconds >= 1
    return seconds


# Exports at a time


def test_exports_at_a_time(service: Service) -> None:
    before = refused(service, "exports")
    with stalled(service, "one") as first:
        first.read_some(1)
        path = made(service, "one")
        assert_limited(ask(service, "one", f"{path}/download"), "exports", "1 exports may run", "1 run")
        assert status(service, "one", path) == "failed", "the run that was refused is told"
        assert download(service, "free").status == 200
    assert refused(service, "exports") == before + 1
    wait_for(lambda: ask(service, "one", f"{path}/download").status == 200)
    for _ in range(5):
        assert download(service, "one").status == 200, "who has read the end may begin the next one at once"


def test_exports_in_the_background_wait_for_their_turn(service: Service, records: str) -> None:
    with closed_gate(records):
        first = made(service, "patient", dataset="gated", delivery="file")
        wait_for(lambda: status(service, "patient", first) == "running")
        waiting = [made(service, "patient", delivery="file") for _ in range(2)]
        assert_limited(make(service, "patient", delivery="file"), "waiting", "2 exports may wait", "2 wait")
        assert {status(service, "patient", path) for path in waiting} == {"pending"}
        assert len(ask(service, "patient", "/exports").json()["exports"]) == 3, "what was refused is no export"
        other = made(service, "free", delivery="file")
        wait_for(lambda: status(service, "free", other) == "completed")
        assert ask(service, "patient", waiting[1], "DELETE").status == 204
        assert make(service, "patient", delivery="file").status == 201
    wait_for(lambda: status(service, "patient", waiting[0]) == "completed")


# Connections at a time


def test_connections_at_a_time(service: Service) -> None:
    with stalled(service, "narrow") as first:
        first.read_some(1)
        assert_limited(download(service, "narrow"), "connections", "1 connection at a time", "1 seconds")
        assert download(service, "free").status == 200


# Prepared files


def test_prepared_bytes(service: Service) -> None:
    path = made(service, "small", delivery="file")
    wait_for(lambda: status(service, "small", path) == "completed")
    size = len(ask(service, "small", f"{path}/download").body)
    seconds = assert_limited(make(service, "small", delivery="file"), "preparedBytes", "1 B together", f"{size} B")
    expires = datetime.fromisoformat(ask(service, "small", path).json()["expiresAt"])
    assert abs(datetime.now(UTC) + timedelta(seconds=seconds) - expires) < timedelta(minutes=5)
    assert download(service, "small").status == 200, "a stream is no prepared file"
    assert ask(service, "small", path, "DELETE").status == 204
    assert make(service, "small", delivery="file").status == 201


def test_a_file_that_waited_is_asked_again(service: Service, records: str) -> None:
    with closed_gate(records):
        paths = [made(service, "waited", dataset="gated", delivery="file") for _ in range(5)]
    ended = ("completed", "failed")
    wait_for(lambda: all(status(service, "waited", path) in ended for path in paths))
    found = [ask(service, "waited", path).json() for path in paths]
    assert [each["status"] for each in found] == ["completed"] * 3 + ["failed"] * 2, "three have a turn at a time"
    assert {each["error"]["code"] for each in found if each["error"]} == {"too-many-requests"}


# Requests a minute


def test_requests_a_minute(service: Service) -> None:
    assert [ask(service, "seldom", path).status for path in ("/datasets", "/exports", "/exports/none")] == [
        200,
        200,
        404,
    ]
    seconds = assert_limited(ask(service, "seldom", "/datasets"), "requestsPerMinute", "3 requests a minute")
    assert seconds <= 20
    for path, method in (("/exports", "GET"), ("/caller", "GET"), ("/exports/none/download", "HEAD")):
        assert ask(service, "seldom", path, method).status == 429
    for _ in range(3):
        assert call(service, "/datasets", headers={"Authorization": "Bearer wrong"}).status == 401
    assert ask(service, "seldom", "/datasets").status == 429, "what is nobody's request changes nothing"
    assert ask(service, "free", "/datasets").status == 200
    assert refused(service, "requests_per_minute") >= 5


# Bytes a day


def until_midnight() -> float:
    at = datetime.now(UTC)
    return (datetime(at.year, at.month, at.day, tzinfo=UTC) + timedelta(days=1) - at).total_seconds()


def test_bytes_a_day(service: Service) -> None:
    large, small = (made(service, "thrifty", dataset=dataset) for dataset in ("records", "small"))
    prepared = made(service, "thrifty", delivery="file")
    wait_for(lambda: status(service, "thrifty", prepared) == "completed")
    whole = ask(service, "thrifty", f"{large}/download")
    assert whole.status == 200
    assert whole.body == ask(service, "free", made(service, "free", dataset="records") + "/download").body
    assert used(service, "thrifty")["bytesPerDay"] >= len(whole.body)
    for path in (f"{small}/download", f"{prepared}/download", "/exports/benchmark"):
        seconds = assert_limited(ask(service, "thrifty", path), "bytesPerDay", "102.4 kB a day", "MB were sent today")
        assert abs(seconds - until_midnight()) < 300
    assert make(service, "thrifty").status == 429
    for path in (prepared, "/exports", "/datasets"):
        assert ask(service, "thrifty", path).status == 200, "what is there may be looked at"
    assert ask(service, "thrifty", f"{prepared}/download", "HEAD").status == 200
    assert download(service, "free").status == 200


def test_what_is_delivered_counts(service: Service) -> None:
    path = made(service, "delivering", delivery="store", destination="lake")
    wait_for(lambda: call(service, path, headers=bearer("delivering")).status == 200)
    wait_for(lambda: status(service, "delivering", path) == "completed")
    assert used(service, "delivering")["bytesPerDay"] > 10
    assert_limited(ask(service, "delivering", f"{path}/files/0"), "bytesPerDay")


# The caller's own view


def test_a_caller_sees_its_limits_and_what_is_used(service: Service) -> None:
    view = ask(service, "counted", "/caller").json()
    assert view["name"] == "counted"
    assert view["scopes"] == ["read", "export", "cancel", "metrics"]
    assert view["limits"] == {
        "exports": 3,
        "connections": None,
        "waiting": 4,
        "preparedBytes": 1 << 20,
        "requestsPerMinute": 1000,
        "bytesPerDay": 1 << 30,
    }
    with ExitStack() as running:
        for _ in range(2):
            running.enter_context(stalled(service, "counted")).read_some(1)
        path = made(service, "counted", delivery="file")
        wait_for(lambda: status(service, "counted", path) == "completed")
        size = ask(service, "counted", path).json()["bytes"]
        found = used(service, "counted")
        assert (found["exports"], found["waiting"], found["preparedBytes"]) == (2, 0, size)
        assert found["bytesPerDay"] > 65536
    assert used(service, "free") == dict.fromkeys(found)
    assert call(service, "/caller").status == 401


# Replicas


def test_replicas_count_together(pair: tuple[Service, Service], records: str) -> None:
    one, other = pair
    # Exports at a time.
    with stalled(one, "one") as first:
        first.read_some(1)
        assert_limited(download(other, "one"), "exports")
    wait_for(lambda: download(other, "one").status == 200)
    for service in (one, other, one, other):
        assert download(service, "one").status == 200
    # Requests.
    assert [ask(service, "seldom", "/exports").status for service in (one, other, one, other)] == [200, 200, 200, 429]
    assert_limited(ask(one, "seldom", "/exports"), "requestsPerMinute")
    # Bytes, which the other one hears of after a moment.
    assert download(one, "thrifty", dataset="records").status == 200
    wait_for(lambda: make(other, "thrifty").status == 429)
    # What waits, and what is prepared.
    with closed_gate(records):
        begun = made(one, "patient", dataset="gated", delivery="file")
        wait_for(lambda: status(one, "patient", begun) == "running")
        waiting = [made(service, "patient", delivery="file") for service in (other, other)]
        assert_limited(make(one, "patient", delivery="file"), "waiting")
        time.sleep(1)
        assert {status(one, "patient", path) for path in waiting} == {"pending"}
    wait_for(lambda: all(status(one, "patient", path) == "completed" for path in waiting))
    path = made(one, "small", delivery="file")
    wait_for(lambda: status(other, "small", path) == "completed")
    assert_limited(make(other, "small", delivery="file"), "preparedBytes")


def test_a_restart_forgets_nothing_that_redis_has(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    with limited(records, tmp_path, redis_url=redis_server.url) as service:
        assert download(service, "thrifty", dataset="records").status == 200
    with limited(records, tmp_path, redis_url=redis_server.url) as service:
        assert_limited(make(service, "thrifty"), "bytesPerDay", "MB were sent today")


# Holders of tokens, whose number nobody knows


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    with test_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def tokens(issuer: TestIssuer, records: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("tokens")
    config = folder / "tokens.toml"
    config.write_text(
        f'{CONFIG}\n[issuers.company]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks = "{issuer.url}"\n'
        'limits = { exports = "{claim.exports}", requests_per_minute = 500 }\n'
    )
    with serving(records, folder, config=config, queue_timeout=1, max_connections=4) as running:
        yield running


def holder(issuer: TestIssuer, subject: str, exports: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.token(sub=subject, exports=exports)}"}


def test_each_subject_has_the_limits_of_its_claims(issuer: TestIssuer, tokens: Service) -> None:
    ann, bob = holder(issuer, "ann", 1), holder(issuer, "bob", 2)
    for headers, exports in ((ann, 1), (bob, 2)):
        limits = call(tokens, "/caller", headers=headers).json()["limits"]
        assert (limits["exports"], limits["requestsPerMinute"]) == (exports, 500)
    with stream_of(tokens, ann):
        assert_limited(small_of(tokens, ann), "exports", "1 exports")
        assert small_of(tokens, bob).status == 200
    assert call(tokens, "/caller", headers=holder(issuer, "eve", 0)).status == 401


def test_there_is_always_room_for_one_more_subject(issuer: TestIssuer, tokens: Service) -> None:
    with ExitStack() as streams:
        for subject in ("first", "first", "first", "second"):
            streams.enter_context(stream_of(tokens, holder(issuer, subject, 9)))
        for subject in ("third", "fourth", "fifth"):
            assert small_of(tokens, holder(issuer, subject, 9)).status == 200


def stream_of(service: Service, headers: dict[str, str]) -> RawDownload:
    """A download of a large table that nobody reads, as far as it has begun."""
    answer = post(service, {"format": "csv", "dataset": "records"}, headers=headers)
    export_id = answer.json()["exportId"]
    stream = RawDownload(service, export_id, headers=f"Authorization: {headers['Authorization']}\r\n")
    stream.read_some(1)
    return stream


def small_of(service: Service, headers: dict[str, str]) -> Answer:
    made = post(service, {"format": "csv", "dataset": "small"}, headers=headers)
    return call(service, f"/exports/{made.json()['exportId']}/download", headers=headers)
