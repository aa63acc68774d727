"""``Idempotency-Key``: a request that is sent again makes no second export, and a key is not used for two."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from starlette.datastructures import Headers

from polyglot_export.access.keys import hash_key, new_key
from polyglot_export.errors import SpecError
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.http.idempotency import request_key
from tests.fixtures.process import Service, serve
from tests.fixtures.redis import RedisServer
from tests.service.client import Answer, assert_problem, call, post

ONE, OTHER = new_key(), new_key()
SPEC: dict[str, object] = {"format": "csv", "limit": 2}


@pytest.fixture(scope="module")
def dsn_of_small(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small SELECT generate_series(1, 3)")
    return module_dsn


@pytest.fixture(scope="module", params=["memory", "redis"])
def keyed(
    request: pytest.FixtureRequest, dsn_of_small: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service with each store and with two callers."""
    config = tmp_path_factory.mktemp("config") / "polyglot.toml"
    callers = f'[keys.one]\nhash = "{hash_key(ONE)}"\n[keys.other]\nhash = "{hash_key(OTHER)}"\n'
    config.write_text(f'[datasets.small]\ntable = "public.small"\n{callers}')
    settings: dict[str, Any] = {"default_dataset": "small"}
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("shared_redis")
        settings |= {"redis_url": server.url, "redis_prefix": "keyed:"}
    with serve(dsn_of_small, config=config, **settings) as running:
        yield running


def send(service: Service, key: str, spec: object = SPEC, *, caller: str = ONE) -> Answer:
    return post(service, spec, headers={"Idempotency-Key": key, "Authorization": f"Bearer {caller}"})


def download(service: Service, location: str) -> Answer:
    return call(service, f"{location}/download", headers={"Authorization": f"Bearer {ONE}"})


def test_the_same_request_gives_the_same_export(keyed: Service) -> None:
    first = send(keyed, "same")
    assert first.status == 201
    again = send(keyed, "same")
    assert (again.status, again.headers["location"], again.json()) == (201, first.headers["location"], first.json())
    assert download(keyed, first.headers["location"]).status == 200
    later = send(keyed, '"same"')
    assert (later.status, later.json()["exportId"], later.json()["status"]) == (
        201,
        first.json()["exportId"],
        "completed",
    )
    assert send(keyed, "another").json()["exportId"] != first.json()["exportId"]


def test_what_means_the_same_is_the_same(keyed: Service) -> None:
    first = send(keyed, "meaning", {"format": "csv", "limit": 2, "columns": ["id"]})
    same = {"columns": [{"source": "id", "target": "id"}], "limit": 2, "compressionAs": "encoding", "format": "csv"}
    assert send(keyed, "meaning", same).json()["exportId"] == first.json()["exportId"]
    # The file would have another name.
    assert_problem(send(keyed, "meaning", {**same, "dataset": "small"}), 409, "idempotency-key-reused")


def test_another_body_is_refused(keyed: Service) -> None:
    first = send(keyed, "body")
    refused = send(keyed, "body", {**SPEC, "limit": 3})
    assert_problem(refused, 409, "idempotency-key-reused", '"body"', first.json()["exportId"], "new key")
    assert refused.json()["field"] == "Idempotency-Key"
    assert send(keyed, "body").json()["exportId"] == first.json()["exportId"]


def test_keys_of_another_caller_are_others(keyed: Service) -> None:
    mine, theirs = send(keyed, "both"), send(keyed, "both", {**SPEC, "limit": 3}, caller=OTHER)
    assert (mine.status, theirs.status) == (201, 201)
    assert mine.json()["exportId"] != theirs.json()["exportId"]


def test_a_refused_request_leaves_its_key_free(keyed: Service) -> None:
    assert_problem(send(keyed, "refused", {"format": "abacus"}), 400, "bad-request")
    assert send(keyed, "refused").status == 201


def test_a_key_is_free_when_its_export_is_forgotten(keyed: Service) -> None:
    first = send(keyed, "forgotten")
    for _ in range(2):
        assert (
            call(keyed, first.headers["location"], method="DELETE", headers={"Authorization": f"Bearer {ONE}"}).status
            == 204
        )
    again = send(keyed, "forgotten", {**SPEC, "limit": 3})
    assert again.status == 201
    assert again.json()["exportId"] != first.json()["exportId"]


def test_simultaneous_requests_make_one_export(keyed: Service) -> None:
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: send(keyed, "at-once"), range(24)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json()["exportId"] for answer in answers}) == 1


@pytest.mark.parametrize("key", ["", '""', "two words", "x" * 256, '"' + "x" * 256 + '"', "ä"])
def test_what_is_no_key_is_refused(key: str) -> None:
    headers = Headers(raw=[(b"idempotency-key", key.encode())])
    with pytest.raises(SpecError, match="Idempotency-Key: must be one key of 1 to 255 visible ASCII characters"):
        request_key(headers, parse_spec(dict(SPEC)), "export")


def test_one_key_a_request(keyed: Service) -> None:
    twice = Headers(raw=[(b"idempotency-key", b"a"), (b"idempotency-key", b"a")])
    with pytest.raises(SpecError, match="one key"):
        request_key(twice, parse_spec(dict(SPEC)), "export")
    with socket.create_connection(("127.0.0.1", keyed.port), timeout=20) as client:
        client.sendall(
            b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 16\r\nConnection: close\r\n"
            + f"Authorization: Bearer {ONE}\r\nIdempotency-Key: two words\r\n\r\n".encode()
            + b'{"format":"csv"}'
        )
        assert client.makefile("rb").readline().split()[1] == b"400"


@pytest.mark.parametrize(
    ("sent", "value"), [("a", "a"), ('"a"', "a"), ('"a\\"b\\\\"', 'a"b\\'), ("x" * 255, "x" * 255), ('a"b', 'a"b')]
)
def test_keys_bare_and_quoted(sent: str, value: str) -> None:
    key = request_key(Headers({"Idempotency-Key": sent}), parse_spec(dict(SPEC)), "export")
    assert key is not None
    assert key.value == value


def test_without_a_key_every_request_makes_an_export(keyed: Service) -> None:
    made = [post(keyed, SPEC, headers={"Authorization": f"Bearer {ONE}"}) for _ in range(2)]
    assert made[0].json()["exportId"] != made[1].json()["exportId"]
