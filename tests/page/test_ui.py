"""``polyglot ui``: service and page for one person, and nobody else."""

from __future__ import annotations

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
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    program.chmod(0o755)
    with psycopg.connect(stage.dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE SCHEMA IF NOT EXISTS sales; CREATE TABLE IF NOT EXISTS sales.offers AS SELECT 1 AS id"
        )
    with start_cli("ui", dsn=stage.dsn, env={"BROWSER": f"{program} %s"}) as process:
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
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) in (0, 130, -signal.SIGINT)
        assert b"Traceback" not in process.stderr.read()
    assert not file.parent.exists()


def test_it_says_what_it_is() -> None:
    text = cli("ui", "--help").stdout.decode()
    assert "for you alone" in text
    assert "--no-browser" in text
