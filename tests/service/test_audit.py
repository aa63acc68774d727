"""The audit log: a line for every event before its bytes leave, and nothing is exported that it cannot tell."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from polyglot_export.access.keys import new_key
from polyglot_export.service.audit.events import KINDS
from tests.fixtures.disk import small_file_system
from tests.fixtures.issuer import AUDIENCE, ISSUER, TestIssuer, test_issuer
from tests.fixtures.process import Service
from tests.service.audited import KEY, READER, audited, bearer, lines, of
from tests.service.client import assert_problem, call, post, wait_for


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    """An identity provider."""
    with test_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the log of the service below is."""
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="module")
def service(records: str, log: Path, issuer: TestIssuer) -> Iterator[Service]:
    """A service with an audit log that trusts the proxies of this machine."""
    more = f'[issuers.company]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks = "{issuer.url}"\n'
    with audited(records, log.parent, log, trusted_proxies="127.0.0.0/8", more=more) as running:
        yield running


FILTER = [{"column": "id", "op": "in", "value": [1, 2, 3]}, {"column": "name", "op": "!=", "value": "the secret name"}]


def test_a_download_is_told_before_and_after(service: Service, log: Path) -> None:
    spec = {"format": "csv", "columns": ["id"], "filter": FILTER, "orderBy": [{"column": "id"}], "limit": 2}
    made = post(service, spec, headers=bearer(KEY)).json()["exportId"]
    got = call(service, f"/exports/{made}/download", headers=bearer(KEY) | {"X-Forwarded-For": "192.0.2.9, 127.0.0.5"})
    told = [line for line in lines(log) if line.get("exportId") == made]
    created, begun, ended = told
    assert created["event"] == "export.created"
    assert created["caller"] == "app"
    assert created["address"] == "127.0.0.1"
    assert created["datasets"] == [
        {
            "dataset": "records",
            "columns": ["id"],
            "filter": [
                {"column": "id", "op": "in", "value": "3 of number"},
                {"column": "name", "op": "!=", "value": "string"},
            ],
            "parameters": {},
            "orderBy": ["id"],
            "limit": 2,
            "splitBy": None,
        }
    ]
    assert (begun["event"], begun["run"], begun["address"]) == ("run.begun", 1, "192.0.2.9")
    assert (ended["event"], ended["outcome"], ended["rows"], ended["bytes"]) == (
        "run.ended",
        "completed",
        2,
        len(got.body),
    )
    assert ended["snapshot"] == got.headers["x-export-snapshot"]
    assert "the secret name" not in log.read_text()


def test_a_run_that_fails_says_how(service: Service, log: Path, records: str) -> None:
    made = post(service, {"format": "csv"}, headers=bearer(KEY)).json()["exportId"]
    with psycopg.connect(records) as locker:
        locker.execute("LOCK TABLE records IN ACCESS EXCLUSIVE MODE")
        # A client that leaves before the lock is there.
        import socket

        with socket.create_connection(("127.0.0.1", service.port)) as client:
            request = f"GET /exports/{made}/download HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n"
            client.sendall(request.encode())
            wait_for(lambda: [line for line in of(log, "run.begun") if line["exportId"] == made])
        wait_for(lambda: [line for line in of(log, "run.ended") if line["exportId"] == made])
    (ended,) = [line for line in of(log, "run.ended") if line["exportId"] == made]
    assert (ended["outcome"], ended["code"]) == ("cancelled", "client-gone")


def test_a_prepared_file_is_told_at_each_download(service: Service, log: Path) -> None:
    made = post(service, {"format": "csv", "delivery": "file", "limit": 9}, headers=bearer(KEY)).json()["exportId"]
    path = f"/exports/{made}/download"
    wait_for(lambda: call(service, f"/exports/{made}", headers=bearer(KEY)).json()["status"] == "completed")
    whole = call(service, path, headers=bearer(KEY))
    assert call(service, path, headers=bearer(KEY) | {"Range": "bytes=3-5"}).status == 206
    assert call(service, path, headers=bearer(KEY) | {"If-None-Match": whole.headers["etag"]}).status == 304
    assert call(service, path, method="HEAD", headers=bearer(KEY)).status == 200
    first, second = [line for line in of(log, "file.sent") if line["exportId"] == made]
    (ended,) = [line for line in of(log, "run.ended") if line["exportId"] == made]
    assert "address" not in ended
    assert first["sha256"] == second["sha256"] == ended["sha256"] == whole.headers["etag"].strip('"')
    assert first["bytes"] == len(whole.body)
    assert "range" not in first
    assert second["range"] == "bytes=3-5"


def test_an_end_by_its_owner_is_told(service: Service, log: Path) -> None:
    made = post(service, {"format": "csv"}, headers=bearer(KEY)).json()["exportId"]
    assert call(service, f"/exports/{made}", method="DELETE", headers=bearer(KEY)).status == 204
    (line,) = [line for line in of(log, "export.deleted") if line["exportId"] == made]
    assert (line["caller"], line["running"]) == ("app", True)


