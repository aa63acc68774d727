"""Make the pictures of the page in docs/images: ``python -m tests.page.screenshots``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, sync_playwright

from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records
from tests.clients.browser import browser_program
from tests.fixtures.process import serve

FOLDER = Path(__file__).parents[2] / "docs" / "images"
ROWS = 200_000
VIEWS = {"light": (1280, 860), "dark": (1280, 860), "phone": (390, 844)}
TABLES = """
COMMENT ON TABLE records IS 'Every record of the demo';
CREATE TABLE customers AS SELECT g AS id, 'Customer ' || g AS name FROM generate_series(1, 5000) AS g;
CREATE VIEW large_records AS SELECT * FROM records WHERE value > 0;
CREATE MATERIALIZED VIEW per_day AS SELECT created_at::date AS day, count(*) FROM records GROUP BY 1;
ANALYZE
"""


def main() -> int:
    """Write them; gives the exit code."""
    FOLDER.mkdir(exist_ok=True)
    with EmbeddedServer() as server, sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        fill_records(server.dsn(), ROWS, lambda _: None)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(TABLES.encode())
        with serve(server.dsn(), workers=2, cwd=Path(folder)) as service:
            browser = playwright.chromium.launch(executable_path=browser_program(), args=["--no-sandbox"])
            for name, (width, height) in VIEWS.items():
                _shoot(browser, service.url, name, width, height)
            browser.close()
    return 0


def _shoot(browser: Browser, url: str, name: str, width: int, height: int) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if name == "dark" else "light"
    )
    page = context.new_page()
    page.goto(f"{url}/#dataset=records")
    page.get_by_role("row").nth(3).wait_for()
    if name == "light":
        page.get_by_role("button", name="Prepare in the background").click()
        page.get_by_text("Ready.").first.wait_for()
        page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(300)
    page.screenshot(path=FOLDER / f"page-{name}.png")
    context.close()


if __name__ == "__main__":
    sys.exit(main())
