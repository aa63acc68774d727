"""The audit log of a service that is a part of an app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export import SpecError
from polyglot_export.integrations import asgi
from tests.fixtures.process import free_port
from tests.mounted.running import App, ask, created, login, running, uvicorn
from tests.service.audited import lines
from tests.service.client import call

CONFIG = {"datasets": {"small": {"query": "select 1 as id"}}}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audit") / "audit.log"


@pytest.fixture(scope="module")
def audited(module_dsn: str, log: Path) -> Iterator[App]:
    """An app that trusts the proxies of this machine."""
    port = free_port()
    settings = {"audit_log": str(log), "trusted_proxies": "127.0.0.0/8"}
    with running(
        uvicorn(port, "tests.mounted.app:app", "--no-proxy-headers"), port, module_dsn, CONFIG, **settings
    ) as app:
        yield app


def test_the_caller_is_the_app_s(audited: App, log: Path) -> None:
    ann = login("ann@example.com") | {"X-Forwarded-For": "192.0.2.9"}
    made = created(audited, ann, dataset="small")
    assert ask(audited, f"/exports/{made}/download", ann).status == 200
    told = [line for line in lines(log) if line.get("exportId") == made]
    assert [line["event"] for line in told] == ["export.created", "run.begun", "run.ended"]
    assert {(line["caller"], line["address"]) for line in told} == {("ann@example.com", "192.0.2.9")}


def test_who_is_not_known_is_refused_and_told(audited: App, log: Path) -> None:
    assert ask(audited, "/exports/x/download", {"X-Forwarded-For": "192.0.2.8"}).status == 401
    assert ask(audited, "/metrics", login("ann")).status == 403
    first, second = [line for line in lines(log) if line["event"] == "request.refused"][-2:]
    assert (first["status"], first["path"], first["address"]) == (401, "/data/exports/x/download", "192.0.2.8")
    assert first["reason"] == "the app knows no caller of the request"
    assert (second["status"], second["path"]) == (403, "/data/metrics")


def test_what_the_app_itself_refuses_is_its_own_matter(audited: App, log: Path) -> None:
    before = len(lines(log))
    assert ask(audited, "/datasets", {"Login": "refused"}).status == 403
    assert call(audited.url, "/nothing").status == 404
    assert len(lines(log)) == before


def test_a_wrong_setting_is_said_when_the_app_is_made() -> None:
    with pytest.raises(SpecError, match="POLYGLOT_TRUSTED_PROXIES"):
        asgi(CONFIG, caller=lambda _: None, trusted_proxies="everybody")
