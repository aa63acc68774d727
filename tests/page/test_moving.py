"""Moving about on the page: what was asked for last is what is shown, and nothing that was typed gets lost."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlencode

import psycopg
from playwright.sync_api import Page, Route, expect

from tests.page.conftest import KEY, Stage
from tests.page.test_page import choose, downloaded, ended, looked_at, panel, settled
from tests.service.client import call, wait_for


def test_the_view_that_was_asked_for_last_is_the_one_shown(page: Page, stage: Stage) -> None:
    """Although the one before it is still waiting for its answer."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/datasets?**", hold)
    page.goto("about:blank")
    page.goto(f"{stage.service.url}/#key={KEY}")
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("heading", name="History", level=1)).to_be_visible()
    with page.expect_response("**/datasets?**"):
        for each in held:
            each.continue_()
    page.evaluate("new Promise((go) => setTimeout(go, 200))")
    expect(page.get_by_role("heading", name="History", level=1)).to_be_visible()
    assert page.title().startswith("History")


def test_start_anew_and_the_same_dataset_again(page: Page) -> None:
    """Both mean the dataset as it was in the beginning."""
    choose(page, "orders")
    box = page.get_by_role("checkbox", name="Export paid", exact=True)
    start_anew = page.get_by_role("button", name="Start anew")
    the_same = page.get_by_role("region", name="Datasets").get_by_role("link", name="orders").first
    for again in (start_anew, the_same):
        box.uncheck()
        expect(page.locator("details.panel summary").filter(has_text="Columns")).to_contain_text("9 of 10")
        again.click()
        expect(box).to_be_checked()
        assert "spec" not in page.url


def test_a_search_outlives_a_choice_and_the_keyboard_stays_where_it_was(page: Page) -> None:
    search = page.get_by_role("searchbox", name="Search datasets")
    search.fill("o")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="orders", exact=True, level=1).wait_for()
    expect(search).to_have_value("o")
    expect(page.get_by_role("region", name="Datasets").get_by_role("link", name="orders")).to_be_focused()


def test_progress_is_told_where_no_stream_of_events_can_be_had(page: Page) -> None:
    """As with too many of them (503), or behind a proxy that lets none through."""
    page.route("**/events", lambda route: route.fulfill(status=503, body=""))
    choose(page, "orders")
    page.get_by_role("button", name="Prepare in the background").click()
    ended(page, "Ready.")


def test_an_address_that_makes_no_sense_does_no_harm(page: Page, stage: Stage) -> None:
    wrong = {
        "columns": 5,
        "filter": "x",
        "orderBy": {"a": 1},
        "limit": [],
        "options": None,
        "format": "nonsense",
        "more": 1,
    }
    for spec in (json.dumps(wrong), "{", "[]", "null", '{"filter": [5], "columns": [null], "orderBy": ["x"]}'):
        page.goto("about:blank")
        page.goto(f"{stage.service.url}/#{urlencode({'dataset': 'orders', 'spec': spec})}")
        dialog = page.get_by_role("dialog")
        expect(dialog.or_(page.get_by_role("heading", name="orders", exact=True, level=1)).first).to_be_visible()
        if dialog.is_visible():
            page.get_by_label("Key", exact=True).fill(KEY)
            page.get_by_role("button", name="Continue").click()
        settled(page)
        expect(page.get_by_role("region", name="First rows").get_by_role("row")).to_have_count(21)


def test_another_dataset_ends_the_look_at_the_one_before(page: Page, stage: Stage) -> None:
    with psycopg.connect(stage.dsn, autocommit=True) as connection:

        def looks() -> int:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query ~ 'pause' AND pid <> pg_backend_pid()"
            ).fetchone()
            assert row is not None
            return int(row[0])

        aborted: list[str] = []
        page.on("requestfailed", lambda request: aborted.append(request.url))
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route("**/datasets/slow/preview**", hold)
        page.get_by_role("link", name="slow").click()
        page.get_by_role("heading", name="slow", exact=True, level=1).wait_for()
        wait_for(lambda: page.evaluate("1") and held)
        choose(page, "orders")
        assert any("slow/preview" in url for url in aborted)
        assert looks() == 0
    assert call(stage.service, "/health/ready").status == 200


def test_the_limit_of_a_link_is_told(page: Page) -> None:
    """A link never lives longer than its file; asking for more says so, or gives what there is."""
    choose(page, "orders")
    page.get_by_role("button", name="Prepare in the background").click()
    ended(page, "Ready.")
    page.get_by_role("button", name="Link for a colleague").click()
    page.get_by_label("It holds for").select_option("a week")
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("dialog").locator("code")).to_be_visible()
    page.keyboard.press("Escape")
    panel(page, "Columns")


def test_a_look_for_which_there_is_no_place_yet_is_asked_for_again(page: Page) -> None:
    """Others may look with the same key, and what the last choice began may not have ended yet."""
    asked: list[str] = []

    def busy_at_first(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            return route.continue_()
        body = json.dumps({"status": 503, "code": "busy", "detail": "2 previews of a caller are made at a time"})
        return route.fulfill(status=503, content_type="application/problem+json", body=body)

    page.route("**/preview**", busy_at_first)
    page.get_by_role("link", name="orders").first.click()
    expect(page.get_by_role("region", name="First rows").get_by_role("row")).to_have_count(21)
    assert len(asked) == 2


def test_a_row_that_is_too_large_to_be_shown(page: Page, stage: Stage) -> None:
    """It is not said that there is none. A row that is only wide is shown, its long value in part."""
    with psycopg.connect(stage.dsn, autocommit=True) as connection:
        connection.execute("UPDATE wide SET column_1 = 1")
        connection.execute("ALTER TABLE wide ADD COLUMN huge text")
        connection.execute("UPDATE wide SET huge = repeat('x', 200000)")
    choose(page, "wide")
    expect(page.get_by_role("region", name="First rows").get_by_role("row")).to_have_count(2)
    with psycopg.connect(stage.dsn, autocommit=True) as connection:
        connection.execute("UPDATE wide SET huge = repeat('x', 5000000)")
    choose(page, "orders")
    choose(page, "wide")
    expect(page.get_by_role("region", name="First rows")).to_contain_text("too large to be shown")
    with psycopg.connect(stage.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE wide DROP COLUMN huge")


def test_delivered_files_are_downloaded_from_the_history(page: Page) -> None:
    choose(page, "orders")
    page.get_by_role("button", name="Deliver into").click()
    ended(page, "Delivered.")
    file = downloaded(page)
    page.get_by_role("link", name="History").click()
    row = page.get_by_role("row").filter(has_text="delivered").first
    row.get_by_role("button", name="Files").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("60,000 rows")
    looked_at(page, "files")
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_bytes() == file


def test_the_search_works_with_another_key(page: Page) -> None:
    """The list is that of the key before, until another view is opened."""
    asked: list[str] = []

    def refused_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:
            return route.continue_()
        return route.fulfill(status=401, content_type="application/problem+json", body='{"code": "unauthorized"}')

    page.route("**/preview**", refused_once)
    page.get_by_role("link", name="orders").first.click()
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("region", name="First rows").get_by_role("row")).to_have_count(21)
    page.get_by_role("searchbox", name="Search datasets").fill("breaks")
    expect(page.get_by_role("region", name="Datasets").get_by_role("link")).to_have_count(1)
