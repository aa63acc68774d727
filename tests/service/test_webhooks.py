"""Webhooks: a real receiver is told of the ends of runs by a real service."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.fixtures.process import Service, free_port, serve
from tests.service.client import RawDownload, assert_problem, call, create, job, kill_backends, wait_for
from tests.service.conftest import SLOW_CONFIG
from tests.service.spooled import CONFIG, begun, closed_gate
from tests.service.webhook_receiver import Receiver, answer, endless_head, hang_up, huge, never, new_secret


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def service(records: str, tmp_path: Path, receiver: Receiver) -> Iterator[Service]:
    """A service without keys whose webhook is that receiver; what fails is tried three times more, at once."""
    config = tmp_path / "polyglot.toml"
    config.write_text(CONFIG + receiver.table() + receiver.table("slow", more='timeout = "100ms"'))
    with serve(records, config=config, workers=2) as running:
        yield running
        assert_no_secrets(running, receiver)


def assert_no_secrets(service: Service, *receivers: Receiver) -> None:
    """Neither secret nor URL was ever logged."""
    log = service.log()
    for receiver in receivers:
        assert receiver.secret.removeprefix("whsec_") not in log
        assert f":{receiver.port}" not in log


def told(service: Service, export_id: str, status: str) -> Any:
    """Wait until the latest message of an export has a status; gives what its owner sees of it."""
    wait_for(lambda: (job(service, export_id)["webhook"] or {}).get("status") == status)
    return job(service, export_id)["webhook"]


def download(service: Service, **spec: Any) -> str:
    """An export of a small table with the webhook, downloaded once."""
    export_id = create(service, **{"dataset": "small", "webhook": "hook", **spec})
    assert call(service, f"/exports/{export_id}/download").status == 200
    return export_id


def metric(service: Service, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", call(service, "/metrics").body.decode(), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def test_a_completed_run_is_told_and_signed(service: Service, receiver: Receiver) -> None:
    export_id = create(service, dataset="small", webhook="hook", limit=2)
    assert job(service, export_id)["webhook"] is None
    assert call(service, f"/exports/{export_id}/download").status == 200
    (delivery,) = receiver.wait_for(1)
    seen = told(service, export_id, "delivered")
    assert (seen["attempts"], seen["run"], seen["error"], seen["nextAttemptAt"]) == (1, 1, None, None)
    assert seen["id"] == delivery.id
    assert delivery.path == "/in?a=b"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert delivery.is_signed(receiver.secret)
    assert not delivery.is_signed(new_secret())
    body = delivery.json()
    shown = job(service, export_id)
    assert body["type"] == "export.completed"
    assert datetime.fromisoformat(body["timestamp"]) == datetime.fromisoformat(shown["finishedAt"])
    del shown["webhook"]
    assert body["data"] == shown | {"truncated": False}
    assert (body["data"]["rows"], body["data"]["spec"]["webhook"]) == (2, "hook")
    assert metric(service, 'polyglot_webhook_messages_total{status="delivered"}') == 1
    assert metric(service, 'polyglot_webhook_attempts_total{result="delivered"}') == 1
    wait_for(lambda: metric(service, "polyglot_webhook_queue_length") == 0)
    assert re.search(r"webhook delivered .*webhook=hook", service.log())


def test_every_run_is_told_with_an_id_of_its_own(service: Service, receiver: Receiver) -> None:
    export_id = download(service)
    assert call(service, f"/exports/{export_id}/download").status == 200
    first, second = receiver.wait_for(2)
    assert first.id != second.id
    assert [each.json()["data"]["runs"][0]["run"] for each in (first, second)] == [1, 2]
    assert [len(each.json()["data"]["runs"]) for each in (first, second)] == [1, 1]


def test_exports_without_a_webhook_tell_nobody(service: Service, receiver: Receiver) -> None:
    export_id = create(service, dataset="small")
    assert call(service, f"/exports/{export_id}/download").status == 200
    download(service)
    receiver.wait_for(1)
    assert job(service, export_id)["webhook"] is None
    assert len(receiver.deliveries) == 1


def test_a_failed_run_is_told(service: Service, receiver: Receiver, records: str) -> None:
    with closed_gate(records):
        export_id = create(service, dataset="gated", delivery="file", webhook="hook")
        wait_for(lambda: kill_backends(records, export_id) > 0)
        (delivery,) = receiver.wait_for(1)
    body = delivery.json()
    assert body["type"] == "export.failed"
    assert body["data"]["error"]["code"] == job(service, export_id)["error"]["code"]
    assert body["data"]["runs"][0]["status"] == "failed"


def test_a_client_that_leaves_and_an_owner_who_cancels_are_told(service: Service, receiver: Receiver) -> None:
    left = create(service, dataset="records", webhook="hook")
    with RawDownload(service, left) as stream:
        stream.read_some(1000)
    assert receiver.wait_for(1)[0].json()["type"] == "export.cancelled"
    stopped = create(service, dataset="records", webhook="hook")
    with RawDownload(service, stopped) as stream:
        stream.read_some(1000)
        assert call(service, f"/exports/{stopped}", method="DELETE").status == 204
        body = receiver.wait_for(2)[1].json()
    assert (body["type"], body["data"]["error"]["code"]) == ("export.cancelled", "cancelled")
    never_run = create(service, dataset="records", webhook="hook")
    assert call(service, f"/exports/{never_run}", method="DELETE").status == 204
    body = receiver.wait_for(3)[2].json()
    assert (body["type"], body["data"]["runs"], body["data"]["exportId"]) == ("export.cancelled", [], never_run)
    assert told(service, never_run, "delivered")["run"] == 0


def test_a_prepared_file_is_told_with_its_file(service: Service, receiver: Receiver) -> None:
    export_id = create(service, dataset="small", delivery="file", webhook="hook")
    body = receiver.wait_for(1)[0].json()
    assert body["type"] == "export.completed"
    assert body["data"]["file"] == job(service, export_id)["file"]
    assert len(body["data"]["file"]["sha256"]) == 64


def test_a_delivery_is_told_with_its_files(records: str, tmp_path: Path, receiver: Receiver) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(f'{CONFIG}{receiver.table()}[destinations.lake]\nurl = "{tmp_path / "lake"}"\n')
    with serve(records, config=config, workers=2) as running:
        spec = {"delivery": "store", "destination": "lake", "webhook": "hook", "datasets": ["small", "records"]}
        export_id = create(running, **spec)
        told(running, export_id, "delivered")
    message = receiver.deliveries[-1].json()
    assert (message["type"], message["data"]["exportId"]) == ("export.completed", export_id)
    delivered = message["data"]["delivered"]
    assert (delivered["destination"], delivered["folder"], delivered["files"]) == ("lake", export_id, 2)
    manifest = (tmp_path / "lake" / export_id / "manifest.json").read_bytes()
    assert delivered["manifestSha256"] == hashlib.sha256(manifest).hexdigest()
    assert str(tmp_path) not in receiver.deliveries[-1].body.decode()


def test_failed_attempts_are_made_again_with_the_same_id(service: Service, receiver: Receiver) -> None:
    receiver.answers = [answer(500), answer(404), hang_up]
    export_id = download(service)
    deliveries = receiver.wait_for(4)
    assert len({each.id for each in deliveries}) == 1
    assert len({each.body for each in deliveries}) == 1
    assert all(each.is_signed(receiver.secret) for each in deliveries)
    assert told(service, export_id, "delivered")["attempts"] == 4
    assert metric(service, 'polyglot_webhook_attempts_total{result="refused"}') == 2
    assert metric(service, 'polyglot_webhook_attempts_total{result="unreachable"}') == 1
    assert service.log().count("webhook attempt failed") == 3


def test_attempts_end(service: Service, receiver: Receiver) -> None:
    receiver.otherwise = answer(500)
    export_id = download(service)
    seen = told(service, export_id, "failed")
    assert (seen["attempts"], seen["error"]) == (4, "the receiver answered 500")
    assert len(receiver.deliveries) == 4
    assert metric(service, 'polyglot_webhook_messages_total{status="failed"}') == 1
    assert "webhook message not delivered" in service.log()


def test_410_ends_at_once(service: Service, receiver: Receiver) -> None:
    receiver.answers = [answer(410)]
    seen = told(service, download(service), "failed")
    assert (seen["attempts"], len(receiver.deliveries)) == (1, 1)
    assert "410" in seen["error"]


def test_a_redirect_leads_nowhere(service: Service, receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        receiver.answers = [
            answer(status, Location=f"http://127.0.0.1:{elsewhere.port}/") for status in (301, 302, 307, 308)
        ]
        seen = told(service, download(service), "failed")
        assert seen["error"] == "the receiver answered 308; redirects are not followed"
        assert elsewhere.deliveries == []


def test_a_receiver_that_never_answers_is_left(service: Service, receiver: Receiver) -> None:
    receiver.otherwise = never
    seen = told(service, download(service, webhook="slow"), "failed")
    assert seen["error"] == "the receiver did not answer within 0.1 seconds"
    assert metric(service, 'polyglot_webhook_attempts_total{result="timeout"}') == 4


def test_a_silent_receiver_keeps_nobody_waiting(records: str, tmp_path: Path, receiver: Receiver) -> None:
    config = tmp_path / "polyglot.toml"
    with Receiver() as silent:
        silent.otherwise = never
        config.write_text(SLOW_CONFIG + receiver.table() + silent.table("silent", more='timeout = "50s"'))
        with serve(records, config=config) as service:
            for _ in range(6):
                download(service, webhook="silent")
            silent.wait_for(3)
            download(service)
            receiver.wait_for(1)
            assert len(silent.deliveries) == 3
            assert metric(service, "polyglot_webhook_queue_length") >= 6
            # Nobody waits for them at the end either, beyond some seconds.
            service.process.terminate()
            service.process.wait(timeout=15)
            assert service.log().count('reason="the service has ended"') == 6


def test_of_a_huge_answer_only_the_beginning_is_read(service: Service, receiver: Receiver) -> None:
    receiver.answers = [endless_head, huge]
    seen = told(service, download(service), "delivered")
    assert seen["attempts"] == 2
    assert "too long a head" in service.log()


def test_retry_after_is_respected(service: Service, receiver: Receiver) -> None:
    receiver.answers = [answer(429, Retry_After="1")]
    download(service)
    first, second = receiver.wait_for(2)
    assert second.at - first.at >= 1


def test_a_receiver_that_is_away_is_tried_again(records: str, tmp_path: Path) -> None:
    port = free_port()
    later = Receiver(port=port)
    with later:
        secret, table = later.secret, later.table(delays="[0.3, 0.3, 0.3, 0.3, 0.3, 0.3]")
    config = tmp_path / "polyglot.toml"
    config.write_text(SLOW_CONFIG + table)
    with serve(records, config=config) as service:
        export_id = download(service)
        seen = told(service, export_id, "pending")
        wait_for(lambda: job(service, export_id)["webhook"]["attempts"] > 0)
        seen = job(service, export_id)["webhook"]
        assert seen["error"] == "the connection failed: Connection refused"
        assert seen["nextAttemptAt"] is not None
        with Receiver(port=port) as receiver:
            assert receiver.wait_for(1)[0].id == seen["id"]
            assert receiver.deliveries[0].is_signed(secret)


def test_two_secrets_sign_while_one_is_replaced(records: str, tmp_path: Path, receiver: Receiver) -> None:
    other = new_secret()
    (tmp_path / "secret").write_text(f"{receiver.secret}\n{other}\n")
    config = tmp_path / "polyglot.toml"
    table = re.sub("secret = .*", f'secret_file = "{tmp_path / "secret"}"', receiver.table())
    config.write_text(SLOW_CONFIG + table)
    with serve(records, config=config) as service:
        download(service)
        (delivery,) = receiver.wait_for(1)
        assert delivery.is_signed(receiver.secret)
        assert delivery.is_signed(other)


def test_tls_is_verified(records: str, tmp_path: Path) -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    config = tmp_path / "polyglot.toml"
    with Receiver(context=context) as receiver:
        other = receiver.table("other").replace("127.0.0.1", "localhost")
        config.write_text(SLOW_CONFIG + receiver.table() + other)
        with serve(records, config=config) as service:
            seen = told(service, download(service), "failed")
            assert "certificate is not trusted" in seen["error"]
            assert "127.0.0.1" not in seen["error"]
            assert receiver.deliveries == []
        with serve(records, config=config, env={"SSL_CERT_FILE": str(tmp_path / "ca.pem")}) as service:
            download(service)
            assert receiver.wait_for(1)[0].is_signed(receiver.secret)
            # It is another machine's, and its owner does not read which one.
            seen = told(service, download(service, webhook="other"), "failed")
            assert "mismatch" in seen["error"]
            assert "localhost" not in seen["error"]
            assert len(receiver.deliveries) == 1


def test_an_unknown_name_is_refused_with_those_that_there_are(service: Service) -> None:
    body = b'{"format": "csv", "dataset": "small", "webhook": "nope"}'
    refused = call(service, "/exports", method="POST", body=body, headers={"Content-Type": "application/json"})
    assert_problem(refused, 400, "bad-request", "webhook", "'nope'", "hook, slow")


def test_what_is_long_is_left_out(service: Service, receiver: Receiver) -> None:
    values = ["x" * 90 + str(number) for number in range(900)]
    export_id = download(service, filter=[{"column": "name", "op": "in", "value": values}])
    (delivery,) = receiver.wait_for(1)
    assert len(delivery.body) < 64 << 10
    data = delivery.json()["data"]
    assert data["truncated"] is True
    assert data["exportId"] == export_id
    assert data["spec"]["dataset"] == "small"
    assert "filter" not in data["spec"]


def test_sigterm_waits_for_a_first_attempt(records: str, tmp_path: Path, receiver: Receiver) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(CONFIG + receiver.table() + receiver.table("away", delays='["1h"]'))
    with serve(records, config=config, shutdown_grace=1) as service:
        receiver.answers = [answer(503)]
        download(service, webhook="away")
        receiver.wait_for(1)
        # A file that is cut when the grace is over.
        with closed_gate(records):
            export_id = begun(service, records, webhook="hook")
            service.process.terminate()
            service.process.wait(timeout=15)
        body = receiver.wait_for(2)[1].json()
        assert (body["type"], body["data"]["exportId"]) == ("export.failed", export_id)
        assert body["data"]["error"]["code"] == "stopping"
        assert 'reason="the service has ended"' in service.log()
        assert_no_secrets(service, receiver)


def test_the_description_has_the_messages(service: Service) -> None:
    document = call(service, "/openapi.json").json()
    message = document["webhooks"]["export"]["post"]
    assert message["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/WebhookMessage")
    assert "422" not in message["responses"]
    assert "webhook" in document["components"]["schemas"]["ExportRequest"]["properties"]
    names = {parameter["name"] for parameter in message["parameters"]}
    assert names == {"webhook-id", "webhook-timestamp", "webhook-signature"}


def test_the_receivers_check_is_that_of_the_specification() -> None:
    """The example of the specification's reference implementations (their tests, "test_sign_function")."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    from polyglot_export.service.webhooks.signature import signed_headers

    headers = signed_headers([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
