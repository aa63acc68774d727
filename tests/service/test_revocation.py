"""A key that is revoked or expires: what it runs is ended where the setting says so, on every replica."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.issuer import AUDIENCE, ISSUER, TestIssuer, test_issuer
from tests.fixtures.process import Service, serve
from tests.fixtures.redis import RedisServer
from tests.service.client import RawDownload, assert_problem, backends, call, post, wait_for
from tests.service.spooled import CONFIG, spooled
from tests.service.sse import EventStream

FIRST, OLD, SECOND = (new_key() for _ in range(3))
FOLLOWED_SECONDS = 5.0
"""Within which a key that one replica has been told to refuse is refused by all."""


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def header(key: str) -> str:
    return f"Authorization: Bearer {key}\r\n"


def table(name: str, *lines: str) -> str:
    return "\n".join([f"[keys.{name}]", *lines, ""])


def one(key: str) -> str:
    return f'hash = "{hash_key(key)}"'


SECOND_TABLE = table("second", one(SECOND))
BOTH = CONFIG + table("first", one(FIRST), f'hashes = ["{hash_key(OLD)}"]') + SECOND_TABLE


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "keys.toml"
    path.write_text(BOTH)
    return path


@contextmanager
def serving(dsn: str, config: Path, **settings: Any) -> Iterator[Service]:
    spool = config.parent / "spool"
    with serve(dsn, config=config, default_dataset="records", workers=2, spool_dir=spool, **settings) as running:
        yield running


def made(service: Service, key: str, **spec: object) -> str:
    answer = post(service, {"format": "csv", **spec}, headers=bearer(key))
    assert answer.status == 201, answer
    return str(answer.json()["exportId"])


def latest(service: Service, key: str, export_id: str) -> dict[str, object]:
    """The latest run of an export."""
    runs = call(service, f"/exports/{export_id}", headers=bearer(key)).json()["runs"]
    return dict(runs[0]) if runs else {}


def reload(service: Service, config: Path, text: str) -> None:
    before = service.log().count("configuration reloaded")
    config.write_text(text)
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: service.log().count("configuration reloaded") > before)


def said(service: Service, words: str) -> bool:
    return words in service.log()


def begun(stack: ExitStack, service: Service, export_id: str, key: str) -> RawDownload:
    download = stack.enter_context(RawDownload(service, export_id, headers=header(key)))
    download.read_some(1000)
    return download


def assert_cut(download: RawDownload) -> None:
    with pytest.raises(ConnectionResetError):
        download.read_to_end()


def test_what_a_revoked_key_runs_is_ended(records: str, config: Path) -> None:
    with serving(records, config, end_revoked="true") as service, ExitStack() as stack:
        file = made(service, FIRST, delivery="file")
        wait_for(lambda: latest(service, FIRST, file).get("status") == "completed")
        streamed, others = made(service, FIRST), made(service, SECOND)
        slow = made(service, FIRST, dataset="slow", delivery="file")
        wait_for(lambda: len(backends(records, slow)) >= 2)
        by_new, by_old = begun(stack, service, streamed, FIRST), begun(stack, service, streamed, OLD)
        of_file = begun(stack, service, file, FIRST)
        of_other = begun(stack, service, others, SECOND)
        events = stack.enter_context(EventStream(service, slow, headers=header(FIRST)))
        assert events.next() is not None
        # One hash of the two goes: what was begun with it ends, and nothing else.
        reload(service, config, CONFIG + table("first", one(FIRST)) + SECOND_TABLE)
        assert call(service, "/datasets", headers=bearer(OLD)).status == 401
        assert_cut(by_old)
        assert call(service, "/datasets", headers=bearer(FIRST)).status == 200
        assert backends(records, slow)
        reload(service, config, CONFIG + SECOND_TABLE)
        assert call(service, "/datasets", headers=bearer(FIRST)).status == 401
        for download in (by_new, of_file):
            assert_cut(download)
        with pytest.raises(ConnectionResetError):
            while events.next() is not None:
                pass
        wait_for(lambda: not backends(records, slow) and not backends(records, streamed))
        assert b"\r\n0\r\n\r\n" in of_other.read_to_end()[-16:]
        # The job says why, to who has a key of that name again.
        reload(service, config, BOTH)
        run = latest(service, FIRST, slow)
        assert run["status"] == "failed"
        error = run["error"]
        assert isinstance(error, dict)
        assert error["code"] == "revoked"
        reason = "the key that created the export is not configured any more"
        assert error["message"] == f"the export was ended, since {reason}"


def test_without_the_setting_what_runs_goes_on(records: str, config: Path) -> None:
    with serving(records, config) as service, ExitStack() as stack:
        streamed = made(service, FIRST)
        download = begun(stack, service, streamed, FIRST)
        reload(service, config, CONFIG + SECOND_TABLE)
        assert call(service, "/datasets", headers=bearer(FIRST)).status == 401
        assert b"\r\n0\r\n\r\n" in download.read_to_end()[-16:]
        # What has not begun does not begin.
        assert call(service, f"/exports/{streamed}/download", headers=bearer(FIRST)).status == 401


def test_what_waits_for_its_turn_does_not_begin(records: str, config: Path) -> None:
    with serving(records, config, max_connections=1, queue_timeout=60) as service, ExitStack() as stack:
        # It has the only connection, and its client stalls.
        download = begun(stack, service, made(service, SECOND), SECOND)
        waiting, streamed = made(service, FIRST, delivery="file"), made(service, FIRST)
        stream = stack.enter_context(RawDownload(service, streamed, headers=header(FIRST)))
        wait_for(lambda: b"polyglot_queue_length 2" in call(service, "/metrics", headers=bearer(SECOND)).body)
        reload(service, config, CONFIG + SECOND_TABLE)
        assert b'"code": "revoked"' in stream.read_to_end().replace(b'":"', b'": "')
        download.read_to_end()
        wait_for(partial(said, service, f"export ended exportId={waiting} run=1 status=failed"))
        wait_for(partial(said, service, "code=forbidden"))
        assert spooled(config.parent) == []


def test_a_key_that_expires_ends_in_the_same_way(records: str, config: Path) -> None:
    with serving(records, config, end_revoked="true") as service, ExitStack() as stack:
        download = begun(stack, service, made(service, FIRST), FIRST)
        end = datetime.now(UTC) + timedelta(seconds=2)
        reload(service, config, CONFIG + table("first", one(FIRST), f"expires = {end.isoformat()}") + SECOND_TABLE)
        wait_for(lambda: call(service, "/datasets", headers=bearer(FIRST)).status == 401)
        assert datetime.now(UTC) >= end
        assert_problem(call(service, "/datasets", headers=bearer(FIRST)), 401, "unauthorized", "the key is not known")
        wait_for(lambda: "the key has expired" in service.log())
        assert_cut(download)


def test_tokens_end_with_their_issuer_and_not_by_themselves(records: str, config: Path) -> None:
    def text(issuer: TestIssuer) -> str:
        return f"""{CONFIG}{SECOND_TABLE}
