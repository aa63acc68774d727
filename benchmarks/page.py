"""How quick the page is: ``python -m benchmarks.page [--write]`` measures it in Chromium, for docs/performance.md.

First view: from the navigation to the list of datasets, with nothing in the browser's cache; what that weighs on the
wire. Search: from a key to the list that it leaves, of 2,000 datasets. Columns: a dataset of 500, from the click to its
form. Preview: the service's answer for a table of a million rows.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psycopg
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.pages import write_into
from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records
from tests.clients.browser import browser_program
from tests.fixtures.process import serve

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
FEW, DATASETS, COLUMNS, ROWS, ROUNDS = 20, 2_000, 500, 1_000_000, 7
TYPED = "table_19"


def first_view(browser: Browser, url: str) -> tuple[float, int]:
    """Milliseconds and bytes."""
    context = browser.new_context()
    page = context.new_page()
    weights: list[int] = []
    page.on(
        "requestfinished",
        lambda request: weights.append(request.sizes()["responseBodySize"] + request.sizes()["responseHeadersSize"]),
    )
    page.goto(url)
    page.locator(".datasets a").first.wait_for()
    passed = float(page.evaluate("performance.now()"))
    page.wait_for_load_state("networkidle")
    context.close()
    return passed, sum(weights)


def searched(page: Page) -> list[float]:
    """Milliseconds of each key, its drawing included."""
    return [
        float(
            page.evaluate(
                """(text) => new Promise((told) => {
                    const input = document.querySelector("input[type=search]");
                    const begun = performance.now();
                    input.value = text;
                    input.dispatchEvent(new Event("input"));
                    requestAnimationFrame(() => setTimeout(() => told(performance.now() - begun)));
                })""",
                TYPED[:end],
            )
        )
        for end in range(1, len(TYPED) + 1)
    ]


def opened(page: Page, name: str) -> float:
    """Milliseconds from the choice to the form."""
    begun = time.perf_counter()
    page.evaluate("name => { location.hash = new URLSearchParams({dataset: name}); }", name)
    page.locator(".columns li").nth(1).wait_for(state="attached")
    page.locator(".preview tbody, .preview .hint").first.wait_for(state="attached")
    return 1000 * (time.perf_counter() - begun)


def measured() -> list[tuple[str, str]]:
    """What, and how quick."""
    with EmbeddedServer() as server, sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        fill_records(server.dsn(), ROWS, lambda _: None)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute("SET max_parallel_workers = 0; ANALYZE")
            columns = ", ".join(f"column_{number} int" for number in range(COLUMNS))
            connection.execute(f"CREATE TABLE wide ({columns})".encode())
            for number in range(DATASETS - 2):
                connection.execute(f"CREATE TABLE table_{number} (id int, name text, at timestamptz)".encode())
            connection.execute("CREATE DATABASE few")
        with psycopg.connect(server.dsn("few"), autocommit=True) as connection:
            for number in range(FEW):
                connection.execute(f"CREATE TABLE table_{number} (id int, name text, at timestamptz)".encode())
        with serve(server.dsn(), workers=2, cwd=Path(folder)) as service:
            browser = playwright.chromium.launch(executable_path=browser_program(), args=["--no-sandbox"])
            views = [first_view(browser, service.url) for _ in range(ROUNDS)]
            with serve(server.dsn("few"), workers=2, cwd=Path(folder)) as other:
                few = [first_view(browser, other.url) for _ in range(ROUNDS)]
            page = browser.new_page()
            page.goto(service.url)
            page.locator(".datasets a").first.wait_for()
            keys = searched(page)
            wide = [opened(page, name) for name in ("wide", "table_1", "wide", "table_2", "wide")][::2]
            looks = []
            for _ in range(ROUNDS):
                begun = time.perf_counter()
                page.request.get(f"{service.url}/datasets/records/preview")
                looks.append(1000 * (time.perf_counter() - begun))
            browser.close()
    return [
        (f"first view with {FEW} datasets", _shown(few)),
        (f"first view with {DATASETS:,} datasets", _shown(views)),
        (f"a key in the search of {DATASETS:,} datasets", f"{median(keys):.0f} ms, slowest {max(keys):.0f} ms"),
        (f"a dataset of {COLUMNS} columns", f"{median(wide):.0f} ms"),
        (f"a preview of {ROWS:,} rows", f"{median(looks):.0f} ms"),
    ]


def _shown(views: list[tuple[float, int]]) -> str:
    return f"{median(ms for ms, _ in views):.0f} ms, {views[0][1] / 1000:.0f} kB"


def main(arguments: list[str] | None = None) -> int:
    """Measure; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    given = parser.parse_args(arguments)
    rows = measured()
    table = "\n".join(["| | |", "| --- | --- |", *(f"| {what} | {how} |" for what, how in rows)])
    print(table)
    if given.write:
        write_into(PAGE, "page", table, "python -m benchmarks.page --write")
    return 0


if __name__ == "__main__":
    sys.exit(main())
