"""The page as a person uses it: choose, preview, run, take elsewhere, look back."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import psycopg
import pyarrow.parquet
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from polyglot_export.access.keys import hash_key
from tests.fixtures.process import environment
from tests.library.helpers import copied
from tests.page.conftest import ADMIN, BRIEF, EVIL, KEY, Stage
from tests.service.client import call, wait_for

AXE = Path(__file__).parents[2] / ".build" / "clients" / "npm" / "node_modules" / "axe-core" / "axe.min.js"


def choose(page: Page, name: str) -> None:
    page.get_by_role("searchbox", name="Search datasets").fill(name)
    page.get_by_role("region", name="Datasets").get_by_role("link").first.click()
    page.get_by_role("heading", name=name, exact=True, level=1).wait_for()
    settled(page)


def settled(page: Page) -> None:
    """Until what is previewed is what is chosen."""
    page.wait_for_timeout(300)
    expect(page.get_by_role("region", name="Preview")).not_to_have_attribute("aria-busy", "true")


def panel(page: Page, name: str) -> Locator:
    """A panel by its title, open."""
    found = page.locator("details.panel").filter(has=page.locator("summary", has_text=name)).first
    if found.get_attribute("open") is None:
        found.locator("summary").first.click()
    return found


def written(page: Page) -> str:
    page.get_by_role("tab", name="As written").click()
    return page.get_by_role("region", name="Beginning of the file").inner_text()


def downloaded(page: Page, button: str = "Download") -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).first.click()
    return Path(download.value.path()).read_bytes()


def ended(page: Page, how: str) -> None:
    """The latest run is over, in this way."""
    expect(page.locator("article.run strong").first).to_have_text(how, timeout=30_000)


def oracle(stage: Stage, query: str) -> bytes:
    with psycopg.connect(stage.dsn) as connection:
        return copied(connection, query)


def test_choose_look_and_download(page: Page, stage: Stage) -> None:
    choose(page, "orders")
    assert KEY not in page.url
    rows = page.get_by_role("region", name="First rows")
    expect(rows.get_by_role("row")).to_have_count(21)
    # Every digit, where JavaScript has fewer.
    expect(rows.get_by_role("row").nth(1)).to_contain_text("1.30")
    expect(rows.get_by_role("row").nth(1)).to_contain_text("9007199254740994")
    expect(page.get_by_text(re.compile("About 60,000 rows"))).to_be_visible()
    whole = oracle(stage, "SELECT * FROM orders")
    assert whole.decode().startswith(written(page).rstrip("…"))
    assert downloaded(page) == whole
    ended(page, "Complete.")
    expect(page.get_by_text("60,000 rows").last).to_be_visible()


def test_columns_filter_order_and_limit(page: Page, stage: Stage) -> None:
    choose(page, "orders")
    columns = panel(page, "Columns")
    columns.get_by_role("button", name="None").click()
    expect(page.get_by_role("alert").first).to_contain_text("at least one column")
    for name in ("id", "total", "state"):
        columns.get_by_role("checkbox", name=f"Export {name}", exact=True).check()
    columns.get_by_role("textbox", name="Name of total in the file").fill("amount")
    grip = columns.get_by_role("button", name="Move state:")
    grip.focus()
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    expect(page.locator("#status")).to_contain_text("state is column 1")
    filters = panel(page, "Filter")
    filters.get_by_role("button", name="Add a filter").click()
    filters.get_by_role("combobox", name="Column of the filter").select_option("ordered_on")
    filters.get_by_role("combobox", name="Operator").select_option("between")
    filters.get_by_label("From", exact=True).fill("2026-01-05")
    filters.get_by_label("To", exact=True).fill("2026-01-06")
    filters.get_by_role("button", name="Add a filter").click()
    filters.get_by_role("combobox", name="Column of the filter").last.select_option("state")
    filters.get_by_role("combobox", name="Operator").last.select_option("in")
    filters.get_by_role("textbox", name="Values, one in each line").fill("open\nsent")
    order = panel(page, "Order and limit")
    order.get_by_role("button", name="Sort by a column").click()
    order.get_by_role("combobox", name="Direction").select_option("desc")
    order.get_by_label("At most this many rows").fill("50")
    settled(page)
    query = (
        "SELECT state, id, total AS amount FROM orders WHERE ordered_on BETWEEN '2026-01-05' AND '2026-01-06'"
        " AND state IN ('open', 'sent') ORDER BY id DESC LIMIT 50"
    )
    expected = oracle(stage, query)
    assert expected.decode().startswith(written(page))
    # What is chosen is in the address, and the key is not: it was in the memory of the page alone.
    page.reload()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key", exact=True).fill(KEY)
    dialog.get_by_role("button", name="Continue").click()
    page.get_by_role("row").nth(3).wait_for()
    settled(page)
    assert expected.decode().startswith(written(page))
    assert downloaded(page) == expected


def test_formats_options_and_names(page: Page) -> None:
    choose(page, "orders")
    page.get_by_label("Format", exact=True).select_option(label="CSV")
    page.get_by_text("Options of the format").click()
    page.get_by_label("Delimiter", exact=True).fill(";")
    page.get_by_label("Name of the file").fill("Käse")
    settled(page)
    assert written(page).startswith("id;customer;total")
    page.get_by_label("Format", exact=True).select_option(label="Parquet")
    expect(page.get_by_label("Compression of the file")).to_be_hidden()
    settled(page)
    assert "no text" in written(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == "Käse.parquet"
    assert pyarrow.parquet.read_table(download.value.path()).num_rows == 60_000


def test_lists_names_and_endings_of_every_format(page: Page, stage: Stage, tmp_path: Path) -> None:
    choose(page, "orders")
    page.get_by_text("Options of the format").click()
    page.get_by_label("Force quote", exact=True).fill("customer, state")
    settled(page)
    assert '"Customer 1"' in written(page)
    panel(page, "Order and limit").get_by_label("At most this many rows").fill("3")
    elsewhere = panel(page, "Take it elsewhere")
    env = environment(stage.dsn)
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    for label, ending in (("Arrow", ".arrows"), ("Feather", ".feather"), ("Parquet", ".parquet"), ("TSV", ".tsv")):
        page.get_by_label("Format", exact=True).select_option(label=label)
        text = elsewhere.get_by_label("Command line", exact=True).inner_text()
        done = subprocess.run(["bash", "-euc", text], check=False, cwd=tmp_path, env=env, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        assert (tmp_path / f"orders{ending}").stat().st_size > 0


def test_a_configured_query_asks_for_its_parameters(page: Page, stage: Stage) -> None:
    choose(page, "of_state")
    expect(page.get_by_text("Give a value for state first.")).to_be_visible()
    page.get_by_label("state", exact=True).fill("paid")
    settled(page)
    query = "SELECT id, state FROM orders WHERE state = 'paid' ORDER BY id LIMIT 5"
    assert written(page) == oracle(stage, query).decode()
    elsewhere = panel(page, "Take it elsewhere")
    # Only the service knows the query.
    expect(elsewhere.get_by_role("heading")).to_have_text(["curl"])


def test_prepared_kept_repeated_linked_and_deleted(page: Page, stage: Stage) -> None:
    choose(page, "orders")
    panel(page, "Order and limit").get_by_label("At most this many rows").fill("1000")
    settled(page)
    page.get_by_role("button", name="Prepare in the background").click()
    ended(page, "Ready.")
    expected = oracle(stage, "SELECT * FROM orders LIMIT 1000")
    page.get_by_role("link", name="History").click()
    row = page.get_by_role("row").filter(has_text="prepared").first
    expect(row).to_contain_text("completed")
    expect(row).to_contain_text("1,000")
    expect(row).to_contain_text("ann")
    with page.expect_download() as download:
        row.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_bytes() == expected
    row.get_by_role("button", name="Link").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("It holds for").select_option(label="a day")
    dialog.get_by_label("For one download only").check()
    dialog.get_by_role("button", name="Make the link").click()
    url = dialog.locator("code").inner_text()
    # A colleague without a key.
    assert call(url.rpartition("/links/")[0], f"/links/{url.rpartition('/')[2]}").body == expected
    assert call(url.rpartition("/links/")[0], f"/links/{url.rpartition('/')[2]}").status == 410
    dialog.get_by_role("button", name="Close").click()
    row.get_by_role("button", name="Repeat").click()
    settled(page)
    expect(page.get_by_label("At most this many rows")).to_have_value("1000")
    page.get_by_role("link", name="History").click()
    page.get_by_role("heading", name="History").wait_for()
    page.get_by_label("Dataset", exact=True).fill("orders")
    page.get_by_label("State", exact=True).select_option("completed")
    prepared = page.get_by_role("row").filter(has_text="prepared")
    expect(prepared.first).to_be_visible()
    bearer = {"Authorization": f"Bearer {KEY}"}
    listed = call(stage.service, "/exports?dataset=orders&status=completed", headers=bearer).json()["exports"]
    # The list as it is with both filters.
    expect(page.get_by_role("region", name="Exports").locator("tbody tr")).to_have_count(min(25, len(listed)))
    prepared.first.get_by_role("button", name="Delete").click()
    gone = {each["exportId"] for each in listed if each["spec"]["delivery"] == "file"}
    wait_for(lambda: any(call(stage.service, f"/exports/{each}", headers=bearer).status == 404 for each in gone))


def test_a_delivery(page: Page, stage: Stage) -> None:
    choose(page, "orders")
    # A name is for a file that is downloaded, and does not stand in the way here.
    page.get_by_label("Name of the file").fill("mine")
    page.get_by_role("button", name="Deliver into").click()
    ended(page, "Delivered.")
    found = max(stage.lake.rglob("*.csv"), key=lambda file: file.stat().st_mtime_ns)
    assert found.read_bytes() == oracle(stage, "SELECT * FROM orders")


def test_what_breaks_is_shown_as_broken(page: Page) -> None:
    choose(page, "breaks")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    card = page.locator("article.run").first
    expect(card).to_contain_text("Broken: the file is not whole.")
    expect(card).to_contain_text("division by zero")
    assert download.value.failure() is not None


def test_progress_and_cancel(page: Page) -> None:
    choose(page, "slow")
    expect(page.get_by_role("region", name="Preview")).to_contain_text("id")
    page.get_by_role("button", name="Prepare in the background").click()
    card = page.locator("article.run").first
    expect(card.get_by_role("progressbar")).to_be_visible()
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelled.")


@pytest.mark.parametrize("form", ["curl", "Command line", "Python"])
def test_taken_elsewhere_it_is_the_same(page: Page, stage: Stage, tmp_path: Path, form: str) -> None:
    choose(page, "orders")
    filters = panel(page, "Filter")
    filters.get_by_role("button", name="Add a filter").click()
    filters.get_by_role("combobox", name="Column of the filter").select_option("customer")
    filters.get_by_role("textbox", name="Value", exact=True).fill("Customer 7")
    columns = panel(page, "Columns")
    columns.get_by_role("checkbox", name="Export doc", exact=True).uncheck()
    columns.get_by_role("textbox", name="Name of customer in the file").fill('it\'s "who" $(id) `id` \\')
    settled(page)
    text = panel(page, "Take it elsewhere").get_by_label(form, exact=True).inner_text()
    assert KEY not in text
    command = [sys.executable, "-c", text] if form == "Python" else ["bash", "-euc", text]
    env = environment(stage.dsn, {"POLYGLOT_KEY": KEY})
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    done = subprocess.run(command, check=False, cwd=tmp_path, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    query = (
        'SELECT id, customer AS "it\'s ""who"" $(id) `id` \\", total, state, paid, ordered_on, at, tags, big FROM orders'
        " WHERE customer = 'Customer 7'"
    )
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == oracle(stage, query)


def test_names_and_comments_stay_text(page: Page) -> None:
    page.get_by_role("searchbox", name="Search datasets").fill("img")
    expect(page.get_by_role("region", name="Datasets")).to_contain_text(EVIL)
    page.get_by_role("region", name="Datasets").get_by_role("link").first.click()
    expect(page.get_by_role("region", name="First rows")).to_contain_text("<script>document.title = 1</script>")
    expect(page.get_by_role("region", name="First rows")).to_contain_text("<i>col</i>")
    choose(page, "orders")
    expect(page.get_by_text("Every order <script>document.title = 1</script>").first).to_be_visible()
    assert page.title() == "Polyglot Export"
    assert page.locator("img, script:not([src])").count() == 0


def test_a_key_that_ends_is_asked_for_again(page: Page, stage: Stage) -> None:
    stage.configure(f'[keys.brief]\nhash = "{hash_key(BRIEF)}"\n')
    stage.service.process.send_signal(signal.SIGHUP)
    bearer = {"Authorization": f"Bearer {BRIEF}"}
    wait_for(lambda: call(stage.service, "/caller", headers=bearer).status == 200)
    page.get_by_role("button", name="Forget key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Key", exact=True).fill("wrong")
    dialog.get_by_role("button", name="Continue").click()
    expect(dialog).to_contain_text("not known any more")
    dialog.get_by_label("Key", exact=True).fill(BRIEF)
    dialog.get_by_role("button", name="Continue").click()
    choose(page, "orders")
    panel(page, "Order and limit").get_by_label("At most this many rows").fill("3")
    settled(page)
    stage.configure()
    stage.service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: call(stage.service, "/caller", headers=bearer).status == 401)
    page.get_by_label("At most this many rows").fill("4")
    expect(dialog).to_contain_text("what you have chosen stays")
    dialog.get_by_label("Key", exact=True).fill(KEY)
    dialog.get_by_role("button", name="Continue").click()
    settled(page)
    expect(page.get_by_label("At most this many rows")).to_have_value("4")
    expect(page.get_by_role("region", name="First rows").get_by_role("row")).to_have_count(5)
    # In the memory of the page alone.
    assert page.evaluate("Object.keys(sessionStorage).length + Object.keys(localStorage).length") == 0


def test_an_administrator_sees_all(page: Page, stage: Stage) -> None:
    expect(page.get_by_role("link", name="Overview")).to_be_hidden()
    made = call(
        stage.service,
        "/exports",
        method="POST",
        body=b'{"format": "csv", "dataset": "orders"}',
        headers={"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    assert made.status == 201
    page.goto("about:blank")
    page.goto(f"{stage.service.url}/#key={ADMIN}")
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_text("Memory for exports")).to_be_visible()
    page.get_by_role("link", name="History").click()
    expect(page.get_by_role("row").filter(has_text="ann").first).to_be_visible()


def test_by_keyboard_alone(page: Page) -> None:
    page.get_by_role("searchbox", name="Search datasets").focus()
    page.keyboard.type("orders")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="orders", level=1).wait_for()
    settled(page)
    page.get_by_role("tab", name="Rows").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="As written")).to_be_focused()
    expect(page.get_by_role("region", name="Beginning of the file")).to_be_visible()
    for _ in range(8):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "Download":
            break
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert Path(download.value.path()).stat().st_size > 1_000_000


def test_five_hundred_columns(page: Page) -> None:
    choose(page, "wide")
    columns = panel(page, "Columns")
    expect(columns.locator("summary")).to_contain_text("500 of 500")
    columns.get_by_role("button", name="None").click()
    columns.get_by_role("checkbox", name="Export column_499", exact=True).check()
    expect(columns.locator("summary")).to_contain_text("1 of 500")
    settled(page)
    assert written(page).startswith("column_499")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(page: Page, stage: Stage, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 1360, "height": 900})
    looked_at(page, "datasets")
    choose(page, "orders")
    for name in ("Columns", "Filter", "Order and limit", "Take it elsewhere"):
        panel(page, name)
    panel(page, "Filter").get_by_role("button", name="Add a filter").click()
    panel(page, "Order and limit").get_by_role("button", name="Sort by a column").click()
    page.get_by_text("Options of the format").click()
    downloaded(page)
    ended(page, "Complete.")
    looked_at(page, "export")
    page.get_by_role("button", name="Link for a colleague").click()
    looked_at(page, "dialog")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="History").click()
    page.get_by_role("row").nth(1).wait_for()
    looked_at(page, "history")
    page.goto("about:blank")
    page.goto(f"{stage.service.url}/#key={ADMIN}")
    page.get_by_role("link", name="Overview").click()
    page.get_by_text("Memory for exports").wait_for()
    looked_at(page, "overview")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{stage.service.url}/#dataset=orders")
    settled(page)
    looked_at(page, "phone")
    page.emulate_media(reduced_motion="reduce")
    moving = "[...document.querySelectorAll('*')].filter((each) => getComputedStyle(each).transitionDuration !== '0s')"
    assert page.evaluate(f"{moving}.length") == 0
    # Nothing is wider than the phone.
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def looked_at(page: Page, view: str) -> None:
    """By axe-core. Its script is the debugger's, which the policy of the page does not concern."""
    page.evaluate(f"(() => {{ {AXE.read_text()} }})()")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    told = [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]
    assert told == [], view


