"""The life of a prepared file, and what is left of it when anything goes wrong."""

from __future__ import annotations

import hashlib
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export import open_export, parse_spec
from polyglot_export.service.background.preparations import AT_ONCE
from tests.fixtures.disk import small_file_system
from tests.fixtures.process import Service, serve
from tests.service.client import (
    GONE_SECONDS,
    PATIENCE,
    RawDownload,
    assert_problem,
    backends,
    call,
    create,
    job,
    kill_backends,
    post,
    wait_for,
    wait_for_status,
)
from tests.service.spooled import CONFIG, begun, closed_gate, get, path_of, prepare, serving, spooled


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module's service."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="module")
def service(records: str, folder: Path) -> Iterator[Service]:
    """A service with a spool, shared by the tests of this module."""
    with serving(records, folder) as running:
        yield running


# The life of a prepared file


def test_before_it_is_ready(service: Service, records: str, folder: Path) -> None:
    answer = post(service, {"format": "csv", "dataset": "slow", "delivery": "file"})
    assert (answer.status, answer.json()["status"], answer.json()["file"]) == (201, "pending", None)
    export_id = answer.json()["exportId"]
    wait_for(lambda: backends(records, export_id))
    assert job(service, export_id)["status"] == "running"
    for method in ("GET", "HEAD"):
        early = get(service, export_id, method)
        assert (early.status, early.headers["retry-after"]) == (409, "1")
    assert_problem(get(service, export_id), 409, "not-ready", "is being prepared")
    # Its owner cancels it.
    assert call(service, f"/exports/{export_id}", method="DELETE").status == 204
    assert wait_for(lambda: not backends(records, export_id)) < GONE_SECONDS
    shown = wait_for_status(service, export_id, "cancelled")
    wait_for(lambda: job(service, export_id)["runs"][0]["status"] == "cancelled")
    assert shown["file"] is None
    assert_problem(get(service, export_id), 409, "wrong-state", "was cancelled")
    assert not [name for name in spooled(folder) if export_id in name]


def test_what_waits_for_its_turn_is_pending(records: str, tmp_path: Path) -> None:
    """It waits longer than a download would, which finds room beside it; and ends at once."""
    with serving(records, tmp_path, queue_timeout=0.2, shutdown_grace=0.2) as service:
        running = [create(service, dataset="slow", delivery="file") for _ in range(AT_ONCE)]
        for export_id in running:
            wait_for(lambda export_id=export_id: backends(records, export_id))  # type: ignore[misc]  # bound now
        waiting, cancelled = (create(service, dataset="small", delivery="file") for _ in range(2))
        time.sleep(0.5)
        assert job(service, waiting)["status"] == "pending"
        early = get(service, waiting)
        assert_problem(early, 409, "not-ready", "waits to be prepared")
        assert early.headers["retry-after"] == "5"
        assert get(service, create(service, dataset="small")).status == 200
        assert call(service, f"/exports/{cancelled}", method="DELETE").status == 204
        assert (job(service, cancelled)["status"], job(service, cancelled)["runs"]) == ("cancelled", [])
        assert call(service, f"/exports/{running[0]}", method="DELETE").status == 204
        wait_for_status(service, waiting, "completed")
        assert [name for name in spooled(tmp_path) if not name.endswith(".part")] == [f"{waiting}.1"]
        assert "export not begun" not in service.log(), "the cancelled one waits for its turn no more"


def test_a_failure_is_told(service: Service, folder: Path) -> None:
    export_id = create(service, dataset="wrong", delivery="file")
    shown = wait_for_status(service, export_id, "failed")
    assert (shown["error"]["code"], shown["file"]) == ("statement-failed", None)
    assert_problem(get(service, export_id), 409, "wrong-state", "division by zero", "create a new one")
    assert not [name for name in spooled(folder) if export_id in name]


def test_a_lost_database_fails_it(service: Service, records: str, folder: Path) -> None:
    export_id = create(service, dataset="slow", delivery="file")
    wait_for(lambda: len(backends(records, export_id)) >= 2)
    kill_backends(records, export_id)
    wait_for_status(service, export_id, "failed")
    assert not [name for name in spooled(folder) if export_id in name]


