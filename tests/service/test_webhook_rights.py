"""Which key may tell which webhook: closed by default, asked at each attempt, and changed by a reload."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.process import Service, serve
from tests.service.client import assert_problem, call, post, wait_for
from tests.service.conftest import SLOW_CONFIG
from tests.service.test_reload import bearer, reload
from tests.service.webhook_receiver import Receiver, answer

OPEN, CLOSED = new_key(), new_key()


def keys(webhooks: str) -> str:
    return (
        f'[keys.open]\nhash = "{hash_key(OPEN)}"\nwebhooks = {webhooks}\n[keys.closed]\nhash = "{hash_key(CLOSED)}"\n'
    )


@pytest.fixture
def receivers() -> Iterator[tuple[Receiver, Receiver]]:
    with Receiver() as one, Receiver() as other:
        yield one, other


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "polyglot.toml"


@pytest.fixture
def service(records: str, config: Path, receivers: tuple[Receiver, Receiver]) -> Iterator[Service]:
    """One key may use the webhook ``one``, one none."""
    config.write_text(text(receivers, '["one"]'))
    with serve(records, config=config) as running:
        yield running
        for receiver in receivers:
            assert receiver.secret.removeprefix("whsec_") not in running.log()


def text(receivers: tuple[Receiver, Receiver], webhooks: str, delays: str = "[0.5, 0.5, 0.5, 0.5, 0.5]") -> str:
    one, other = receivers
    return SLOW_CONFIG + keys(webhooks) + one.table("one", delays=delays) + other.table("other", delays=delays)


def run(service: Service, webhook: str) -> str:
    """An export of the open key that was downloaded once; gives its path."""
    answered = post(service, {"format": "csv", "dataset": "small", "webhook": webhook}, headers=bearer(OPEN))
    assert answered.status == 201, answered
    path = f"/exports/{answered.json()['exportId']}"
    assert call(service, f"{path}/download", headers=bearer(OPEN)).status == 200
    return path


def message(service: Service, path: str) -> Any:
    return call(service, path, headers=bearer(OPEN)).json()["webhook"]


def test_a_key_has_only_the_webhooks_that_it_lists(service: Service, receivers: tuple[Receiver, Receiver]) -> None:
    spec = {"format": "csv", "dataset": "small", "webhook": "other"}
    refused = post(service, spec, headers=bearer(OPEN))
    assert_problem(refused, 400, "bad-request", "'other'", "allowed are one")
    for name in ("one", "other", "nope"):
        refused = post(service, spec | {"webhook": name}, headers=bearer(CLOSED))
        assert_problem(refused, 400, "bad-request", f"'{name}'", "none is allowed")
    run(service, "one")
    receivers[0].wait_for(1)
    assert receivers[1].deliveries == []


def test_a_right_that_was_taken_away_ends_what_waits(
    service: Service, config: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    receivers[0].otherwise = answer(500)
    path = run(service, "one")
    wait_for(lambda: message(service, path)["attempts"] > 0)
    reload(service, config, text(receivers, '["other"]'))
    wait_for(lambda: message(service, path)["status"] == "failed")
    count = len(receivers[0].deliveries)
    assert "may not use the webhook 'one' any more" in message(service, path)["error"]
    assert "webhook message not delivered" in service.log()
    # And what was allowed when the export was made is not when its run ends.
    assert call(service, f"{path}/download", headers=bearer(OPEN)).status == 200
    wait_for(lambda: message(service, path)["run"] == 2 and message(service, path)["status"] == "failed")
    assert message(service, path)["attempts"] == 0
    assert len(receivers[0].deliveries) == count
    run(service, "other")
    receivers[1].wait_for(1)


def test_a_webhook_that_is_gone_ends_what_waits(
    service: Service, config: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    receivers[0].otherwise = answer(500)
    path = run(service, "one")
    receivers[0].wait_for(1)
    reload(service, config, SLOW_CONFIG + keys("[]"))
    wait_for(lambda: message(service, path)["status"] == "failed")
    assert message(service, path)["error"] == "the webhook 'one' is not configured any more"


def test_a_reload_brings_another_address_and_another_secret(
    service: Service, config: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    receivers[0].otherwise = answer(500)
    run(service, "one")
    receivers[0].wait_for(1)
    reload(service, config, text(receivers[::-1], '["one"]'))
    (delivery,) = receivers[1].wait_for(1)[:1]
    assert delivery.id == receivers[0].deliveries[0].id
    assert delivery.is_signed(receivers[1].secret)
    assert not delivery.is_signed(receivers[0].secret)


def test_a_wrong_reload_keeps_the_webhooks(
    service: Service, config: Path, receivers: tuple[Receiver, Receiver]
) -> None:
    reload(
        service,
        config,
        text(receivers, '["one"]').replace(receivers[0].secret, "whsec_short"),
        word="configuration not reloaded",
    )
    assert "webhooks.one.secret" in service.log()
    run(service, "one")
    assert receivers[0].wait_for(1)[0].is_signed(receivers[0].secret)