def test_refusals_have_their_reasons(service: Service, log: Path, issuer: TestIssuer) -> None:
    guess = new_key()
    cases = [
        (bearer(guess), 401, "the key is not known", None),
        ({}, 401, "send a key", None),
        (bearer(issuer.token(aud="another")), 401, "for another audience", None),
        (bearer(READER), 403, "needs the scope export", "reader"),
    ]
    for headers, status, reason, caller in cases:
        assert post(service, {"format": "csv"}, headers=headers).status == status
        line = of(log, "request.refused")[-1]
        assert (line["status"], line.get("caller"), line["method"], line["path"]) == (
            status,
            caller,
            "POST",
            "/exports",
        )
        assert reason in line["reason"]
    assert guess not in log.read_text()


def test_the_holder_of_a_token_is_named(service: Service, log: Path, issuer: TestIssuer) -> None:
    made = post(service, {"format": "csv"}, headers=bearer(issuer.token(sub="ann"))).json()["exportId"]
    (line,) = [line for line in of(log, "export.created") if line["exportId"] == made]
    assert line["caller"] == "company:ann"


def test_a_reload_is_told_and_the_file_is_opened_anew(service: Service, log: Path) -> None:
    moved = log.with_name("audit.1")
    log.rename(moved)
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: log.exists() and of(log, "configuration.reloaded"))
    assert of(log, "configuration.reloaded")[-1]["keys"] == ["app", "reader"]
    config = log.parent / "polyglot.toml"
    text = config.read_text()
    config.write_text(text + "[keys.broken]\n")
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: of(log, "configuration.refused"))
    assert "keys.broken.hash" in of(log, "configuration.refused")[-1]["reason"]
    assert call(service, "/health/ready").status == 200
    config.write_text(text)


def test_the_file_is_for_its_owner_alone(service: Service, log: Path) -> None:
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert service.process.poll() is None


def test_a_rename_without_a_signal_loses_no_line(service: Service, log: Path) -> None:
    for number in range(5):
        moved = log.with_name(f"moved.{number}")
        made = post(service, {"format": "csv"}, headers=bearer(KEY)).json()["exportId"]
        log.rename(moved)
        assert call(service, f"/exports/{made}/download", headers=bearer(KEY)).status == 200
        events = [line["event"] for path in (moved, log) for line in lines(path) if line.get("exportId") == made]
        assert events == ["export.created", "run.begun", "run.ended"]


def test_a_preview_is_told(service: Service, log: Path) -> None:
    assert call(service, "/datasets/small/preview", headers=bearer(KEY)).status == 200
    told = of(log, "preview.read")[-1]
    assert (told["caller"], told["dataset"]["dataset"], told["format"]) == ("app", "small", "csv")


def test_links(service: Service, log: Path) -> None:
    made = post(service, {"format": "csv", "dataset": "small"}, headers=bearer(KEY)).json()["exportId"]
    path = f"/exports/{made}/links"
    headers = {**bearer(KEY), "Content-Type": "application/json"}
    link = call(service, path, method="POST", body=b'{"once": true}', headers=headers).json()
    assert call(service, link["url"]).status == 200
    assert call(service, f"{path}/{link['linkId']}", method="DELETE", headers=bearer(KEY)).status == 204
    told = [line for line in lines(log) if line.get("linkId") == link["linkId"]]
    assert [line["event"] for line in told] == ["link.made", "link.used", "link.revoked"]
    assert (told[0]["once"], told[0]["expiresAt"]) == (True, link["expiresAt"])
    assert {line["caller"] for line in told} == {"app"}


def test_names_cannot_make_lines(service: Service, log: Path) -> None:
    before = len(lines(log))
    post(service, {"format": "csv", "dataset": 'x"}\n{"event":"service.stopped"}\u2028\u202e'}, headers=bearer(KEY))
    call(service, "/exports/%0a%7b%22event%22:1%7d", headers=bearer(new_key()))
    assert {line["event"] for line in lines(log)[before:]} <= {"request.refused"}


def test_every_kind_of_event_is_told(service: Service, log: Path) -> None:
    """But for the end of the service, and of a time in which nothing could be written, which are below."""
    told = {
        line["event"]
        for path in log.parent.glob("*")
        if path.is_file() and path.suffix != ".toml"
        for line in lines(path)
    }
    assert told == {kind.name for kind in KINDS} - {"service.stopped", "log.resumed"}
    assert service.process.poll() is None