def test_a_wrong_request_is_no_job(service: Service) -> None:
    assert_problem(
        post(service, {"format": "csv", "delivery": "post"}),
        400,
        "bad-request",
        "delivery",
        "'stream', 'file' or 'store'",
    )
    assert_problem(
        post(service, {"format": "csv", "delivery": "file", "columns": ["nothing"]}), 400, "bad-request", "nothing"
    )


def test_a_filter_that_does_not_fit_fails_the_job(service: Service) -> None:
    export_id = create(service, delivery="file", filter=[{"column": "id", "op": "=", "value": "x"}])
    assert wait_for_status(service, export_id, "failed")["error"]["code"] == "bad-request"


def test_deleting_removes_the_file(service: Service, folder: Path) -> None:
    export_id = prepare(service)
    with RawDownload(service, export_id, headers="Connection: close\r\n") as download:
        download.read_some(1000)
        assert call(service, f"/exports/{export_id}", method="DELETE").status == 204
        assert not [name for name in spooled(folder) if export_id in name]
        assert get(service, export_id).status == 404
        assert len(download.read_to_end()) > 60_000_000, "who reads it reads on"


def test_an_expired_file_goes(records: str, tmp_path: Path) -> None:
    with serving(records, tmp_path, job_retention=4) as service:
        export_id = prepare(service, dataset="small")
        assert spooled(tmp_path) == [f"{export_id}.1"]
        wait_for(lambda: spooled(tmp_path) == [])
        assert_problem(get(service, export_id), 410, "expired")
        assert job(service, export_id)["status"] == "expired"


def test_only_what_a_key_may_read(records: str, tmp_path: Path) -> None:
    key = {"reader": "pk_reader", "other": "pk_other"}
    tables = "".join(
        f'[keys.{name}]\nhash = "sha256:{hashlib.sha256(secret.encode()).hexdigest()}"\ndatasets = ["small"]\n'
        for name, secret in key.items()
    )
    config = tmp_path / "keys.toml"
    config.write_text(f"{CONFIG}\n{tables}columns = {{ small = ['id'] }}\n")
    with serving(records, tmp_path, config=config) as service:
        bearer = {name: {"Authorization": f"Bearer {secret}"} for name, secret in key.items()}
        answer = post(service, {"format": "csv", "dataset": "small", "delivery": "file"}, headers=bearer["other"])
        path = f"/exports/{answer.json()['exportId']}"
        wait_for(lambda: call(service, path, headers=bearer["other"]).json()["status"] == "completed")
        assert call(service, f"{path}/download", headers=bearer["other"]).body == b"id\n1\n2\n3\n"
        assert call(service, f"{path}/download", headers=bearer["reader"]).status == 404
        assert call(service, f"{path}/download").status == 401


# The spool


def test_a_spool_that_gets_full(records: str, tmp_path: Path) -> None:
    with serving(records, tmp_path, spool_limit="4MB") as service:
        kept = prepare(service, limit=30_000)
        large = create(service, delivery="file")
        shown = wait_for_status(service, large, "failed")
        assert shown["error"]["code"] == "spool-full"
        assert "POLYGLOT_SPOOL_LIMIT" in shown["error"]["message"]
        assert spooled(tmp_path) == [f"{kept}.1"]
        wait_for(lambda: not backends(records, large))
        assert get(service, kept).status == 200


