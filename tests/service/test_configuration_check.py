"""A service with a wrong configuration says so, at its start and when it is asked whether it is ready."""

from __future__ import annotations

import signal
from pathlib import Path

import psycopg
import pytest

from polyglot_export.access.keys import hash_key
from tests.fixtures.process import serve
from tests.fixtures.proxy import Proxy
from tests.service.client import assert_problem, call, wait_for

SOME = """
[datasets.right]
table = "t"
[datasets.missing]
table = "nowhere"
[datasets.misspelt]
table = "t"
columns = ["id", "nmae"]
[datasets.broken]
query = "select * frm t"
"""
NONE = "[datasets.missing]\ntable = 'nowhere'\n"
KEY = f"[keys.k]\nhash = '{hash_key('secret')}'\n"


@pytest.fixture
def table(dsn: str, conn: psycopg.Connection) -> str:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id, 'one'::text AS name")
    return dsn


def written(folder: Path, text: str) -> Path:
    config = folder / "polyglot.toml"
    config.write_text(text)
    return config


def test_what_cannot_run_is_logged_and_told(table: str, tmp_path: Path) -> None:
    with serve(table, config=written(tmp_path, SOME)) as service:
        wait_for(lambda: service.log().count("cannot run") == 3)
        log = service.log()
        for words in ("name=missing", "name=misspelt", "'nmae'", "name=broken", "syntax error"):
            assert words in log
        assert 'checked what=dataset name=right found="table with 2 columns"' in log
        ready = call(service, "/health/ready")
        assert (ready.status, ready.json()) == (
            200,
            {"status": "degraded", "cannotRun": ["dataset missing", "dataset misspelt", "dataset broken"]},
        )
        assert call(service, "/health").json() == {"status": "healthy"}


def test_names_are_not_told_to_those_without_a_key(table: str, tmp_path: Path) -> None:
    with serve(table, config=written(tmp_path, SOME + KEY)) as service:
        wait_for(lambda: service.log().count("cannot run") == 3)
        assert call(service, "/health/ready").json() == {"status": "degraded", "cannotRun": ["dataset"]}


def test_a_service_that_can_run_nothing_is_not_ready(table: str, tmp_path: Path) -> None:
    with serve(table, config=written(tmp_path, NONE)) as service:
        wait_for(lambda: "cannot run" in service.log())
        assert_problem(call(service, "/health/ready"), 503, "misconfigured", "dataset missing")
        assert call(service, "/health/live").status == 200
    with serve(table, memory_limit="50MB") as service:
        wait_for(lambda: "cannot run" in service.log())
        assert_problem(call(service, "/health/ready"), 503, "misconfigured", "memory")


def test_a_database_that_comes_later_is_waited_for(proxy: Proxy, tmp_path: Path) -> None:
    proxy.reset_after(0)
    with serve(proxy.dsn, config=written(tmp_path, NONE)) as service:
        wait_for(lambda: "database out of reach" in service.log())
        assert "cannot run" not in service.log()
        proxy.heal()
        wait_for(lambda: "cannot run" in service.log())


def test_a_reload_is_checked(table: str, tmp_path: Path) -> None:
    config = written(tmp_path, "[datasets.right]\ntable = 't'\n")
    with serve(table, config=config) as service:
        wait_for(lambda: "name=right" in service.log())
        assert call(service, "/health/ready").json() == {"status": "healthy"}
        written(tmp_path, SOME)
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: service.log().count("cannot run") == 3)
        assert call(service, "/health/ready").json()["status"] == "degraded"
        written(tmp_path, "[datasets.right]\ntable = 't'\n")
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: call(service, "/health/ready").json() == {"status": "healthy"})
