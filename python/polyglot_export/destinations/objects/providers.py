"""The providers of object stores, a record each: their URLs, and how obstore gets at a bucket with the credentials that
the provider's own tools would use.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from polyglot_export.destinations.objects import aws, google
from polyglot_export.destinations.objects.azure import azure_config
from polyglot_export.destinations.objects.uploads import Uploads
from polyglot_export.destinations.objects.url import ObjectUrl
from polyglot_export.errors import SpecError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig
    from obstore.store import ObjectStore as Client

__all__ = ["PROVIDERS", "Provider", "patience", "provider_of"]

PATIENCE = "POLYGLOT_STORE_PATIENCE"
"""The variable that says for how long, in seconds, a request is tried again while the store fails or is gone."""
PATIENCE_SECONDS = 60.0
"""Longer than a store takes to fail over, shorter than a person waits for an error."""
REQUEST_SECONDS = 300
"""For one request: a part of 8 MiB in it at 28 kB/s. obstore's own 30 s would fail a slow line."""
CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What is known of one provider."""

    name: str
    schemes: tuple[str, ...]
    """Of its URLs; the first is the one to show."""
    parts: int
    """How many parts an object may have at most."""
    open: Callable[[ObjectUrl], Client]
    """Make the client of a bucket; no request is made yet. Raises ``ImportError`` and obstore's own errors."""
    uploads: Callable[[ObjectUrl], Uploads] | None = None
    """The uploads that were begun in a bucket; ``None`` where the provider forgets them by itself."""
    signer: Callable[[ObjectUrl], Client | None] | None = None
    """The client that signs links to what is in a bucket, if the credentials can; ``None`` where every client does."""


def provider_of(url: ObjectUrl) -> Provider:
    """The provider of a URL, whose scheme must be one of ``SCHEMES``."""
    return next(each for each in PROVIDERS if url.scheme in each.schemes)


def _open_s3(url: ObjectUrl) -> Client:
    from obstore.store import S3Store

    found = aws.Settings.find()
    given: dict[str, Any] = {
        "region": found.region,
        "endpoint": found.endpoint,
        "credential_provider": found.provider(),
        "unsigned_payload": found.unsigned_payload,
    }
    kept = {name: value for name, value in given.items() if value is not None}
    return S3Store(url.bucket, client_options=_client(found.endpoint), retry_config=_retry(), **kept)


def _open_gcs(url: ObjectUrl) -> Client:
    from obstore.store import GCSStore

    base = google.emulator()
    return GCSStore(
        url.bucket,
        config={} if base is None else {"base_url": base},
        credential_provider=google.credentials(),
        client_options=_client(base),
        retry_config=_retry(),
    )


def _gcs_signer(url: ObjectUrl) -> Client | None:
    """Only a key can sign, and the key file of a service account is the only one that there is."""
    from obstore.store import GCSStore

    key_file = google.key_file()
    return None if key_file is None else GCSStore(url.bucket, config={"service_account": key_file})


def _open_azure(url: ObjectUrl) -> Client:
    from obstore.store import AzureStore

    config = azure_config(url.account)
    return AzureStore(url.bucket, client_options=_client(config.get("endpoint")), retry_config=_retry(), config=config)


def _client(endpoint: str | None) -> ClientConfig:
    options: ClientConfig = {
        "timeout": timedelta(seconds=REQUEST_SECONDS),
        "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
    }
    if endpoint is not None and endpoint.startswith("http://"):
        # Somebody has written it down; nothing else leads there.
        options["allow_http"] = True
    return options


def _retry() -> RetryConfig:
    """Tried again until the patience ends, however often; a store that is overloaded is asked every few seconds."""
    return {
        "max_retries": 1000,
        "retry_timeout": timedelta(seconds=patience()),
        "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
    }


def patience() -> float:
    """Seconds for which a request is tried again while the store fails or is gone.

    Raises:
        SpecError: The variable is no time.
    """
    given = os.environ.get(PATIENCE)
    if given is None:
        return PATIENCE_SECONDS
    from polyglot_export.text.times import parse_seconds

    try:
        seconds = parse_seconds(given)
    except ValueError as error:
        raise SpecError(None, f"{PATIENCE}: {error} (got {given!r})") from None
    return max(0.0, float(str(seconds)))


PROVIDERS: Final = (
    Provider(name="Amazon S3", schemes=("s3",), parts=10_000, open=_open_s3, uploads=aws.S3Uploads.of),
    Provider(
        name="Google Cloud Storage",
        schemes=("gs",),
        parts=10_000,
        open=_open_gcs,
        uploads=google.GcsUploads.of,
        signer=_gcs_signer,
    ),
    # Azure forgets the blocks of a blob that was never committed after a week, and has no call to end it.
    Provider(name="Azure Blob Storage", schemes=("az", "abfss", "abfs"), parts=50_000, open=_open_azure),
)
