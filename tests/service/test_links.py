"""Links that need no key: what they give, until when, once, in a browser, and what every other address gives."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export.access.keys import hash_key, new_key
from polyglot_export.errors import SpecError
from polyglot_export.jobs.links import MAX_LINKS
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.streams.events import MAX_OF_LINK
from tests.clients.browser import Browser
from tests.fixtures.process import Service, serve
from tests.fixtures.redis import RedisServer
from tests.library.helpers import copied
from tests.service.audited import lines
from tests.service.client import Answer, assert_problem, call, post, wait_for
from tests.service.sse import EventStream

APP, OTHER, LEAVER, DAILY = (new_key() for _ in range(4))
OLD_SECRET, NEW_SECRET = "0123456789abcdef" * 2, "fedcba9876543210" * 2
CONFIG = f"""
[datasets.records]
table = "public.records"
[datasets.small]
table = "public.small"
[destinations.lake]
url = "LAKE"
[keys.app]
hash = "{hash_key(APP)}"
destinations = ["lake"]
[keys.other]
hash = "{hash_key(OTHER)}"
[keys.daily]
hash = "{hash_key(DAILY)}"
limits = {{ bytesPerDay = 5000 }}
"""
LEAVES = f'[keys.leaver]\nhash = "{hash_key(LEAVER)}"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links")
    (folder / "lake").mkdir()
    return folder


def configure(folder: Path, more: str = LEAVES) -> Path:
    config = folder / "polyglot.toml"
    config.write_text(CONFIG.replace("LAKE", str(folder / "lake")) + more)
    return config


@pytest.fixture(scope="module")
def service(records: str, folder: Path) -> Iterator[Service]:
    with serve(
        records,
        config=configure(folder),
        spool_dir=folder / "spool",
        audit_log=folder / "audit.log",
        link_secret=f"{OLD_SECRET}",
        workers=2,
    ) as running:
        yield running


def ask(service: Service, path: str, key: str = APP, **more: Any) -> Answer:
    return call(service, path, headers={"Authorization": f"Bearer {key}", **more.pop("headers", {})}, **more)


def export(service: Service, key: str = APP, **spec: object) -> str:
    answer = post(service, {"format": "csv", "dataset": "small", **spec}, headers={"Authorization": f"Bearer {key}"})
    assert answer.status == 201, answer
    export_id = str(answer.json()["exportId"])
    if spec.get("delivery") in ("file", "store"):
        wait_for(lambda: ask(service, f"/exports/{export_id}", key).json()["status"] == "completed")
    return export_id


def asked(service: Service, export_id: str, key: str = APP, **body: object) -> Answer:
    return ask(
        service,
        f"/exports/{export_id}/links",
        key,
        method="POST",
        body=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )


def link(service: Service, export_id: str, key: str = APP, **body: object) -> str:
    answer = asked(service, export_id, key, **body)
    assert answer.status == 201, answer
    return str(answer.json()["url"])


def listed(service: Service, export_id: str) -> list[Any]:
    return list(ask(service, f"/exports/{export_id}/links").json()["links"])


def test_no_log_has_its_address(service: Service, folder: Path) -> None:
    """Neither where it fails by the service's fault, nor where it is misspelt."""
    url = link(service, export(service, delivery="file"))
    for file in (folder / "spool").rglob("*"):
        if file.is_file():
            file.unlink()
    before = service.log()
    assert_problem(call(service, url), 503, "file-missing")
    token = url.removeprefix("/links/")
    for path in (f"{url}/x", f"/link/{token}", f"/exports/{token}/download", f"{url}."):
        assert call(service, path).status in (401, 404), path
    told = next(line for line in service.log().removeprefix(before).splitlines() if "request failed" in line)
    assert "path=" in told
    assert token not in service.log()
    assert token not in (folder / "audit.log").read_text()


