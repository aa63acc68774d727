"""What others may have put into the job store: it opens no file that is not the service's, and stops no call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.redis import RedisServer
from tests.service.client import assert_problem, call, create, job, wait_for_status
from tests.service.spooled import begun, closed_gate, get, prepare, serving, spooled


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


def test_what_is_no_job_stops_no_call(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    """It is left out of the list, and the log says so; nobody's leases lapse for it."""
    with serving(records, tmp_path, redis_url=redis_server.url) as service, redis_server.client() as client:
        good, *bad = (prepare(service, dataset="small") for _ in range(4))
        for export_id, doc in zip(bad, ("this is no JSON", '{"version": 1}', "[]"), strict=True):
            client.hset(f"polyglot:job:{export_id}", "doc", doc)
        listed = call(service, "/exports").json()["exports"]
        assert [each["exportId"] for each in listed] == [good]
        for export_id in bad:
            assert call(service, f"/exports/{export_id}").status == 404
            assert call(service, f"/exports/{export_id}/download").status == 404
            assert export_id in service.log()
        assert get(service, good).status == 200
        with closed_gate(records):
            running = begun(service, records)
            client.hset(f"polyglot:progress:{running}", "1", "no JSON")
            client.hset("polyglot:meta", bad[0], "no JSON")
            assert job(service, running)["status"] == "running"
            assert call(service, "/exports").status == 200
        wait_for_status(service, running, "completed")
        assert create(service, dataset="small")


def test_lost_counters_and_indexes_are_repaired(records: str, redis_server: RedisServer, tmp_path: Path) -> None:
    with serving(records, tmp_path, redis_url=redis_server.url, max_jobs=3) as service, redis_server.client() as client:
        first = create(service, dataset="small")
        weight = client.hgetall("polyglot:weights")
        for lost in ("weights", "idle", "expiry", "owner:"):
            client.delete(f"polyglot:{lost}")
            second = create(service, dataset="small")
            assert call(service, f"/exports/{second}/download").status == 200
            assert job(service, second)["status"] == "completed"
        for _ in range(4):
            create(service, dataset="small")
        client.delete("polyglot:weights")
        create(service, dataset="small")
        assert client.hgetall("polyglot:weights") == {"": str(3 * int(weight[""]))}
        assert len(call(service, "/exports").json()["exports"]) == 3
        assert call(service, f"/exports/{first}").status in (200, 404)
