"""An app of several processes: they share a store of jobs, and with it what each job's owner was allowed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.fixtures.redis import RedisServer
from tests.mounted.conftest import offering
from tests.mounted.running import ask, created, login, mounted
from tests.mounted.test_rows import OFFERED, copied, finished, lines
from tests.service.client import assert_problem

THREE = login(rows={"orders": {"tenant": 3}})


def test_one_prepares_and_another_one_serves(data: str, lake: Path, redis_server: RedisServer, tmp_path: Path) -> None:
    shared = {"redis_url": redis_server.url, "spool_dir": str(tmp_path), "default_dataset": "orders", "workers": 2}
    with ExitStack() as stack:
        one, other = (stack.enter_context(mounted(data, offering(lake), **shared)) for _ in range(2))
        export_id = finished(one, THREE, delivery="file")
        path = f"/exports/{export_id}/download"
        assert lines(ask(other, path, THREE).body) == lines(copied(data, f"{OFFERED} WHERE tenant = 3"))
        assert_problem(ask(other, path, login(rows={"orders": {"tenant": 4}})), 403, "forbidden")
        assert_problem(ask(other, path, login("bob")), 404, "not-found")
        streamed = created(one, THREE, limit=3, orderBy=[{"column": "id"}])
        rows = copied(data, f"{OFFERED} WHERE tenant = 3 ORDER BY id LIMIT 3")
        assert ask(other, f"/exports/{streamed}/download", THREE).body == rows