def test_a_full_spool_takes_no_job(records: str, tmp_path: Path) -> None:
    with serving(records, tmp_path, spool_limit="20") as service:
        first = prepare(service, dataset="small", columns=["id"], options={"header": False, "lineEnd": "lf"}, limit=3)
        size = job(service, first)["file"]["size"]
        assert size < 20
        assert (
            wait_for_status(service, create(service, dataset="small", delivery="file"), "failed")["error"]["code"]
            == "spool-full"
        )
        path_of(tmp_path, first).write_bytes(bytes(20))
        refused = post(service, {"format": "csv", "delivery": "file"})
        assert_problem(refused, 503, "spool-full", "POLYGLOT_SPOOL_LIMIT")
        assert "retry-after" in refused.headers
        assert len(call(service, "/exports").json()["exports"]) == 2, "what was refused is no job"
        assert post(service, {"format": "csv"}).status == 201, "streams need no spool"
        assert call(service, f"/exports/{first}", method="DELETE").status == 204
        assert post(service, {"format": "csv", "delivery": "file"}).status == 201


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for two megabytes."""
    with small_file_system(tmp_path / "small", 2) as folder:
        yield folder


def test_a_full_disk(records: str, small_disk: Path, tmp_path: Path) -> None:
    with serving(records, tmp_path, spool_dir=small_disk / "spool") as service:
        kept = prepare(service, dataset="small")
        export_id = create(service, delivery="file")
        error = wait_for_status(service, export_id, "failed")["error"]
        assert (error["code"], error["message"]) == (
            "spool-full",
            "the disk of the spool is full (No space left on device)",
        )
        assert spooled(small_disk) == [f"{kept}.1"]
        assert wait_for(lambda: not backends(records, export_id)) < GONE_SECONDS
        assert get(service, kept).status == 200


# The end of the service


def test_an_orderly_end_lets_it_finish(records: str, tmp_path: Path) -> None:
    with serving(records, tmp_path, shutdown_grace=60) as service:
        with closed_gate(records):
            export_id = begun(service, records)
            service.process.send_signal(signal.SIGTERM)
            wait_for(lambda: "service is ending" in service.log())
            time.sleep(0.5)
        assert service.process.wait(timeout=PATIENCE) == 0
        assert re.search(f"export ended exportId={export_id} run=1 status=completed .*rows=3 ", service.log())
    assert list((tmp_path / "spool").iterdir()) == [], "the jobs were in memory"


def test_the_end_of_the_grace_stops_it(records: str, tmp_path: Path) -> None:
    env = {"TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    config = tmp_path / "polyglot.toml"
    config.write_text(CONFIG)
    with serve(records, env=env, config=config, shutdown_grace=0.5) as service:
        export_id = create(service, dataset="slow", delivery="file")
        wait_for(lambda: backends(records, export_id))
        wait_for(lambda: list((tmp_path / "tmp").glob("polyglot-spool-*/.*.part")))
        started = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(timeout=PATIENCE) == 0
        assert time.monotonic() - started < 25, "before the first row, which takes 30 seconds"
        assert re.search(f"export ended exportId={export_id} run=1 status=failed .*code=stopping", service.log())
        wait_for(lambda: not backends(records, export_id))
    assert not list((tmp_path / "tmp").glob("*polyglot-spool*"))


def test_what_a_killed_service_leaves_goes_at_the_next_start(records: str, tmp_path: Path) -> None:
    with serving(records, tmp_path) as service:
        done = prepare(service, dataset="small")
        create(service, dataset="slow", delivery="file")
        wait_for(lambda: len(spooled(tmp_path)) == 2)
        service.process.kill()
        service.process.wait()
    assert len(spooled(tmp_path)) == 2
    with serving(records, tmp_path) as service:
        wait_for(lambda: spooled(tmp_path) == [])
        assert call(service, f"/exports/{done}").status == 404
        prepare(service, dataset="small")
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_spool_that_cannot_be_ends_the_start(records: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(AssertionError, match="POLYGLOT_SPOOL_DIR") as caught,
        serving(records, tmp_path, spool_dir=tmp_path / "file"),
    ):
        pass
    assert "ended with 2" in str(caught.value)


# Elsewhere


def test_the_library_has_no_use_for_it(records: str) -> None:
    spec = parse_spec({"format": "csv", "dataset": "small", "delivery": "file"})
    with open_export(spec, dsn=records) as opened:
        assert b"".join(opened).startswith(b"id,name,amount\n1,one,1.5")
