"""SIGHUP reads the configuration again; what a key has lost is lost at its next call."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.process import Service
from tests.service.client import assert_problem, call, post, wait_for
from tests.service.spooled import serving

FIRST, SECOND = new_key(), new_key()
DATASETS = '[datasets.small]\ntable = "public.small"\n[datasets.records]\ntable = "public.records"\n'


def key(name: str, secret: str, scope: str = "") -> str:
    return f'[keys.{name}]\nhash = "{hash_key(secret)}"\n{scope}\n'


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


@pytest.fixture
def service(records: str, tmp_path: Path, config: Path) -> Iterator[Service]:
    """A service with one key."""
    config.write_text(DATASETS + key("first", FIRST))
    with serving(records, tmp_path, config=config) as running:
        yield running


def reload(service: Service, config: Path, text: str, *, word: str = "configuration reloaded") -> None:
    """Write another configuration, send the signal, and wait until the log tells what came of it."""
    before = service.log().count(word)
    config.write_text(text)
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: service.log().count(word) > before)


def prepared(service: Service, **spec: object) -> str:
    """The path of a prepared file of the first key."""
    answer = post(service, {"format": "csv", "delivery": "file", **spec}, headers=bearer(FIRST))
    assert answer.status == 201, answer
    path = f"/exports/{answer.json()['exportId']}"
    wait_for(lambda: call(service, path, headers=bearer(FIRST)).json()["status"] == "completed")
    return f"{path}/download"


def test_keys_and_datasets_come_and_go(service: Service, config: Path) -> None:
    assert call(service, "/datasets", headers=bearer(SECOND)).status == 401
    reload(service, config, DATASETS + key("first", FIRST) + key("second", SECOND, 'datasets = ["small"]'))
    assert [each["name"] for each in call(service, "/datasets", headers=bearer(SECOND)).json()["datasets"]] == ["small"]
    reload(service, config, DATASETS + key("second", SECOND))
    assert call(service, "/datasets", headers=bearer(FIRST)).status == 401
    assert len(call(service, "/datasets", headers=bearer(SECOND)).json()["datasets"]) == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[datasets.small]\nwrong = 1\n", "wrong"),
        ("this is no TOML", "is not TOML"),
        (DATASETS + key("first", FIRST, 'datasets = ["none"]'), "there is no dataset 'none'"),
    ],
)
def test_a_wrong_file_changes_nothing_and_says_why(service: Service, config: Path, text: str, reason: str) -> None:
    reload(service, config, text, word="configuration not reloaded")
    assert reason in service.log()
    assert len(call(service, "/datasets", headers=bearer(FIRST)).json()["datasets"]) == 2


def test_a_file_that_is_gone_opens_nothing(service: Service, config: Path) -> None:
    config.unlink()
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "configuration not reloaded" in service.log())
    assert call(service, "/datasets").status == 401
    assert call(service, "/datasets", headers=bearer(FIRST)).status == 200


def test_without_keys_only_loopback_names_are_answered(service: Service, config: Path) -> None:
    foreign = {"Host": "evil.example"}
    assert call(service, "/datasets", headers=foreign | bearer(FIRST)).status == 200
    reload(service, config, DATASETS)
    assert call(service, "/datasets", headers=foreign).status == 403
    assert call(service, "/datasets").status == 200
    reload(service, config, DATASETS + key("first", FIRST))
    assert call(service, "/datasets").status == 401


def test_a_prepared_file_goes_with_the_right_to_it(service: Service, config: Path) -> None:
    whole, some = prepared(service, dataset="small"), prepared(service, dataset="small", columns=["id"])
    told = prepared(service, dataset="small", columns=["id"], orderBy=[{"column": "name"}])

    def statuses() -> list[int]:
        answers = [call(service, path, headers=bearer(FIRST)).status for path in (whole, some, told)]
        heads = [call(service, path, method="HEAD", headers=bearer(FIRST)).status for path in (whole, some, told)]
        assert heads == answers
        return answers

    assert statuses() == [200, 200, 200]
    reload(service, config, DATASETS + key("first", FIRST, 'columns = { small = ["id"] }'))
    assert statuses() == [403, 200, 403]
    # A key whose columns were limited from the start has no others in its files.
    narrow = prepared(service, dataset="small")
    assert call(service, narrow, headers=bearer(FIRST)).status == 200
    reload(service, config, DATASETS + key("first", FIRST, 'datasets = ["records"]'))
    assert statuses() == [403, 403, 403]
    assert_problem(call(service, narrow, headers=bearer(FIRST)), 403, "forbidden", "may not read any more")
    reload(service, config, DATASETS + key("first", FIRST))
    assert statuses() == [200, 200, 200]