def test_a_stream(service: Service, records: str) -> None:
    export_id = export(service)
    made = asked(service, export_id, expiresIn=60)
    assert made.status == 201, made
    body = made.json()
    assert made.headers["location"] == f"/exports/{export_id}/links/{body['linkId']}"
    assert re.fullmatch(r"/links/[\w-]{91}", body["url"])
    with psycopg.connect(records) as connection:
        expected = copied(connection, "SELECT * FROM small")
    for _ in range(2):
        answer = call(service, body["url"])
        assert answer.body == expected
    assert answer.headers["content-disposition"].startswith('attachment; filename="small.csv"')
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store, no-transform"
    assert answer.headers["x-robots-tag"] == "noindex"
    (shown,) = listed(service, export_id)
    assert (shown["uses"], shown["once"], shown["file"]) == (2, False, None)
    assert not {"url", "eventsUrl"} & set(shown)
    assert_problem(call(service, body["url"], headers={"Range": "bytes=0-1"}), 412, "range-refused")
    assert ask(service, f"/exports/{export_id}").json()["runs"][-1]["run"] == 2


def test_a_prepared_file_in_ranges(service: Service) -> None:
    export_id = export(service, delivery="file", dataset="records", filter=[{"column": "id", "op": "<", "value": 999}])
    url = link(service, export_id)
    whole = call(service, url)
    assert whole.body == ask(service, f"/exports/{export_id}/download").body
    part = call(service, url, headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert call(service, url, headers={"If-None-Match": whole.headers["etag"]}).status == 304
    known = call(service, url, method="HEAD")
    assert known.headers["content-length"] == str(len(whole.body))
    assert [each["uses"] for each in listed(service, export_id)] == [2]


def test_the_files_of_a_set(service: Service) -> None:
    export_id = export(service, delivery="store", destination="lake", dataset=None, datasets=["small", "records"])
    files = ask(service, f"/exports/{export_id}/files").json()["files"]
    for file in files[:1]:
        given = call(service, link(service, export_id, file=file["number"]))
        assert given.body == ask(service, f"/exports/{export_id}/files/{file['number']}").body
    assert_problem(asked(service, export_id), 400, "bad-request", "file", f"{len(files)} files")
    assert_problem(asked(service, export_id, file=len(files)), 400, "bad-request", "file")
    assert_problem(asked(service, export(service), file=0), 400, "bad-request", "file", "one file")


def test_once_is_once(service: Service) -> None:
    export_id = export(service)
    url = link(service, export_id, once=True)
    assert call(service, url, method="HEAD").status == 200
    assert call(service, url).status == 200
    assert_problem(call(service, url), 410, "expired", "one download")
    again = link(service, export_id, once=True)
    with ThreadPoolExecutor(8) as threads:
        statuses = sorted(answer.status for answer in threads.map(lambda _: call(service, again), range(8)))
    assert statuses == [200] + [410] * 7


def test_a_use_that_comes_to_nothing_is_none(service: Service) -> None:
    export_id = export(service, filter=[{"column": "id", "op": "=", "value": "none"}])
    url = link(service, export_id, once=True)
    assert_problem(call(service, url), 400, "bad-request")
    assert [each["uses"] for each in listed(service, export_id)] == [0]


def test_a_client_that_leaves_while_it_waits_has_not_used_it(service: Service, records: str) -> None:
    export_id = export(service, dataset="small")
    url = link(service, export_id, once=True)
    with psycopg.connect(records) as blocker:
        blocker.execute("LOCK TABLE small")
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        connection.request("GET", url)
        wait_for(lambda: listed(service, export_id)[0]["uses"] == 1)
        connection.close()
        wait_for(lambda: listed(service, export_id)[0]["uses"] == 0)
    assert call(service, url).status == 200


def waiting(service: Service, url: str) -> http.client.HTTPConnection:
    """A client of a link whose table is locked."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    connection.request("GET", url)
    return connection


def test_a_link_that_waits_stays_when_another_one_is_made(service: Service, records: str) -> None:
    export_id = export(service)
    url = link(service, export_id, once=True)
    with psycopg.connect(records) as blocker:
        blocker.execute("LOCK TABLE small")
        connection = waiting(service, url)
        wait_for(lambda: listed(service, export_id)[0]["uses"] == 1)
        link(service, export_id)
        connection.close()
        wait_for(lambda: [each["uses"] for each in listed(service, export_id)] == [0, 0])
    assert listed(service, export_id)[0]["usedAt"] is None
    assert call(service, url).status == 200


def test_what_waits_does_not_come_once_its_link_is_revoked(service: Service, records: str) -> None:
    export_id = export(service)
    url = link(service, export_id)
    with psycopg.connect(records) as blocker:
        blocker.execute("LOCK TABLE small")
        connection = waiting(service, url)
        wait_for(lambda: listed(service, export_id)[0]["uses"] == 1)
        path = f"/exports/{export_id}/links/{listed(service, export_id)[0]['linkId']}"
        assert ask(service, path, method="DELETE").status == 204
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (404, "not-found")
    connection.close()


def test_it_ends_by_itself_and_never_after_its_export(service: Service) -> None:
    export_id = export(service)
    url = link(service, export_id, expiresIn=1)
    wait_for(lambda: call(service, url).status == 410)
    assert_problem(call(service, url), 410, "expired", "ask for a new one")
    kept = ask(service, f"/exports/{export_id}").json()["expiresAt"]
    assert asked(service, export_id, expiresIn=31 * 24 * 3600).json()["expiresAt"] == kept


def test_a_set_is_sent_to_one(service: Service, folder: Path) -> None:
    """Who comes too late is told so before anything is written down of a file that is sent."""
    export_id = export(service, delivery="store", destination="lake")
    url = link(service, export_id, file=0, once=True)
    with ThreadPoolExecutor(4) as threads:
        statuses = sorted(answer.status for answer in threads.map(lambda _: call(service, url), range(4)))
    assert statuses == [200] + [410] * 3
    told = [line["event"] for line in lines(folder / "audit.log") if line.get("exportId") == export_id]
    assert (told.count("file.sent"), told.count("link.used")) == (1, 1)


def test_no_cache_and_no_search_engine_keeps_its_answers(service: Service) -> None:
    export_id = export(service, filter=[{"column": "id", "op": "=", "value": "none"}])
    made = asked(service, export_id).json()
    ended = export(service, delivery="file")
    events = asked(service, ended).json()["eventsUrl"]
    seen = call(service, events)
    answers = [
        call(service, made["url"]),
        call(service, made["url"], method="DELETE"),
        call(service, made["url"] + "x"),
        call(service, made["url"] + "/x"),
        seen,
        call(service, events, headers={"Last-Event-ID": re.findall(rb"id: (.*)", seen.body)[-1].decode()}),
    ]
    assert [answer.status for answer in answers] == [400, 405, 404, 404, 200, 204]
    for answer in answers:
        assert (answer.headers["x-robots-tag"], answer.headers["cache-control"]) == (
            "noindex",
            "no-store, no-transform",
        )
    assert "none" not in answers[0].json()["detail"]


def test_an_address_that_was_altered_is_none(service: Service) -> None:
    export_id, other = export(service), export(service, OTHER)
    url, foreign = link(service, export_id), link(service, other, OTHER)
    token = url.removeprefix("/links/")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, letter in enumerate(token):
        # Also in the bits of the last letter that mean nothing.
        changed = letters[letters.index(letter) ^ 1]
        assert call(service, f"/links/{token[:place]}{changed}{token[place + 1 :]}").status == 404, place
    for address in (token[:-1], f"{token}A", f"{token}=", "x", "%00", "é", "a" * 5000, token[:48] + foreign[-43:]):
        assert call(service, f"/links/{address}" if address.isascii() else "/links/%C3%A9").status == 404, address
    assert call(service, url).status == 200


def test_revoked(service: Service, folder: Path) -> None:
    export_id = export(service)
    url = link(service, export_id)
    (shown,) = listed(service, export_id)
    path = f"/exports/{export_id}/links/{shown['linkId']}"
    assert_problem(ask(service, path, OTHER, method="DELETE"), 404, "not-found")
    assert ask(service, path, method="DELETE").status == 204
    assert_problem(ask(service, path, method="DELETE"), 404, "not-found")
    assert_problem(call(service, url), 404, "not-found", "revoked")
    assert listed(service, export_id) == []
    told = [line for line in lines(folder / "audit.log") if line.get("linkId") == shown["linkId"]]
    assert [line["event"] for line in told] == ["link.made", "link.revoked"]


def test_only_its_owner_makes_one(service: Service) -> None:
    export_id = export(service)
    assert_problem(asked(service, export_id, OTHER), 404, "not-found")
    assert_problem(ask(service, f"/exports/{export_id}/links", OTHER), 404, "not-found")
    body = b"{}"
    answer = call(
        service, f"/exports/{export_id}/links", method="POST", body=body, headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 401, "unauthorized")
    lives: tuple[object, ...] = (0, -1, 1.5, "soon", [], True, 32 * 24 * 3600, 10**30)
    for wrong in lives:
        assert_problem(asked(service, export_id, expiresIn=wrong), 400, "bad-request", "expiresIn")
    assert_problem(asked(service, export_id, once="maybe"), 400, "bad-request", "once")
    assert_problem(asked(service, export_id, forever=True), 400, "bad-request", "forever", "expiresIn")
    assert ask(service, f"/exports/{export_id}", method="DELETE").status == 204
    assert_problem(asked(service, export_id), 409, "wrong-state", "cancelled")


def test_there_are_not_too_many(service: Service) -> None:
    export_id = export(service)
    links = [link(service, export_id, once=number == 0) for number in range(MAX_LINKS)]
    assert_problem(asked(service, export_id), 409, "wrong-state", f"{MAX_LINKS} links", "revoke")
    # One that is used up makes room.
    assert call(service, links[0]).status == 200
    assert asked(service, export_id).status == 201


def test_rights_and_limits_are_those_of_now(service: Service, folder: Path) -> None:
    gone = export(service, LEAVER)
    url = link(service, gone, LEAVER)
    assert call(service, url).status == 200
    daily = link(service, export(service, DAILY, dataset="records", limit=200), DAILY)
    assert call(service, daily).status == 200
    assert_problem(call(service, daily), 429, "too-many-requests", "day")
    configure(folder, more="")
    os.kill(service.process.pid, signal.SIGHUP)
    wait_for(lambda: call(service, url).status == 403)
    answer = call(service, url)
    assert_problem(answer, 403, "forbidden", "whoever made this link")
    assert "leaver" not in answer.body.decode()
    token = url.removeprefix("/links/")
    log = (folder / "audit.log").read_text()
    refused = [line for line in lines(folder / "audit.log") if line["event"] == "request.refused"]
    assert any(line["path"] == "/links/…" and line["status"] == 403 for line in refused)
    assert token not in log
    assert token not in service.log()
    used = [line for line in lines(folder / "audit.log") if line["event"] == "link.used" and line["exportId"] == gone]
    assert {line["caller"] for line in used} == {"leaver"}


def test_events(service: Service) -> None:
    export_id = export(service, delivery="file")
    made = asked(service, export_id, once=True).json()
    with EventStream(service, export_id, path=made["eventsUrl"]) as stream:
        assert stream.status == 200
        events = stream.rest()
    assert events[-1].data["status"] == "completed"
    # Nothing was used up.
    assert call(service, made["url"]).status == 200


def test_events_end_with_the_link_and_are_for_a_few(service: Service) -> None:
    export_id = export(service)
    made = asked(service, export_id).json()
    short = asked(service, export_id, expiresIn=2).json()
    with ExitStack() as open_:
        streams = [
            open_.enter_context(EventStream(service, export_id, path=path))
            for path in [made["eventsUrl"]] * MAX_OF_LINK + [short["eventsUrl"]]
        ]
        assert [stream.status for stream in streams] == [200] * (MAX_OF_LINK + 1)
        assert_problem(call(service, made["eventsUrl"]), 503, "busy", f"{MAX_OF_LINK} clients")
        path = f"/exports/{export_id}/links/{made['linkId']}"
        assert ask(service, path, method="DELETE").status == 204
        for stream in streams:
            assert [event.name for event in stream.rest()] == ["state"]
    assert call(service, made["eventsUrl"]).status == 404
    assert call(service, short["eventsUrl"]).status == 410


def test_events_tell_neither_whose_it_is_nor_where_it_goes(service: Service) -> None:
    export_id = export(service, delivery="store", destination="lake")
    body = call(service, asked(service, export_id, file=0).json()["eventsUrl"]).body
    shown = json.loads(re.findall(rb"data: (.*)", body)[-1])
    assert (shown["status"], shown["rows"], shown["delivered"]["files"]) == ("completed", 3, 1)
    assert "owner" not in shown
    assert b"lake" not in body
    failed = export(service, filter=[{"column": "id", "op": "=", "value": "none"}])
    made = asked(service, failed).json()
    assert call(service, made["url"]).status == 400
    shown = json.loads(re.findall(rb"data: (.*)", call(service, made["eventsUrl"]).body)[-1])
    assert (shown["error"]["code"], shown["error"]["message"]) == ("bad-request", "The request is wrong")


def test_a_browser_downloads_by_one_and_follows(service: Service) -> None:
    export_id = export(service, delivery="file", dataset="records")
    whole = ask(service, f"/exports/{export_id}/download").body
    made = asked(service, export_id).json()
    with Browser() as browser:
        browser.open(f"{service.url}/docs")
        outcome = browser.click(f"{service.url}{made['url']}")
        assert (outcome.error, outcome.size) == (None, len(whole))
        status = browser.evaluate(
            f"""new Promise((told) => {{
                const events = new EventSource({json.dumps(service.url + made["eventsUrl"])});
                events.onerror = () => told("error");
                for (const name of ["state", "progress", "end"])
                    events.addEventListener(name, (event) => {{
                        const status = JSON.parse(event.data).status;
                        if (status === "completed") {{ events.close(); told(status); }}
                    }});
            }})"""
        )
    assert status == "completed"


def test_replicas_and_the_rotation_of_secrets(records: str, folder: Path, shared_redis: RedisServer) -> None:
    shared: dict[str, Any] = {
        "config": configure(folder),
        "redis_url": shared_redis.url,
        "redis_prefix": "links:",
        "spool_dir": folder / "shared",
    }
    with serve(records, **shared, link_secret=OLD_SECRET, public_url="https://reports.example.com/data/") as old:
        export_id = export(old)
        body = asked(old, export_id, once=True).json()
        assert body["url"].startswith("https://reports.example.com/data/links/")
        first, other = (
            asked(old, export_id, once=once).json()["url"].removeprefix("https://reports.example.com/data")
            for once in (True, False)
        )
        with serve(records, **shared, link_secret=f"{NEW_SECRET} {OLD_SECRET}") as new:
            assert call(new, other).status == 200
            with ThreadPoolExecutor(6) as threads:
                answers = threads.map(lambda number: call((old, new)[number % 2], first), range(6))
                assert sorted(answer.status for answer in answers) == [200] + [410] * 5
            newer = link(new, export_id)
            assert call(new, newer).status == 200
            # It knows the new secret no more than anybody.
            assert call(old, newer).status == 404
    with serve(records, **shared, link_secret=NEW_SECRET) as last:
        assert call(last, other).status == 404
        assert call(last, newer).status == 200


def test_secrets_that_are_none(records: str, folder: Path, shared_redis: RedisServer) -> None:
    for wrong in ("short", f"{OLD_SECRET} short", " "):
        with pytest.raises(SpecError, match="POLYGLOT_LINK_SECRET") as error:
            ServiceSettings.load(link_secret=wrong)
        assert wrong not in str(error.value) or wrong == " "
    for wrong in ("example.com", "https://a/b?c", "ftp://a"):
        with pytest.raises(SpecError, match="POLYGLOT_PUBLIC_URL"):
            ServiceSettings.load(public_url=wrong)
    with serve(records, config=configure(folder), redis_url=shared_redis.url, redis_prefix="nolinks:") as service:
        assert_problem(asked(service, export(service)), 501, "links-off", "POLYGLOT_LINK_SECRET")
