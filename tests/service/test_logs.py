"""The log: the export's id on every line about it, one form for all, and no secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from polyglot_export.service.logs import about, configure, event, secrets_of
from tests.fixtures.process import serve
from tests.fixtures.redis import RedisServer
from tests.service.client import PATIENCE, RawDownload, call, create, kill_backends, wait_for, wait_for_status
from tests.service.conftest import SLOW_CONFIG


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """What ``configure`` changes, put back."""
    root = logging.getLogger()
    kept = (root.handlers, root.level, logging.getLogger("uvicorn").level)
    yield
    root.handlers, level, uvicorn = kept
    root.setLevel(level)
    logging.getLogger("uvicorn").setLevel(uvicorn)
    logging.captureWarnings(False)


def lines_of(capture: pytest.CaptureFixture[str], form: Literal["text", "json"], text: str, *secrets: str) -> str:
    configure(form, "info", secrets)
    event(logging.getLogger("test"), logging.WARNING, f"about {text}", reason=text, rows=3, share=0.5)
    return capture.readouterr().err


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgresql://me:s3cr%2Fet@db/x cannot be used", "s3cr%2Fet"),
        ('invalid percent-encoded token: "s3c%zz\\"et"', 's3c%zz\\"et'),
        ("connection to redis://:hunter22@cache:6379/0 failed", "hunter22"),
        ("host=db password=hunter22 dbname=x", "hunter22"),
        ("host=db password='hun ter22' dbname=x", "hun ter22"),
        ("Authorization: Bearer abc.def-123~+/=", "abc.def-123"),
    ],
)
def test_secrets_are_not_in_a_line(
    capsys: pytest.CaptureFixture[str], form: Literal["text", "json"], text: str, secret: str
) -> None:
    line = lines_of(capsys, form, text, 's3c%zz\\"et')
    assert line.count("\n") == 1
    assert secret not in line
    assert json.dumps(secret)[1:-1] not in line
    assert "***" in line
    if form == "json":
        assert json.loads(line)["rows"] == 3


def test_a_name_like_the_password_stays(capsys: pytest.CaptureFixture[str]) -> None:
    text = 'server at "shop" failed: password authentication failed for user "shop"; database "shop" of the shopping'
    assert json.loads(lines_of(capsys, "json", text, "shop"))["reason"] == text
    assert "shop" not in json.loads(lines_of(capsys, "json", 'invalid token: "shop"', "shop"))["reason"]


def test_what_is_no_secret_stays(capsys: pytest.CaptureFixture[str]) -> None:
    text = 'see http://127.0.0.1:8080/exports?a="b@c" and https://example.org:8080, mail me@example.org: the password is wrong'
    assert json.loads(lines_of(capsys, "json", text))["reason"] == text


@pytest.mark.parametrize(
    ("connection", "secrets"),
    [
        ("postgresql://me:p%40ss@db/x?sslmode=require", {"p%40ss", "p@ss"}),
        ("host=db user=me password='long word'", {"long word"}),
        ("redis://:hunter22@cache", {"hunter22"}),
        ("postgresql://me:no@db/x", set()),
        ("postgresql://me@db/x", set()),
        (None, set()),
    ],
)
def test_the_passwords_of_the_settings_are_known(
    monkeypatch: pytest.MonkeyPatch, connection: str | None, secrets: set[str]
) -> None:
    monkeypatch.delenv("PGPASSWORD", raising=False)
    assert secrets_of(connection) == secrets
    monkeypatch.setenv("PGPASSWORD", "from the environment")
    assert secrets_of(connection) == secrets | {"from the environment"}


def test_a_task_says_what_it_is_about_and_others_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "info")
    log = logging.getLogger("test")

    async def inner(number: int) -> None:
        about(exportId=f"id-{number}", run=None)
        await asyncio.sleep(0)
        # A line of code that knows nothing of exports, in a task that was started by one that does.
        await asyncio.create_task(asyncio.to_thread(log.warning, "from %d", number))

    async def outer() -> None:
        about(replica="a")
        await asyncio.gather(asyncio.create_task(inner(1)), asyncio.create_task(inner(2)))
        log.warning("outside")

    asyncio.run(outer())
    lines = {line["message"]: line for line in map(json.loads, capsys.readouterr().err.splitlines())}
    assert (lines["from 1"]["exportId"], lines["from 2"]["exportId"]) == ("id-1", "id-2")
    assert lines["from 1"]["replica"] == "a"
    assert "exportId" not in lines["outside"]
    assert "run" not in lines["from 1"]


@pytest.mark.parametrize("url", ["postgresql://me:s3cr%zzet@127.0.0.1:1/x", "postgresql://me:s3cretlong@127.0.0.1:1/x"])
def test_a_service_does_not_tell_the_password_that_it_cannot_use(url: str) -> None:
    password = url.split(":")[2].partition("@")[0]
    with (
        RedisServer("--requirepass", "another-password") as locked,
        serve(url, redis_url=f"redis://:wrong-password@127.0.0.1:{locked.port}/0", log_level="debug") as service,
    ):
        for path in ("/health/ready", "/datasets", "/exports"):
            assert password.encode() not in call(service, path).body
        wait_for(lambda: "database out of reach" in service.log())
        wait_for(lambda: "job store out of reach" in service.log())
        for secret in (password, "wrong-password"):
            assert secret not in service.log()


def test_every_line_of_an_export_has_its_id(records: str, redis_server: RedisServer) -> None:
    with serve(records, log_format="json", workers=1, redis_url=redis_server.url, log_level="debug") as service:
        broken = create(service, dataset="records")
        with RawDownload(service, broken) as download:
            download.read_some(1000)
            kill_backends(records, broken)
            with pytest.raises(ConnectionResetError):
                download.read_to_end()
        wait_for_status(service, broken, "failed")
        service.process.send_signal(signal.SIGTERM)
        service.process.wait(timeout=PATIENCE)
        lines = [json.loads(line) for line in service.log().splitlines()]
    replicas = {line["replica"] for line in lines if line["message"] == "export ended"}
    assert len(replicas) == 1
    (ended,) = [line for line in lines if line["message"] == "export ended"]
    assert (ended["exportId"], ended["run"], ended["code"]) == (broken, 1, "database-lost")
    assert {
        line.get("replica")
        for line in lines
        if line["message"] in {"service is ending", "service ended", "job store reached"}
    } == replicas


def test_a_line_that_is_not_about_exports_has_the_id_too(records: str, tmp_path: Path) -> None:
    """The handler of errors knows the request's path and nothing of runs."""
    config = tmp_path / "polyglot.toml"
    config.write_text(SLOW_CONFIG)
    with serve(records, config=config, log_format="json", max_duration=1) as service:
        export_id = create(service, dataset="slow")
        assert call(service, f"/exports/{export_id}/download").status == 504
        lines = [json.loads(line) for line in service.log().splitlines()]
    (refused,) = [line for line in lines if line["message"] == "request failed"]
    assert (refused["exportId"], refused["run"], refused["code"]) == (export_id, 1, "took-too-long")
    assert "exportId" not in next(line for line in lines if line["message"] == "database reached")
