"""How the tests of prepared files run a service with a spool, and look at both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.fixtures.process import Service, serve
from tests.service.client import Answer, backends, call, create, wait_for, wait_for_status
from tests.service.conftest import SLOW_CONFIG

GATE = 7_001
"""The advisory lock that keeps ``gated`` from being read."""
CONFIG = (
    SLOW_CONFIG
    + f"""
[datasets.wrong]
query = "SELECT n, 1 / (20000 - n) AS share FROM generate_series(1, 30000) AS n"
[datasets.gated]
query = "SELECT id, name, pg_advisory_xact_lock_shared({GATE})::text AS gate FROM small"
"""
)


@contextmanager
def closed_gate(dsn: str) -> Iterator[None]:
    """Meanwhile exports of ``gated`` wait."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [GATE])
        yield


def begun(service: Service, dsn: str, **spec: object) -> str:
    """An export that is being prepared and waits at the gate; gives its id."""
    export_id = create(service, dataset="gated", delivery="file", **spec)
    wait_for(lambda: len(backends(dsn, export_id)) >= 2)
    return export_id


@contextmanager
def serving(dsn: str, folder: Path, **settings: object) -> Iterator[Service]:
    """A service whose spool is ``folder / "spool"``, unless the settings have another one."""
    config = folder / "polyglot.toml"
    config.write_text(CONFIG)
    given: dict[str, Any] = {
        "config": config,
        "default_dataset": "records",
        "workers": 2,
        "spool_dir": folder / "spool",
        **settings,
    }
    with serve(dsn, **{name: value for name, value in given.items() if value is not None}) as running:
        yield running


def prepare(service: Service, **spec: object) -> str:
    """Create an export for a file and wait for it; gives its id."""
    export_id = create(service, delivery="file", **spec)
    wait_for_status(service, export_id, "completed")
    return export_id


def spooled(folder: Path) -> list[str]:
    """The names of all files of the spool, but the locks."""
    return sorted(path.name for path in (folder / "spool").rglob("*") if path.is_file() and path.name != "lock")


def path_of(folder: Path, export_id: str) -> Path:
    """Where the file of an export is."""
    (found,) = (folder / "spool").glob(f"*/{export_id}.*")
    return found


def get(service: Service, export_id: str, method: str = "GET", **headers: str) -> Answer:
    """A download with headers; ``if_range`` stands for ``If-Range``."""
    return call(
        service,
        f"/exports/{export_id}/download",
        method=method,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )
