"""The page before two replicas that share their jobs through Redis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

from tests.fixtures.process import serve
from tests.fixtures.redis import RedisServer
from tests.page.conftest import KEY, Stage
from tests.page.test_page import oracle
from tests.service.client import wait_for


def test_what_one_replica_has_made_another_one_gives(
    browser: Browser, stage: Stage, shared_redis: RedisServer, tmp_path: Path
) -> None:
    shared: dict[str, Any] = {
        "redis_url": shared_redis.url,
        "redis_prefix": "page:",
        "spool_dir": tmp_path,
        "link_secret": "s" * 32,
    }
    with (
        serve(stage.dsn, config=stage.config, workers=2, **shared) as one,
        serve(stage.dsn, config=stage.config, workers=2, **shared) as other,
    ):
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{one.url}/#key={KEY}&dataset=orders")
        page.get_by_role("row").nth(3).wait_for()
        page.get_by_role("button", name="Prepare in the background").click()
        expect(page.locator("article.run strong").first).to_have_text("Ready.", timeout=30_000)
        page.goto(f"{other.url}/#key={KEY}")
        page.get_by_role("link", name="History").click()
        row = page.get_by_role("row").filter(has_text="prepared").first
        expect(row).to_contain_text("60,000")
        with page.expect_download() as download:
            row.get_by_role("button", name="Download").click()
        assert Path(download.value.path()).read_bytes() == oracle(stage, "SELECT * FROM orders")
        row.get_by_role("button", name="Delete").click()
        expect(page.get_by_role("row").filter(has_text="prepared")).to_have_count(0)
        wait_for(lambda: not list(tmp_path.rglob("*.1")))
        context.close()
