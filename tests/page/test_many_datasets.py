"""A catalogue of two thousand datasets: the list stays small and is searched in the browser."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Browser, expect

from polyglot_export.access.keys import hash_key
from tests.fixtures.process import Service, serve
from tests.page.conftest import KEY
from tests.service.client import call

MANY = 2_000
FIRST_VIEW_BYTES = 100_000
"""On the wire, the list of datasets included (issue 15)."""
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def many(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Each dataset is a table of its own; the rest of them does not exist, is masked, or has fewer columns."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(
            f"DO $$ BEGIN FOR n IN 1..{MANY - 3} LOOP"
            " EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, \"Name\" text)', 'Part ' || n);"
            " EXECUTE format('COMMENT ON TABLE %I IS %L', 'Part ' || n, 'Stock of hall ' || n); END LOOP; END $$"
        )
    tables = "".join(f"[datasets.part_{n}]\ntable = 'public.\"Part {n}\"'\n" for n in range(1, MANY - 2))
    config = tmp_path_factory.mktemp("many") / "polyglot.toml"
    config.write_text(
        f"{tables}[datasets.gone]\ntable = 'public.gone'\n"
        "[datasets.some]\ntable = 'public.\"Part 1\"'\ncolumns = ['id']\n"
        "[datasets.narrow]\ntable = 'public.\"Part 2\"'\n"
        f'[datasets.asked]\nquery = "SELECT 1 AS one"\n[keys.ann]\nhash = "{hash_key(KEY)}"\n'
        "rows.narrow = 'id > 5'\nmask.narrow.Name = 'left(\"Name\", 1)'\n"
    )
    with serve(module_dsn, config=config) as running:
        yield running


def test_the_list_says_what_each_one_says(many: Service) -> None:
    """Tables are looked up together for the list, and one by one for themselves; comments of columns are only there."""
    listed = {each["name"]: each for each in call(many, "/datasets", headers=BEARER).json()["datasets"]}
    assert len(listed) == MANY
    assert "gone" not in listed
    for name in ("part_1", "part_1997", "some", "narrow", "asked"):
        alone = call(many, f"/datasets/{name}", headers=BEARER).json()
        assert listed[name] == {**alone, "comment": listed[name]["comment"]}
    assert [column["name"] for column in listed["some"]["columns"]] == ["id"]
    assert listed["narrow"]["estimatedBytes"] is None, "it would tell of rows that are for others"
    short = call(many, "/datasets?columns=false", headers=BEARER).json()["datasets"]
    assert short == [{**each, "columns": None} for each in listed.values()]


def test_it_is_searched_and_is_small_on_the_wire(many: Service, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f"{many.url}/#key={KEY}")
    search = page.get_by_role("searchbox", name="Search datasets")
    expect(search).to_have_attribute("placeholder", f"Search {MANY:,} datasets")
    sizes = page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map((entry) => entry.transferSize)"
    )
    assert min(sizes) > 0
    assert sum(sizes) < FIRST_VIEW_BYTES
    search.press_sequentially("hall 1234")
    expect(page.locator(".datasets a")).to_have_count(1)
    expect(page.locator(".datasets .name")).to_have_text("part_1234")
    page.close()
