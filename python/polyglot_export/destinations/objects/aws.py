"""Amazon S3 and what speaks like it: region, endpoint and credentials as AWS's own tools find them, and the uploads
that were begun, which obstore has no call for.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from polyglot_export.destinations.objects.uploads import BegunUpload
from polyglot_export.destinations.objects.url import ObjectUrl

if TYPE_CHECKING:
    from obstore.store import S3Credential

__all__ = ["S3Uploads", "Settings", "ended", "listed", "s3_client"]

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_OWN_CHAIN = ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE")
"""With one of these obstore needs nobody else: botocore, which takes a quarter of a second, is not imported."""
CREDENTIALS_KEPT = timedelta(minutes=5)
"""How long credentials are used before the chain is asked again. It renews them itself, some minutes before they
expire."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where S3 is and who asks. ``None`` leaves a member to obstore, which reads the environment."""

    region: str | None
    endpoint: str | None
    session: Any = None
    """botocore's, where the environment alone does not say who asks."""

    @classmethod
    def find(cls) -> Self:
        """From the environment, and from the profile where the environment has no keys."""
        endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), None)
        if any(os.environ.get(name) for name in _OWN_CHAIN):
            return cls(None, endpoint)
        session = _session()
        profile = session.get_scoped_config()
        return cls(session.get_config_variable("region"), endpoint or profile.get("endpoint_url"), session)

    @property
    def unsigned_payload(self) -> bool | None:
        """Whether a request is signed without a SHA-256 of its body, which TLS keeps whole already. ``None`` leaves it
        to obstore.
        """
        over_tls = self.endpoint is None or self.endpoint.startswith("https://")
        return True if over_tls and "AWS_UNSIGNED_PAYLOAD" not in os.environ else None

    def provider(self) -> Callable[[], S3Credential] | None:
        """What obstore asks for credentials: AWS's own chain of profiles, single sign-on, roles and machines.

        Raises:
            LookupError: It has none.
        """
        if self.session is None:
            return None
        found = self.session.get_credentials()
        if found is None:
            raise LookupError("no credentials were found (environment, profile, single sign-on, role of the machine)")

        def ask() -> S3Credential:
            frozen = found.get_frozen_credentials()
            return {
                "access_key_id": frozen.access_key,
                "secret_access_key": frozen.secret_key,
                "token": frozen.token,
                "expires_at": datetime.now(UTC) + CREDENTIALS_KEPT,
            }

        return ask


def _session() -> Any:
    from botocore.session import Session

    return Session()


def s3_client(**options: Any) -> Any:
    """A client of botocore, which signs as obstore does, with short waits: it is used for single calls."""
    from botocore.config import Config

    config = Config(
        connect_timeout=5,
        read_timeout=20,
        retries={"mode": "standard", "total_max_attempts": 4},
        s3={"addressing_style": "path"},
        signature_version=options.pop("signature_version", None),
    )
    return _session().create_client("s3", config=config, **options)


def listed(client: Any, bucket: str, prefix: str) -> Iterator[BegunUpload]:
    """The uploads that S3 lists for a prefix."""
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        for each in page.get("Uploads", ()):
            yield BegunUpload(each["Key"], each["UploadId"], each.get("Initiated"))


def ended(client: Any, bucket: str, key: str, token: str) -> None:
    """End an upload, or find that somebody has."""
    try:
        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=token)
    except client.exceptions.NoSuchUpload:
        return


class S3Uploads:
    """The uploads of one bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @classmethod
    def of(cls, url: ObjectUrl) -> S3Uploads:
        """Those of the bucket of a URL."""
        found = Settings.find()
        region = found.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        return cls(s3_client(region_name=region, endpoint_url=found.endpoint), url.bucket)

    def begun(self, prefix: str) -> Iterator[BegunUpload]:
        """Those whose keys begin so."""
        return listed(self._client, self._bucket, prefix)

    def end(self, key: str, token: str) -> None:
        """End one."""
        ended(self._client, self._bucket, key, token)
