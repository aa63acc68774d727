"""How the providers are found: credentials, accounts and endpoints, without any of their servers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from polyglot_export import TargetFailed
from polyglot_export.destinations.objects import aws, google
from polyglot_export.destinations.objects.azure import azure_config
from polyglot_export.destinations.objects.sentences import refused, upload_of
from polyglot_export.destinations.objects.url import ObjectUrl
from polyglot_export.destinations.registry import destination


class Tokens(BaseHTTPRequestHandler):
    """Google's server of tokens: gives another one each time."""

    given = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).given += 1
        answer = json.dumps(
            {"access_token": f"token {self.given}", "expires_in": 3600, "token_type": "Bearer"}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the standard library
        """Say nothing."""


@pytest.fixture
def key_file(tmp_path: Path) -> Iterator[Path]:
    """The key of a service account whose tokens come from a server of the test."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        account = {
            "type": "service_account",
            "client_email": "exports@test.iam.gserviceaccount.com",
            "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "token_uri": f"http://127.0.0.1:{server.server_address[1]}/token",
            "project_id": "test",
        }
        path = tmp_path / "key.json"
        path.write_text(json.dumps(account))
        yield path
        server.shutdown()


def test_the_token_of_a_service_account(monkeypatch: pytest.MonkeyPatch, key_file: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    ask = google.credentials()
    first = ask()
    expires = first["expires_at"]
    assert expires is not None
    assert timedelta(minutes=50) < expires - datetime.now(UTC) <= timedelta(minutes=60)
    assert ask() == first, "a token is used until it expires"
    assert first["token"].startswith("token ")


def test_a_key_of_google_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with pytest.raises(
        TargetFailed, match=r"cannot open gs://lake/x.csv: no credentials were found: File .* was not found"
    ):
        destination("gs://lake/x.csv").__enter__()


def test_the_connection_string_of_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "DefaultEndpointsProtocol=https;AccountName=lake;AccountKey=a2V5PT0=;EndpointSuffix=core.windows.net"
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    endpoint = "https://lake.blob.core.windows.net"
    assert azure_config(None) == {"account_name": "lake", "account_key": "a2V5PT0=", "endpoint": endpoint}
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING", "BlobEndpoint=https://x.test/;SharedAccessSignature=sv=1&sig=a%3D"
    )
    assert azure_config(None) == {"sas_key": "sv=1&sig=a%3D", "endpoint": "https://x.test"}


def test_the_account_of_an_azure_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_CONNECTION_STRING", raising=False)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT", "other")
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    url = ObjectUrl.read("abfss://container@lake.dfs.core.windows.net/a/x.csv")
    assert (url.bucket, url.key, url.account) == ("container", "a/x.csv", "lake")
    assert url.text == "abfss://container@lake.dfs.core.windows.net/a/x.csv"
    assert azure_config(url.account) == {"account_name": "lake", "account_key": "a2V5"}


@pytest.mark.parametrize(
    ("endpoint", "set_by_user", "expected"),
    [
        (None, None, True),
        ("https://s3.test", None, True),
        ("http://127.0.0.1:9000", None, None),
        (None, "false", None),
    ],
)
def test_a_body_is_signed_where_tls_does_not_keep_it(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, set_by_user: str | None, expected: bool | None
) -> None:
    monkeypatch.delenv("AWS_UNSIGNED_PAYLOAD", raising=False)
    if set_by_user is not None:
        monkeypatch.setenv("AWS_UNSIGNED_PAYLOAD", set_by_user)
    assert aws.Settings("eu-central-1", endpoint).unsigned_payload is expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "… status code: 404 Not Found: <Error><Code>NoSuchBucket</Code></Error>",
            "there is no such bucket (NoSuchBucket)",
        ),
        ("… status code: 400: <Code>Odd</Code><Message>It is\n odd.</Message>", "Odd: It is odd"),
        (
            "… non-2xx status code: 301 Moved Permanently: ",
            "the bucket is in another region; set AWS_REGION (status 301)",
        ),
        ("… non-2xx status code: 418 I'm a teapot: ", "the store refused it (status 418)"),
        ("An error occurred (AccessDenied) when calling", "these credentials may not do it (AccessDenied)"),
        ("Generic S3 error: odd\n\nDebug source:\nGeneric {", "odd"),
    ],
)
def test_an_error_is_one_sentence(text: str, told: str) -> None:
    assert refused("s3://lake/x.csv", OSError(text)).message == f"cannot write s3://lake/x.csv: {told}"


def test_the_upload_of_an_error() -> None:
    error = OSError("Error performing PUT http://h/b/k?partNumber=1&uploadId=a%2Bb in 2ms - Server returned")
    assert upload_of(error) == "a+b"
    assert upload_of(OSError("Error performing PUT http://h/b/k in 2ms")) is None
