"""A key that may read less than when its file was made does not get it any more, whichever way it asks."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.process import Service, serve
from tests.fixtures.redis import RedisServer
from tests.service.client import Answer, call, post, wait_for

KEY = new_key()
BEARER = {"Authorization": f"Bearer {KEY}"}
LAKE = 'destinations = ["lake"]\n'
WIDE, NARROWER = f'{LAKE}rows.small = "id > 0"', f'{LAKE}rows.small = "id > 0 AND id < 3"'


def configure(folder: Path, rights: str) -> Path:
    file = folder / "polyglot.toml"
    file.write_text(
        f"""
[datasets.small]
table = "public.small"
[datasets.records]
table = "public.records"
[destinations.lake]
url = "{folder / "lake"}"
[keys.one]
hash = "{hash_key(KEY)}"
{rights}
"""
    )
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("narrowed")


@pytest.fixture(scope="module", params=["memory", "redis"])
def service(request: pytest.FixtureRequest, records: str, folder: Path, shared_redis: RedisServer) -> Iterator[Service]:
    shared: dict[str, Any] = {}
    if request.param == "redis":
        shared = {"redis_url": shared_redis.url, "redis_prefix": "narrowed:"}
    with serve(
        records, config=configure(folder, WIDE), spool_dir=folder / request.param, link_secret="0" * 32, **shared
    ) as running:
        yield running


def reload(service: Service, folder: Path, rights: str) -> None:
    word = "configuration reloaded"
    before = service.log().count(word)
    configure(folder, rights)
    os.kill(service.process.pid, signal.SIGHUP)
    wait_for(lambda: service.log().count(word) > before)


def made(service: Service, **spec: object) -> str:
    """The path of an export that is complete."""
    answer = post(service, {"format": "csv", "dataset": "small", **spec}, headers=BEARER)
    assert answer.status == 201, answer
    path = f"/exports/{answer.json()['exportId']}"
    wait_for(lambda: call(service, path, headers=BEARER).json()["status"] == "completed")
    return path


def link(service: Service, path: str, **body: object) -> str:
    headers = {**BEARER, "Content-Type": "application/json"}
    answer = call(service, f"{path}/links", method="POST", body=json.dumps(body).encode(), headers=headers)
    assert answer.status == 201, answer
    return str(answer.json()["url"])


def every_way(service: Service, file: str, delivery: str, links: list[str]) -> list[Answer]:
    own = [f"{file}/download", f"{delivery}/files/0"]
    return [
        call(service, f"{delivery}/files", headers=BEARER),
        *(call(service, path, method=method, headers=BEARER) for path in own for method in ("GET", "HEAD")),
        call(service, own[0], headers={**BEARER, "Range": "bytes=0-3"}),
        *(call(service, path, method=method) for path in links for method in ("GET", "HEAD")),
    ]


def test_less_is_less(service: Service, folder: Path) -> None:
    masked = f'{WIDE}\nmask.small.name = "left(name, 1)"'
    for before, after in (
        (WIDE, NARROWER),
        (WIDE, masked),
        (LAKE, WIDE),
        (masked, f'{masked}\nsettings."app.x" = "1"'),
    ):
        reload(service, folder, before)
        file = made(service, delivery="file")
        delivery = made(service, delivery="store", destination="lake")
        links = [link(service, file), link(service, delivery, file=0)]
        statuses = [answer.status for answer in every_way(service, file, delivery, links)]
        assert set(statuses) == {200, 206}
        reload(service, folder, after)
        answers = every_way(service, file, delivery, links)
        assert {answer.status for answer in answers} == {403}, (before, after)
        assert not any(b"1," in answer.body for answer in answers)
        # What is made now holds no more than is allowed now.
        assert call(service, f"{made(service, delivery='file')}/download", headers=BEARER).status == 200


def test_a_dataset_that_is_another_one_by_now(service: Service, folder: Path) -> None:
    """Its query may leave out what it gave when the file was made."""

    def some(condition: str) -> str:
        return f'{LAKE}[datasets.some]\nquery = "SELECT * FROM small WHERE {condition}"'

    reload(service, folder, some("id <= 3"))
    file = made(service, delivery="file", dataset="some")
    delivery = made(service, delivery="store", destination="lake", dataset="some")
    reload(service, folder, some("id <= 2"))
    for path in (f"{file}/download", f"{delivery}/files", f"{delivery}/files/0"):
        assert call(service, path, headers=BEARER).status == 403, path
    reload(service, folder, some("id <= 3"))
    assert call(service, f"{file}/download", headers=BEARER).status == 200


def test_who_may_read_more_than_then_reads_what_was_made(service: Service, folder: Path) -> None:
    reload(service, folder, NARROWER)
    file = made(service, delivery="file")
    reload(service, folder, "")
    answer = call(service, f"{file}/download", headers=BEARER)
    assert (answer.status, len(answer.body.splitlines())) == (200, 3)


def test_whoever_has_a_link_does_not_learn_what_was_taken_away(service: Service, folder: Path) -> None:
    reload(service, folder, LAKE)
    streamed = post(service, {"format": "csv", "dataset": "small"}, headers=BEARER).json()["exportId"]
    file, delivery = made(service, delivery="file"), made(service, delivery="store", destination="lake")
    links = [link(service, f"/exports/{streamed}"), link(service, file), link(service, delivery, file=0)]
    for rights, some in (
        (f'{LAKE}datasets = ["records"]', links),
        (f'{LAKE}scopes = ["read"]', links[:1]),
        (f'{LAKE}scopes = ["export"]', links),
        (f'{LAKE}columns.small = ["name"]', links[1:]),
        ("", links[2:]),
    ):
        reload(service, folder, rights)
        for url in some:
            answer = call(service, url)
            assert answer.json()["detail"] == "whoever made this link may not read the export any more", rights
            assert answer.status == 403