[issuers.company]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
jwks = "{issuer.url}"
"""

    with test_issuer() as issuer, ExitStack() as stack:
        config.write_text(text(issuer))
        service = stack.enter_context(serving(records, config, end_revoked="true"))
        # The service takes a token for a minute after its end, for clocks that differ.
        token, other = issuer.token(exp=int(time.time()) - 52), issuer.token()
        streamed = made(service, token)
        download = begun(stack, service, streamed, token)
        slow = made(service, other, dataset="slow", delivery="file")
        wait_for(lambda: len(backends(records, slow)) >= 2)
        wait_for(lambda: call(service, "/datasets", headers=bearer(token)).status == 401)
        reload(service, config, text(issuer))
        assert backends(records, streamed)
        assert backends(records, slow)
        reload(service, config, CONFIG + SECOND_TABLE)
        assert_cut(download)
        wait_for(lambda: not backends(records, slow))
        assert "the issuer of the token is not configured any more" in service.log()


def test_replicas_follow(records: str, config: Path, redis_server: RedisServer, tmp_path: Path) -> None:
    """Each has a file of its own here, so that what it has read shows."""
    other = tmp_path / "other"
    other.mkdir()
    theirs = other / "keys.toml"
    theirs.write_text(BOTH)
    shared = {"redis_url": redis_server.url, "end_revoked": "true"}
    with (
        serving(records, config, **shared) as one_replica,
        serving(records, theirs, **shared) as another,
        ExitStack() as stack,
    ):
        download = begun(stack, another, made(one_replica, FIRST), FIRST)
        theirs.write_text(CONFIG + SECOND_TABLE)
        reload(one_replica, config, CONFIG + SECOND_TABLE)
        assert call(one_replica, "/datasets", headers=bearer(FIRST)).status == 401
        refused = wait_for(lambda: call(another, "/datasets", headers=bearer(FIRST)).status == 401)
        assert refused < FOLLOWED_SECONDS
        assert_cut(download)
        assert call(another, "/datasets", headers=bearer(SECOND)).status == 200
        # A file that is wrong changes nothing on either, and both are ready.
        for path in (config, theirs):
            path.write_text("[datasets.small]\nwrong = 1\n")
        another.process.send_signal(signal.SIGHUP)
        for service in (another, one_replica):
            wait_for(partial(said, service, "configuration not reloaded"))
            assert call(service, "/datasets", headers=bearer(SECOND)).status == 200
            assert call(service, "/health/ready").status == 200
        # While Redis is away the replica itself reads its file, and the other one as soon as it is back.
        redis_server.stop()
        for path in (config, theirs):
            path.write_text(BOTH)
        one_replica.process.send_signal(signal.SIGHUP)
        wait_for(lambda: call(one_replica, "/datasets", headers=bearer(FIRST)).status == 200)
        assert call(another, "/datasets", headers=bearer(FIRST)).status == 401
        redis_server.start()
        wait_for(lambda: call(another, "/datasets", headers=bearer(FIRST)).status == 200)
        # Whoever has told reads no more often than it must.
        assert one_replica.log().count("configuration reloaded") == 2
        # A file that comes later to the one replica than to the other, as a ConfigMap does, is waited for.
        reload(one_replica, config, CONFIG + SECOND_TABLE)
        wait_for(partial(said, another, "another replica has read another configuration"))
        assert call(another, "/datasets", headers=bearer(FIRST)).status == 200
        theirs.write_text(CONFIG + SECOND_TABLE)
        wait_for(lambda: call(another, "/datasets", headers=bearer(FIRST)).status == 401)
