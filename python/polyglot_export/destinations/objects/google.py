"""Google Cloud Storage: its credentials as Google's own tools find them, and the uploads that were begun, which obstore
has no call for. The XML API, which obstore speaks too, lists and ends them as S3 does.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyglot_export.destinations.objects.aws import ended, listed, s3_client
from polyglot_export.destinations.objects.uploads import BegunUpload
from polyglot_export.destinations.objects.url import ObjectUrl

if TYPE_CHECKING:
    from obstore.store import GCSCredential

__all__ = ["GcsUploads", "credentials", "emulator", "key_file"]

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
API = "https://storage.googleapis.com"


def emulator() -> str | None:
    """The server that stands for Cloud Storage in tests, which asks nobody who he is; Google's libraries know the
    variable too.
    """
    given = os.environ.get("STORAGE_EMULATOR_HOST")
    if not given:
        return None
    return given if "://" in given else f"http://{given}"


def key_file() -> str | None:
    """The file with the key of a service account, where the environment names one: it can sign without asking."""
    given = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if not given:
        return None
    try:
        content = json.loads(Path(given).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return given if isinstance(content, dict) and content.get("type") == "service_account" else None


def credentials() -> Callable[[], GCSCredential]:
    """What obstore asks for a token: Google's own chain of key files, sign-ins, federated identities and machines. An
    emulator takes any.

    Raises:
        LookupError: It has none.
    """
    if emulator() is not None:
        return lambda: {"token": "emulator", "expires_at": None}
    import google.auth
    import urllib3
    from google.auth.exceptions import DefaultCredentialsError
    from google.auth.transport.urllib3 import Request

    try:
        found, _ = google.auth.default(scopes=[SCOPE])
    except DefaultCredentialsError as error:
        raise LookupError(f"no credentials were found: {str(error).partition('. ')[0]}") from error
    request = Request(urllib3.PoolManager())  # type: ignore[no-untyped-call]
    lock = threading.Lock()

    def ask() -> GCSCredential:
        with lock:
            if not found.valid:
                found.refresh(request)  # type: ignore[no-untyped-call]
            expiry = found.expiry.replace(tzinfo=UTC) if found.expiry else None
            return {"token": str(found.token), "expires_at": expiry}

    return ask


class GcsUploads:
    """The uploads of one bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    @classmethod
    def of(cls, url: ObjectUrl) -> GcsUploads:
        """Those of the bucket of a URL."""
        from botocore import UNSIGNED

        client = s3_client(endpoint_url=emulator() or API, region_name="auto", signature_version=UNSIGNED)
        ask = credentials()

        def sign(request: Any, **_: object) -> None:
            request.headers["Authorization"] = f"Bearer {ask()['token']}"

        client.meta.events.register("before-send.s3", sign)
        return cls(client, url.bucket)

    def begun(self, prefix: str) -> Iterator[BegunUpload]:
        """Those whose keys begin so."""
        return listed(self._client, self._bucket, prefix)

    def end(self, key: str, token: str) -> None:
        """End one."""
        ended(self._client, self._bucket, key, token)