def test_values_are_told_where_that_is_set(records: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    with audited(records, tmp_path, log, audit_values="true", audit_fsync="true") as service:
        post(service, {"format": "csv", "filter": FILTER}, headers=bearer(KEY))
        long = {"column": "name", "op": "in", "value": ["x" * 50] * 500}
        made = post(service, {"format": "csv", "filter": [long, *FILTER]}, headers=bearer(KEY)).json()["exportId"]
    line, shortened = of(log, "export.created")
    assert (shortened["cut"], shortened["exportId"]) == (True, made)
    assert max(map(len, log.read_bytes().splitlines())) <= 16 << 10
    assert [term["value"] for term in line["datasets"][0]["filter"]] == [["1", "2", "3"], "the secret name"]
    assert [line["event"] for line in lines(log)][-1] == "service.stopped"


def refused_everywhere(service: Service, prepared: str) -> None:
    for path in ("/exports", f"/exports/{prepared}/download"):
        answer = (
            post(service, {"format": "csv"}, headers=bearer(KEY))
            if path == "/exports"
            else call(service, path, headers=bearer(KEY))
        )
        assert_problem(answer, 503, "audit-away", "the audit log cannot be written")
        assert answer.headers["retry-after"]
    assert_problem(call(service, "/health/ready"), 503, "audit-away")
    # Who only looks is let in, and who is refused is refused.
    assert call(service, "/datasets", headers=bearer(KEY)).status == 200
    assert call(service, "/datasets", headers=bearer(new_key())).status == 401


def prepared_file(service: Service) -> str:
    made = str(post(service, {"format": "csv", "delivery": "file"}, headers=bearer(KEY)).json()["exportId"])
    wait_for(lambda: call(service, f"/exports/{made}", headers=bearer(KEY)).json()["status"] == "completed")
    return made


def fill(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        with suppress(OSError):
            while os.write(descriptor, bytes(4096)):
                pass
    finally:
        os.close(descriptor)


def test_a_full_disk_refuses_exports_and_leaves_whole_lines(records: str, tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk", 1) as disk:
        log = disk / "audit.log"
        with audited(records, tmp_path, log) as service:
            prepared = prepared_file(service)
            stream = post(service, {"format": "csv"}, headers=bearer(KEY)).json()["exportId"]
            filler = disk / "filler"
            fill(filler)
            refusals = 0
            # The last page of the log may have room for some more lines.
            while call(service, f"/exports/{stream}/download", headers=bearer(KEY)).status == 200 and refusals < 200:
                refusals += 1
            refused_everywhere(service, prepared)
            assert_problem(call(service, f"/exports/{stream}/download", headers=bearer(KEY)), 503, "audit-away")
            lines(log)
            filler.unlink()
            wait_for(lambda: call(service, "/health/ready").status == 200)
            assert call(service, f"/exports/{stream}/download", headers=bearer(KEY)).status == 200
        told = lines(log)
        # What was refused meanwhile is told afterwards: the guess, and the runs that ended before they began.
        assert [line for line in told if line["event"] == "request.refused" and line["status"] == 401]
        ended = [line for line in told if line["event"] == "run.ended" and line.get("code") == "audit-away"]
        assert ended
        (resumed,) = [line for line in told if line["event"] == "log.resumed"]
        assert (resumed["reason"], resumed["lost"]) == ("No space left on device", 0)
        assert told.index(resumed) < told.index(ended[0])


def test_a_folder_that_is_gone_refuses_exports(records: str, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "audit.log"
    with audited(records, tmp_path, log) as service:
        prepared = prepared_file(service)
        folder.rename(tmp_path / "elsewhere")
        refused_everywhere(service, prepared)
        folder.mkdir()
        wait_for(lambda: call(service, "/health/ready").status == 200)
        assert post(service, {"format": "csv"}, headers=bearer(KEY)).status == 201


def test_a_pipe_that_nobody_reads_holds_nobody_up(records: str, tmp_path: Path) -> None:
    log = tmp_path / "pipe"
    os.mkfifo(log)
    with audited(records, tmp_path, log) as service:
        started = time.monotonic()
        assert_problem(post(service, {"format": "csv"}, headers=bearer(KEY)), 503, "audit-away")
        assert time.monotonic() - started < 30
        reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
        try:
            wait_for(lambda: call(service, "/health/ready").status == 200)
            assert post(service, {"format": "csv"}, headers=bearer(KEY)).status == 201
        finally:
            os.close(reader)


def test_a_torn_line_is_ended(records: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_bytes(b'{"event":"torn')
    with audited(records, tmp_path, log):
        wait_for(lambda: b"service.started" in log.read_bytes())
    first, *rest = log.read_bytes().splitlines()
    assert first == b'{"event":"torn'
    assert [json.loads(line)["event"] for line in rest] == ["service.started", "service.stopped"]


def test_two_services_share_a_file(records: str, tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    (tmp_path / "other").mkdir()
    with audited(records, tmp_path, log) as one, audited(records, tmp_path / "other", log) as two:
        made = [
            post(each, {"format": "csv"}, headers=bearer(KEY)).json()["exportId"]
            for _ in range(10)
            for each in (one, two)
        ]
    assert sorted(line["exportId"] for line in of(log, "export.created")) == sorted(made)


def test_standard_output_is_for_the_log_alone(records: str, tmp_path: Path) -> None:
    with audited(records, tmp_path, Path("-")) as service:
        post(service, {"format": "csv"}, headers=bearer(KEY))
        wait_for(lambda: '"event":"export.created"' in service.log())


@pytest.mark.parametrize("value", ["10.0.0.0/33", "proxy"])
def test_networks_are_checked(records: str, value: str) -> None:
    from tests.cli.helpers import complaint
    from tests.fixtures.process import cli

    said = complaint(cli("serve", dsn=records, env={"POLYGLOT_TRUSTED_PROXIES": value}), 2)
    assert "POLYGLOT_TRUSTED_PROXIES" in said
