"""What others may have put into the job store: it opens no file that is not the service's, and stops no call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.redis import RedisServer
from tests.service.client import assert_problem, call
from tests.service.spooled import get, prepare, serving, spooled


def rewrite(server: RedisServer, export_id: str, **file: object) -> None:
    """Change what a stored job says about its file."""
    with server.client() as client:
        doc = json.loads(client.hget(f"polyglot:job:{export_id}", "doc") or "")
        doc["file"] |= file
        client.hset(f"polyglot:job:{export_id}", "doc", json.dumps(doc))


@pytest.mark.parametrize(
    "name",
    [
        "/etc/hostname",
        "../secret",
        "../../../../../../etc/hostname",
        "{folder}/../../secret",
        "{folder}/{other}",
        "{folder}/lock",
        "{folder}",
        "",
        ".",
        "{folder}/{own}\n",
    ],
)
def test_only_the_jobs_own_file_is_opened_or_removed(
    records: str, redis_server: RedisServer, tmp_path: Path, name: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with serving(records, tmp_path, redis_url=redis_server.url) as service:
        export_id, other = prepare(service, dataset="small"), prepare(service, dataset="small")
        (folder,) = (path.name for path in (tmp_path / "spool").iterdir() if path.is_dir())
        given = name.format(folder=folder, own=f"{export_id}.1", other=f"{other}.1")
        for size in (6, Path("/etc/hostname").stat().st_size):
            rewrite(redis_server, export_id, name=given, size=size)
            assert_problem(get(service, export_id), 503, "file-missing")
        assert call(service, f"/exports/{export_id}", method="DELETE").status == 204
        assert secret.exists()
        assert f"{other}.1" in spooled(tmp_path)
        assert get(service, other).status == 200
