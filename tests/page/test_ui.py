"""``polyglot ui``: service and page for one person, and nobody else."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from pathlib import Path
from urllib.parse import unquote

import psycopg
from playwright.sync_api import Browser, expect

from tests.fixtures.process import cli, start_cli
from tests.page.conftest import Stage
from tests.service.client import call, wait_for


def test_a_page_for_one_person(stage: Stage, browser: Browser, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    # In the foreground, as those of a terminal are.
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}\nexec sleep 600\n')
    program.chmod(0o755)
    with psycopg.connect(stage.dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA IF NOT EXISTS sales; CREATE TABLE IF NOT EXISTS sales.offers AS SELECT 1 AS id"
        )
    kept = tmp_path / "kept"
    kept.mkdir()
    # What is meant for a service that others use, of which there is none here.
    others = {
        "REDIS_URL": "redis://127.0.0.1:1",
        "METRICS_PUBLIC": "true",
        "PAGE": "off",
        "ROOT_PATH": "/elsewhere",
        "SPOOL_DIR": str(tmp_path / "spool"),
        "AUDIT_LOG": str(tmp_path / "audit.log"),
        "MAX_JOBS": "none",
    }
    env = {f"POLYGLOT_{name}": value for name, value in others.items()} | {"TMPDIR": str(kept)}
    with start_cli("ui", dsn=stage.dsn, env={**env, "BROWSER": f"{program} %s"}) as process:
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        address = re.search(r"http://127\.0\.0\.1:\d+/#key=\S+", line)
        assert address is not None, line
        # No argument of a program has the key; the file that has it is for nobody else, and goes at the end.
        wait_for(lambda: opened.exists() and opened.read_text().strip().startswith("file://"))
        file = Path(unquote(opened.read_text().strip().removeprefix("file://")))
        assert address[0].partition("key=")[2].partition("&")[0] not in opened.read_text()
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        url = address[0].partition("/#")[0]
        # Another user of the machine has no key.
        assert call(url, "/datasets").status == 401
        assert call(url, "/metrics").status == 401
        bearer = {"Authorization": f"Bearer {address[0].partition('key=')[2].partition('&')[0]}"}
        made = call(
            url,
            "/exports",
            method="POST",
            body=json.dumps({"format": "csv", "dataset": "sales.offers", "delivery": "file"}).encode(),
            headers={**bearer, "Content-Type": "application/json"},
        )
        path = f"/exports/{made.json()['exportId']}"
        wait_for(lambda: call(url, path, headers=bearer).json()["status"] == "completed")
        assert any(kept.glob("polyglot-spool-*/*")), list(kept.iterdir())
        context = browser.new_context()
        page = context.new_page()
        page.goto(file.as_uri())
        # All schemas that the login may read, and an administrator's view.
        expect(page.get_by_role("region", name="Datasets")).to_contain_text("sales.offers")
        expect(page.get_by_role("link", name="Overview")).to_be_visible()
        assert "key=" not in page.url
        page.reload()
        expect(page.get_by_role("region", name="Datasets")).to_contain_text("sales.offers")
        context.close()
        # Its terminal was closed.
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=30) == 0
        os.killpg(process.pid, signal.SIGKILL)
        assert b"Traceback" not in process.stderr.read()
    assert list(kept.iterdir()) == []
    assert not (tmp_path / "audit.log").exists()


def test_sizes_are_those_of_the_shell_and_other_signals_end_it(stage: Stage, tmp_path: Path) -> None:
    wrong = cli("ui", "--no-browser", dsn=stage.dsn, env={"POLYGLOT_WORKERS": "many"})
    assert wrong.returncode == 2
    assert b"POLYGLOT_WORKERS" in wrong.stderr
    for number in (signal.SIGINT, signal.SIGQUIT):
        with start_cli("ui", "--no-browser", dsn=stage.dsn, env={"TMPDIR": str(tmp_path)}) as process:
            assert process.stderr is not None
            assert b"http://127.0.0.1:" in process.stderr.readline()
            process.send_signal(number)
            assert process.wait(timeout=30) == 0
            assert b"Traceback" not in process.stderr.read()
        assert list(tmp_path.iterdir()) == []


def test_it_says_what_it_is() -> None:
    text = cli("ui", "--help").stdout.decode()
    assert "for you alone" in text
    assert "--no-browser" in text
