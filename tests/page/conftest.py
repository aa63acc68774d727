"""A service with keys, a destination and tables to choose from, and Debian's Chromium to use its page with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from polyglot_export.access.keys import hash_key, new_key
from tests.clients.browser import browser_program
from tests.fixtures.process import Service, serve
from tests.fixtures.server import Database

KEY, ADMIN, BRIEF = (new_key() for _ in range(3))
EVIL = '<img src=x onerror="document.title=1">'
ROWS = 60_000
SETUP = f"""
CREATE TABLE orders (id int PRIMARY KEY, customer text NOT NULL, total numeric(10,2), state text, paid boolean,
    ordered_on date, at timestamptz, tags text[], big bigint, doc jsonb);
INSERT INTO orders SELECT g, 'Customer ' || g % 97, g * 1.3, (ARRAY['open', 'paid', 'sent'])[1 + g % 3], g % 2 = 0,
    date '2026-01-01' + g % 300, timestamptz '2026-01-01 00:00+00' + g * interval '7 min', ARRAY['a', 'b'],
    9007199254740993 + g, jsonb_build_object('n', g) FROM generate_series(1, {ROWS}) AS g;
COMMENT ON TABLE orders IS 'Every order <script>document.title = 1</script>';
COMMENT ON COLUMN orders.total IS 'In euros <b>with</b> tax';
CREATE TABLE "{EVIL.replace('"', '""')}" (id int, "<i>col</i>" text);
INSERT INTO "{EVIL.replace('"', '""')}" VALUES (1, '<script>document.title = 1</script>');
CREATE TABLE large AS SELECT g AS id, repeat('x', 400) AS pad FROM generate_series(1, 130000) AS g;
CREATE VIEW breaks AS SELECT n AS id, 1 / (50000 - n) AS share, repeat('x', 400) AS pad FROM generate_series(1, 60000) AS n;
CREATE VIEW slow AS SELECT n AS id, pg_sleep(0.002)::text AS pause FROM generate_series(1, 100000) AS n;
ANALYZE
"""
WIDE = f"CREATE TABLE wide (id int, {', '.join(f'column_{n} int' for n in range(1, 500))})"


@dataclass(frozen=True)
class Stage:
    """The service with what tests change of it."""

    service: Service
    dsn: str
    config: Path
    lake: Path

    def configure(self, more: str = "") -> None:
        """Write the configuration anew; the service reads it on SIGHUP."""
        self.config.write_text(configuration(self.lake) + more)


def configuration(lake: Path) -> str:
    datasets = {
        "orders": "orders",
        "breaks": "breaks",
        "slow": "slow",
        "large": "large",
        "wide": "wide",
        EVIL: EVIL.replace('"', '""'),
    }
    tables = "".join(f"[datasets.'{name}']\ntable = '''public.\"{table}\"'''\n" for name, table in datasets.items())
    return (
        tables
        + '[datasets.of_state]\nquery = "SELECT id, state FROM orders WHERE state = :state ORDER BY id LIMIT 5"\n'
        + 'parameters.state = { type = "text", comment = "open, paid or sent" }\n'
        + f'[destinations.lake]\nurl = "{lake}"\n'
        + f'[keys.ann]\nhash = "{hash_key(KEY)}"\ndestinations = ["lake"]\n'
        + f'[keys.admin]\nhash = "{hash_key(ADMIN)}"\nscopes = ["read", "export", "cancel", "list-all"]\n'
    )


@pytest.fixture(scope="package")
def stage(server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The service of all tests of the page."""
    folder = tmp_path_factory.mktemp("page")
    config, lake = folder / "polyglot.toml", folder / "lake"
    lake.mkdir()
    with server.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(SETUP.encode())
            connection.execute(WIDE.encode())
            connection.execute("INSERT INTO wide SELECT")
        config.write_text(configuration(lake))
        with serve(
            dsn, config=config, workers=2, spool_dir=folder / "spool", max_clients=200, rate_limit="20MB"
        ) as service:
            yield Stage(service, dsn, config, lake)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all."""
    with sync_playwright() as playwright:
        program = shutil.which(browser_program())
        running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, stage: Stage) -> Iterator[Page]:
    """A fresh page with a key. Whatever it is used for: no script fails, and nothing breaks the policy of the page."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # That an answer was no 200 is told there, too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    opened.on("console", heard)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.set_default_timeout(20_000)
    opened.goto(f"{stage.service.url}/#key={KEY}")
    opened.get_by_role("link", name="orders").first.wait_for()
    yield opened
    context.close()
    assert complaints == []
