"""What the tests of the mounted service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.mounted.running import App, mounted

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, tenant int, customer text, total numeric(12, 2), secret text);
INSERT INTO orders SELECT g, g % 5, 'customer ' || g, g * 1.25, 'secret ' || g FROM generate_series(1, 100000) AS g;
INSERT INTO orders VALUES (1000001, NULL, 'nobody''s', 0, 'secret');
CREATE TABLE people (id int PRIMARY KEY, name text);
INSERT INTO people VALUES (1, 'ann'), (2, 'bob');
CREATE TABLE "odd ""name"" /?%" (id int);
INSERT INTO "odd ""name"" /?%" VALUES (7);
CREATE VIEW slow AS SELECT n AS id, pg_sleep(30)::text AS pause FROM generate_series(1, 3) AS n;
ANALYZE;
"""


@pytest.fixture(scope="module")
def data(module_dsn: str) -> str:
    """A database with rows of several tenants; gives its DSN."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(TABLES.encode())
    return module_dsn


def offering(lake: Path) -> dict[str, Any]:
    """A configuration with these tables, and with a destination."""
    return {
        "datasets": {
            "orders": {"table": "public.orders", "columns": ["id", "tenant", "customer", "total"]},
            "people": {"table": "public.people"},
            "cheap": {"query": "SELECT id, total, tenant FROM orders WHERE total < 100"},
            "slow": {"table": "public.slow"},
            "dropped": {"table": "public.dropped"},
            'an odd/name "?%': {"table": 'public."odd ""name"" /?%"'},
        },
        "destinations": {"lake": {"url": str(lake)}},
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the destination."""
    return tmp_path_factory.mktemp("lake")


@pytest.fixture(scope="module")
def app(data: str, lake: Path) -> Iterator[App]:
    """The app behind uvicorn, shared by the tests of a module."""
    with mounted(data, offering(lake), default_dataset="orders", workers=2) as running:
        yield running
