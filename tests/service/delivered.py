"""How the tests of deliveries run a service with destinations, and look at what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.fixtures.process import Service, serve
from tests.service.client import call, create, wait_for_status
from tests.service.spooled import CONFIG


@contextmanager
def delivering(
    dsn: str,
    folder: Path,
    place: str | None = None,
    *,
    datasets: str = CONFIG,
    env: Mapping[str, str] | None = None,
    **settings: object,
) -> Iterator[Service]:
    """A service with the destination ``lake``, which is ``folder / "lake"`` unless ``place`` says another one."""
    config = folder / "polyglot.toml"
    config.write_text(f'{datasets}\n[destinations.lake]\nurl = "{place or folder / "lake"}"\n')
    given: dict[str, Any] = {"config": config, "default_dataset": "records", "workers": 2, **settings}
    with serve(dsn, env=env, **given) as running:
        yield running


def deliver(service: Service, **spec: object) -> str:
    """Create an export for ``lake`` and wait for it; gives its id."""
    export_id = create(service, delivery="store", destination="lake", **spec)
    wait_for_status(service, export_id, "completed")
    return export_id


def listed(service: Service, export_id: str) -> list[dict[str, Any]]:
    """``GET /exports/{id}/files``."""
    answer = call(service, f"/exports/{export_id}/files")
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.json()["files"]
    return found


def in_lake(folder: Path) -> list[str]:
    """All files of the destination, relative to it."""
    lake = folder / "lake"
    return sorted(str(path.relative_to(lake)) for path in lake.rglob("*") if path.is_file())


def copied(dsn: str, query: str) -> bytes:
    """What the server itself writes of a query as csv."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        with connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)") as copy:
            return b"".join(bytes(chunk) for chunk in copy)
