"""Deliveries into object stores, and the links to what is there."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from polyglot_export import verify
from tests.fixtures.object_front import answer, cut, deaf
from tests.fixtures.object_stores import Cloud, GcsCloud, S3Cloud, cloud_of
from tests.fixtures.process import Service
from tests.service.client import (
    Answer,
    assert_problem,
    backends,
    call,
    create,
    job,
    post,
    wait_for,
    wait_for_status,
)
from tests.service.delivered import copied, deliver, delivering, listed
from tests.service.spooled import CONFIG

PART = {"dataset": "records", "filter": [{"column": "id", "op": "<=", "value": 200_000}]}
ALL_RECORDS = "SELECT * FROM records ORDER BY id"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def click(service: Service, export_id: str, number: int) -> Answer:
    """``GET /exports/{id}/files/{n}``, as a browser that shows where it was sent."""
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(f"{service.url}/exports/{export_id}/files/{number}", timeout=60) as given:
            return Answer(given.status, {name.lower(): value for name, value in given.headers.items()}, given.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as given:
        content: bytes = given.read()
        return content


@pytest.mark.parametrize(("store", "expires"), [("s3", "X-Amz-Expires"), ("azure", "se")])
def test_a_link_is_signed_for_each_click(
    request: pytest.FixtureRequest, records: str, tmp_path: Path, store: str, expires: str
) -> None:
    cloud = cloud_of(request, store)
    with delivering(records, tmp_path, cloud.url("lake"), env=cloud.env) as service:
        export_id = deliver(service, datasets=["small", "records"], compression="gzip")
        files = listed(service, export_id)
        assert [f"lake/{export_id}/{file['path']}" for file in files] == [
            f"lake/{export_id}/small/part-00000.csv.gz",
            f"lake/{export_id}/records/part-00000.csv.gz",
        ]
        given = click(service, export_id, 0)
        assert (given.status, given.body) == (302, b"")
        assert (given.headers["cache-control"], given.headers["referrer-policy"]) == ("no-store", "no-referrer")
        link = given.headers["location"]
        assert f"lake/{export_id}/small/part-00000.csv.gz" in link
        assert expires in parse_qs(urlsplit(link).query)
        content = cloud.get(f"lake/{export_id}/small/part-00000.csv.gz")
        assert content is not None
        assert get(link) == content
        assert len(content) == files[0]["bytes"]
        assert "file=small/part-00000.csv.gz client=127.0.0.1 until=" in service.log()
        assert urlsplit(link).query not in service.log(), "whoever reads the log must not be able to use the link"
        head = call(service, f"/exports/{export_id}/files/0", method="HEAD")
        assert (head.status, head.headers["content-length"]) == (200, str(len(content)))
        assert cloud.bucket not in json.dumps(job(service, export_id))
    report = verify(cloud.url(f"lake/{export_id}"), records)
    assert report.ok, report


def test_where_nothing_signs_the_service_sends(gcs: GcsCloud, records: str, tmp_path: Path) -> None:
    with delivering(records, tmp_path, gcs.url("lake"), env=gcs.env) as service:
        export_id = deliver(service, dataset="records", orderBy=[{"column": "id"}], limit=50_000)
        given = click(service, export_id, 0)
        expected = copied(records, f"{ALL_RECORDS} LIMIT 50000")
        assert (given.status, given.body) == (200, expected)
        assert given.headers["content-length"] == str(len(expected))
        part = call(service, f"/exports/{export_id}/files/0", headers={"Range": "bytes=1000000-1000099"})
        assert (part.status, part.body) == (206, expected[1_000_000:1_000_100])


def test_a_failure_leaves_nothing(s3: S3Cloud, records: str, tmp_path: Path) -> None:
    with delivering(records, tmp_path, s3.url("lake"), env=s3.env) as service:
        export_id = create(service, delivery="store", destination="lake", datasets=["records", "wrong"])
        wait_for_status(service, export_id, "failed")
        wait_for(lambda: not s3.keys())
        assert s3.uploads() == []
        # Cancelled in the middle of an upload.
        export_id = create(service, delivery="store", destination="lake", datasets=["small", "slow"])
        wait_for(lambda: len(backends(records, export_id)) >= 2 and s3.keys())
        assert call(service, f"/exports/{export_id}", method="DELETE").status == 204
        wait_for(lambda: job(service, export_id)["runs"][0]["status"] == "cancelled")
        wait_for(lambda: not s3.keys())
        assert s3.uploads() == []


@pytest.mark.parametrize("step", ["part", "complete", "put"])
def test_a_store_that_refuses(s3: S3Cloud, records: str, tmp_path: Path, step: str) -> None:
    """Credentials that expire in the middle, or a bucket that is taken away; ``put`` is the manifest."""
    with delivering(records, tmp_path, s3.url("lake"), env=s3.env) as service:
        s3.front.fail(step, fault=answer(403, "ExpiredToken"))  # type: ignore[arg-type]  # one of them
        export_id = create(service, delivery="store", destination="lake", dataset="records")
        shown = wait_for_status(service, export_id, "failed")
        assert shown["error"]["code"] == "target-failed"
        assert "credentials" in shown["error"]["message"]
        assert s3.bucket not in shown["error"]["message"]
        assert s3.bucket in service.log()
        s3.front.heal()
        wait_for(lambda: not s3.keys())


def test_a_store_that_does_not_answer_is_no_job(s3: S3Cloud, records: str, tmp_path: Path) -> None:
    with delivering(records, tmp_path, s3.url("lake"), env=s3.env) as service:
        s3.front.fail("list", fault=cut())
        spec = {"format": "csv", "dataset": "small", "delivery": "store", "destination": "lake"}
        refused = post(service, spec)
        assert_problem(refused, 500, "target-failed", "cannot write lake")
        assert s3.bucket not in refused.json()["error"], "where a destination is, is not the client's business"
        assert s3.bucket in service.log()
        assert call(service, "/exports").json()["exports"] == []


def test_a_store_that_says_nothing_keeps_nobody_else_waiting(s3: S3Cloud, records: str, tmp_path: Path) -> None:
    near = f'{CONFIG}[destinations.near]\nurl = "{tmp_path / "near"}"\n'
    patience = {"POLYGLOT_STORE_PATIENCE": "60s"}
    env = {**s3.env, **patience}
    with delivering(records, tmp_path, s3.url("lake"), datasets=near, env=env, queue_timeout=1) as service:
        done = deliver(service, dataset="small")
        s3.front.fail("list", fault=deaf())
        s3.front.fail("other", fault=deaf())
        asked = ThreadPoolExecutor(20)
        spec = {"format": "csv", "dataset": "small", "delivery": "store", "destination": "lake"}
        posts = [asked.submit(post, service, spec) for _ in range(10)]
        clicks = [asked.submit(call, service, f"/exports/{done}/files/0") for _ in range(10)]
        # Meanwhile whoever wants nothing of that store is served.
        for _ in range(5):
            other = create(service, dataset="small", delivery="file")
            wait_for_status(service, other, "completed")
            assert call(service, f"/exports/{other}/download").status == 200
            other = create(service, dataset="small", delivery="store", destination="near")
            wait_for_status(service, other, "completed")
            assert call(service, f"/exports/{other}/files/0").status == 200
        for each in (*posts, *clicks):
            assert_problem(each.result(), 503, "busy", "destination 'lake' did not answer within 1 seconds")
        asked.shutdown()
    # It has ended although that store still says nothing.
    s3.front.heal()


def test_memory_is_set_aside_for_the_upload(s3: S3Cloud, records: str, tmp_path: Path) -> None:
    """Four deliveries at a time and their uploads fit, since those for which there is no room wait."""
    with delivering(records, tmp_path, s3.url("lake"), env=s3.env, memory_limit="256MB") as service:
        exports = [
            create(service, delivery="store", destination="lake", format=form, datasets=["small", PART])
            for form in ("csv", "parquet", "json", "xml", "csv", "parquet")
        ]
        peak = 0
        while any(job(service, export_id)["status"] in ("pending", "running") for export_id in exports):
            peak = max(peak, _resident(service))
        assert {job(service, export_id)["status"] for export_id in exports} == {"completed"}
        assert peak < 256 << 20


def _resident(service: Service) -> int:
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS"))


def test_a_cloud_is_a_store(request: pytest.FixtureRequest) -> None:
    """The links of a store are for GET of one object, wherever it is."""
    cloud: Cloud = cloud_of(request, "s3")
    from polyglot_export.destinations.stores import store

    link = store(cloud.url("lake")).link("a b/ü.csv", 60)
    assert link is not None
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["60"]
    assert store("/tmp").link("x", 60) is None
