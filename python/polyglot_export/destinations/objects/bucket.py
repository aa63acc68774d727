"""One bucket: its client, what can be known of it before anything is written, and its uploads.

This is where the libraries come in. Nothing that a plain export imports may import this at its head.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from polyglot_export.destinations.objects.leftovers import Leftovers
from polyglot_export.destinations.objects.providers import Provider, provider_of
from polyglot_export.destinations.objects.sentences import is_denied, missing_library, refused
from polyglot_export.destinations.objects.upload import Upload
from polyglot_export.destinations.objects.uploads import Uploads
from polyglot_export.destinations.objects.url import ObjectUrl
from polyglot_export.errors import PolyglotError
from polyglot_export.limits import UPLOAD_PART_BYTES

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

__all__ = ["Bucket", "telling"]


@contextmanager
def telling(url: ObjectUrl, what: str) -> Iterator[None]:
    """Turn whatever the libraries raise in the block into a ``TargetFailed`` of one sentence.

    Args:
        url: What it is about.
        what: The verb of what is tried.
    """
    try:
        yield
    except PolyglotError:
        raise
    except ModuleNotFoundError as error:
        raise missing_library(url.text, error) from error
    except Exception as error:
        raise refused(url.text, error, what) from error


class Bucket:
    """One bucket. May be used by several threads at once, as obstore's clients may.

    Args:
        url: Of anything in it.
    """

    def __init__(self, url: ObjectUrl) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._uploads: Uploads | None = None
        self.leftovers = Leftovers(self.uploads)
        """Uploads that are still to be ended."""

    @property
    def provider(self) -> Provider:
        """Whose it is."""
        return provider_of(self._url)

    @property
    def largest_object(self) -> int:
        """Bytes that an object may have, in parts of the size that is used here."""
        return self.provider.parts * UPLOAD_PART_BYTES

    def client(self) -> Client:
        """The client of obstore; nothing is asked of the store yet.

        Raises:
            TargetFailed: The extra ``cloud`` is not installed, or no credentials were found.
        """
        with self._lock, telling(self._url, "open"):
            if self._client is None:
                self._client = self.provider.open(self._url)
            return self._client

    def uploads(self) -> Uploads | None:
        """What was begun in it; ``None`` where the provider forgets it by itself."""
        with self._lock:
            if self._uploads is None and self.provider.uploads is not None:
                self._uploads = self.provider.uploads(self._url)
            return self._uploads

    def upload(self, url: ObjectUrl, media_type: str) -> Upload:
        """Begin to write an object."""
        client = self.client()
        with telling(url, "write"):
            return Upload(client, url.key, {"Content-Type": media_type})

    def link(self, url: ObjectUrl, seconds: float) -> str | None:
        """A signed URL for GET of an object, which can be used for some seconds; ``None`` where nothing here signs."""
        signer = self.provider.signer(url) if self.provider.signer is not None else self.client()
        if signer is None:
            return None
        import obstore
        from obstore.store import AzureStore, GCSStore, S3Store

        if not isinstance(signer, AzureStore | GCSStore | S3Store):
            return None
        return obstore.sign(signer, "GET", url.key, timedelta(seconds=seconds))

    def check(self, url: ObjectUrl) -> None:
        """See that the store is there, has the bucket, and knows who asks, by a list of what is below a key.

        A login that may write and not list is right, so that a refusal of the list says nothing. Whether it may write
        is known when the first part is sent.

        Raises:
            TargetFailed: It cannot be written.
        """
        client = self.client()
        import obstore

        with telling(url, "write"):
            try:
                next(iter(obstore.list(client, url.key or None, chunk_size=1)), None)
            except Exception as error:
                if not is_denied(error):
                    raise
