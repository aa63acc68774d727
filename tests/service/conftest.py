"""Fixtures of the service's tests."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures.process import Service, serve

ROWS = 600_000
"""Rows of ``records``: about 70 MB of csv, several times what all buffers between the server and a client hold."""


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests (``pytest.mark.anyio``) run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(scope="module")
def records(module_dsn: str) -> str:
    """A database with a large table ``records``, a small one and a slow view; gives its DSN."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE records (id bigint PRIMARY KEY, name text, value numeric(18,4), created_at timestamptz)"
        )
        connection.execute(
            "INSERT INTO records SELECT n, repeat('name ' || n || ' ', 6), n * 1.25,"
            " '2030-01-01 00:00:00+00'::timestamptz + n * interval '1 s' FROM generate_series(1, %s) AS n",
            [ROWS],
        )
        connection.execute("CREATE TABLE small (id int PRIMARY KEY, name text, amount numeric)")
        connection.execute("INSERT INTO small VALUES (1, 'one', 1.50), (2, NULL, 2), (3, 'three, \"3\"', NULL)")
        connection.execute("CREATE VIEW slow AS SELECT n, pg_sleep(30)::text AS pause FROM generate_series(1, 3) AS n")
        connection.execute("ANALYZE")
    return module_dsn


SLOW_CONFIG = """
[datasets.records]
table = "public.records"
[datasets.small]
table = "public.small"
[datasets.slow]
table = "public.slow"
"""


@pytest.fixture(scope="module")
def service(records: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on that database, shared by the tests of a module."""
    config = tmp_path_factory.mktemp("config") / "polyglot.toml"
    config.write_text(SLOW_CONFIG)
    with serve(records, config=config, default_dataset="records", workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def throttled(records: str) -> Iterator[Service]:
    """A service that reads slowly enough for a proxy that buffers everything not to have it all at once."""
    with serve(records, workers=2, rate_limit="8MB") as running:
        yield running