def test_what_it_weighs_and_says(stage: Stage, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    sizes: dict[str, int] = {}
    page.on(
        "requestfinished",
        lambda request: sizes.update(
            {request.url: sum(request.sizes()[name] for name in ("responseBodySize", "responseHeadersSize"))}
        ),
    )
    page.goto(f"{stage.service.url}/")
    page.get_by_role("dialog").wait_for()
    page.wait_for_load_state("networkidle")
    looked_at(page, "key")
    assert sum(sizes.values()) < 100_000, sizes
    assert {url.split("/")[2] for url in sizes} == {stage.service.url.split("/")[2]}
    context.close()
    answer = call(stage.service, "/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    name = re.search(r'src="(page/\w+/app\.js)"', answer.body.decode())
    assert name is not None
    script = call(stage.service, f"/{name[1]}", headers={"Accept-Encoding": "gzip"})
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-encoding"] == "gzip"
    known = {"If-None-Match": f'"other", W/{script.headers["etag"]}'}
    assert call(stage.service, f"/{name[1]}", headers={**known, "Accept-Encoding": "gzip"}).status == 304
    # The other form is another one.
    plain = call(stage.service, f"/{name[1]}", headers={**known, "Accept-Encoding": "gzip;q=0"})
    assert (plain.status, plain.headers.get("content-encoding")) == (200, None)
    assert gzip.decompress(script.body) == plain.body
    assert call(stage.service, "/", method="HEAD").status == 200
    assert call(stage.service, "/page/0000/app.js").status == 404
    assert call(stage.service, "/page/0000/..%2f..%2fpage.py").status == 404
    formats = json.loads(call(stage.service, f"/{name[1].replace('app.js', 'formats.json')}").body)
    assert {each["name"] for each in formats["formats"]} >= {"csv", "json", "parquet", "xlsx"}
    for each in formats["formats"]:
        for option in each["options"]:
            assert option["about"], (each["name"], option["name"])


def test_columns_are_dragged(page: Page) -> None:
    choose(page, "orders")
    columns = panel(page, "Columns")
    columns.get_by_role("button", name="Move state:").drag_to(columns.get_by_role("button", name="Move id:"))
    settled(page)
    assert written(page).startswith("state,id,customer")


def test_a_closed_tab_loses_nothing(browser: Browser, stage: Stage) -> None:
    context = browser.new_context()
    first = context.new_page()
    first.goto(f"{stage.service.url}/#key={KEY}&dataset=orders")
    first.get_by_role("row").nth(3).wait_for()
    first.get_by_role("button", name="Prepare in the background").click()
    first.locator("article.run").wait_for()
    first.close()
    second = context.new_page()
    second.goto(f"{stage.service.url}/#key={KEY}")
    second.get_by_role("link", name="History").click()
    row = second.get_by_role("row").filter(has_text="prepared").first
    expect(row).to_be_visible()

    def is_there() -> bool:
        second.get_by_role("button", name="Look again").click()
        second.wait_for_timeout(200)
        return "completed" in row.inner_text()

    wait_for(is_there)
    with second.expect_download() as download:
        row.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_bytes() == oracle(stage, "SELECT * FROM orders")
    context.close()


def test_who_asks_is_told_when_it_is_done(browser: Browser, stage: Stage) -> None:
    context = browser.new_context(permissions=["notifications"])
    page = context.new_page()
    page.add_init_script(
        "window.told = []; window.Notification = class { constructor(title, {body}) { told.push(body); }"
        " static permission = 'granted'; static requestPermission = async () => 'granted'; };"
    )
    page.goto(f"{stage.service.url}/#key={KEY}&dataset=slow")
    page.get_by_role("row").nth(3).wait_for()
    panel(page, "Order and limit").get_by_label("At most this many rows").fill("1500")
    settled(page)
    page.get_by_role("button", name="Prepare in the background").click()
    page.get_by_role("button", name="Tell me when it is done").click()
    expect(page.get_by_text("You will be told when it is done.")).to_be_visible()
    page.locator("article.run.done").wait_for(timeout=60_000)
    assert page.evaluate("told") == ["slow: Ready. 1,500 rows, " + page.evaluate("told")[0].partition("rows, ")[2]]
    context.close()


def test_progress_says_how_far_how_fast_and_how_long(page: Page) -> None:
    choose(page, "large")
    card = page.locator("article.run").first
    seen: list[str] = []

    def see(text: str) -> None:
        seen.append(text)

    page.expose_function("seen", see)
    page.evaluate(
        """new MutationObserver(() => {
            const text = document.querySelector("article.run p")?.textContent;
            if (text) seen(text);
        }).observe(document.body, {subtree: true, childList: true, characterData: true})"""
    )
    page.get_by_role("button", name="Prepare in the background").click()
    expect(card.locator("strong")).to_have_text("Ready.", timeout=60_000)
    told = [text for text in seen if re.fullmatch(r"[\d,]+ rows, [\d.]+ MB, [\d.]+ MB a second, about .+ left", text)]
    assert told, seen
    assert card.get_by_role("progressbar").count() == 0


def test_a_copy_button_copies(browser: Browser, stage: Stage) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{stage.service.url}/#key={KEY}&dataset=orders")
    page.get_by_role("row").nth(3).wait_for()
    shown = panel(page, "Take it elsewhere")
    shown.get_by_role("button", name="Copy").nth(1).click()
    expect(shown.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == shown.get_by_label("Command line").text_content()
    context.close()
