"""What the service signs is read by the reference implementation of Standard Webhooks."""

from __future__ import annotations

from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.fixtures.process import serve
from tests.service.client import call, create
from tests.service.conftest import SLOW_CONFIG
from tests.service.webhook_receiver import Receiver, new_secret


def test_the_reference_implementation_takes_what_is_sent(records: str, tmp_path: Path) -> None:
    config = tmp_path / "polyglot.toml"
    with Receiver() as receiver:
        config.write_text(SLOW_CONFIG + receiver.table())
        with serve(records, config=config) as service:
            export_id = create(service, dataset="small", webhook="hook")
            assert call(service, f"/exports/{export_id}/download").status == 200
            (delivery,) = receiver.wait_for(1)
    headers = {name.lower(): value for name, value in delivery.headers.items()}
    read = Webhook(receiver.secret).verify(delivery.body, headers)
    assert read["data"]["exportId"] == export_id
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(delivery.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(receiver.secret).verify(delivery.body + b" ", headers)
