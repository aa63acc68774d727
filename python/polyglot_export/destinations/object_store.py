"""An object of a cloud's store as a destination, and a prefix of a bucket as a store of many files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal, Self

from polyglot_export.compressions import Compression
from polyglot_export.destinations.base import Capabilities, Destination
from polyglot_export.destinations.objects.url import SCHEMES, ObjectUrl, check_key
from polyglot_export.destinations.store import Store, StoredFile, Unfinished
from polyglot_export.errors import SpecError, TargetFailed
from polyglot_export.formats.registry import Format
from polyglot_export.limits import UPLOAD_BYTES, UPLOAD_PART_BYTES
from polyglot_export.text.sizes import size_text

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

    from polyglot_export.destinations.objects.bucket import Bucket
    from polyglot_export.destinations.objects.upload import Upload

__all__ = ["ObjectDestination", "ObjectStore"]

DISCARD_SECONDS = 20.0
"""How long a failed export waits for the store to end its upload, and again for a store that is gone to come back."""
ABANDON_SECONDS = 3.0
"""The same for a process that is told to end at once."""
LIST_CHUNK = 1000
"""Objects that are taken from a list at a time: what S3 gives in one answer."""
CAPABILITIES = Capabilities(atomic=True, streaming=False, named_by_format=True, memory_bytes=UPLOAD_BYTES)


def _is_url(name: str) -> bool:
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme.lower() in SCHEMES


class ObjectDestination(Destination):
    """Uploads in parts; the object appears when the last step of :meth:`commit` succeeds, and what it replaces stays
    until then. Without ``commit``, the upload is ended and the store keeps no part of it.

    - What is smaller than a part is sent as a whole by ``commit``.
    - A store that takes its time holds :meth:`write` up, and with it the export.
    - A process that is killed with SIGKILL leaves an upload behind, which ``polyglot clean`` ends.

    Args:
        url: The object.
        bucket: Its bucket, where that is open already; it is not checked again.

    Raises:
        TargetFailed: With a reason that a person can act upon, from every method.
    """

    kind = "an object"
    capabilities = CAPABILITIES
    schemes = SCHEMES

    def __init__(self, url: ObjectUrl, bucket: Bucket | None = None) -> None:
        self._url = url
        self._bucket = bucket
        self._upload: Upload | None = None
        self._written = 0

    @classmethod
    def accepts(cls, name: str) -> bool:
        """Whether it is a URL of an object store."""
        return _is_url(name)

    @classmethod
    def named(cls, name: str) -> ObjectDestination:
        """The object of a URL; nothing is opened yet."""
        return cls(ObjectUrl.read(name))

    @classmethod
    def file_name(cls, name: str) -> str:
        """The last part of the key.

        Raises:
            SpecError: The URL has no key, or no object can be called so.
        """
        url = ObjectUrl.read(name)
        if not url.key or name.endswith("/"):
            raise SpecError(None, f"{name} names no object; write {url.text}/orders.csv, for example")
        return url.key.rpartition("/")[2]

    def __enter__(self) -> Self:
        if self._bucket is None:
            self._bucket = _open(self._url)
            self._bucket.check(self._url)
        self._upload = self._bucket.upload(self._url, _media_type(self._url.key))
        return self

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Waits while the store takes its time."""
        bucket, upload = self._opened()
        self._written += len(chunk)
        if self._written > bucket.largest_object:
            told = f"an object has at most {bucket.provider.parts:,} parts of {size_text(UPLOAD_PART_BYTES)}"
            raise TargetFailed(f"cannot write {self._url.text}: {told}, {size_text(bucket.largest_object)} in all")
        try:
            upload.write(chunk)
        except Exception as error:
            raise self._failed(bucket, error) from error

    def commit(self) -> None:
        """Send the rest and let the object appear. Afterwards the destination is closed."""
        bucket, upload = self._opened()
        try:
            upload.finish()
        except Exception as error:
            raise self._failed(bucket, error) from error
        self._upload = None

    def stop(self) -> None:
        """Wait no longer for a store that is silent."""
        upload = self._upload
        if upload is not None:
            upload.stop()

    def discard(self) -> None:
        """End the upload. Never raises; does nothing after :meth:`commit`."""
        self._end_upload(_discard_seconds())

    def abandon(self) -> None:
        """End the upload while another thread may still be writing, as the last act of a process."""
        self._end_upload(ABANDON_SECONDS)

    def pipe(self) -> int | None:
        """``None``: an object has no reader that could leave."""
        return None

    def _opened(self) -> tuple[Bucket, Upload]:
        if self._bucket is None or self._upload is None:
            raise TargetFailed(f"cannot write {self._url.text}: it is closed")
        return self._bucket, self._upload

    def _failed(self, bucket: Bucket, error: Exception) -> TargetFailed:
        """What to raise for an error of the store, after the upload was ended."""
        from polyglot_export.destinations.objects.sentences import refused, upload_of

        self._end_upload(_discard_seconds(), upload_of(error))
        bucket.leftovers.try_again()
        return refused(self._url.text, error)

    def _end_upload(self, seconds: float, token: str | None = None) -> None:
        """End the upload, as far as the store can be reached within some seconds.

        Args:
            seconds: For obstore's own attempt; and again for ours, where that one failed.
            token: The identifier of the upload, where an error has told it.
        """
        bucket, upload = self._bucket, self._upload
        if bucket is None or upload is None:
            return
        from polyglot_export.destinations.objects.sentences import upload_of

        try:
            upload.abort(seconds)
        except Exception as error:  # noqa: BLE001 - of many classes, and none matters more than what led here
            self._end_left(bucket, token or upload_of(error), seconds)
        self._upload = None

    def _end_left(self, bucket: Bucket, token: str | None, seconds: float) -> None:
        """End an upload that obstore has given up and forgotten."""
        if self._written < UPLOAD_PART_BYTES or bucket.provider.uploads is None:
            # Nothing was begun, or it needs no end.
            return
        if not bucket.leftovers.end(self._url.key, token, seconds):
            self.remains = (
                f"an unfinished upload may be left in the store; polyglot clean --older-than 0 {self._url.text} ends it"
            )


class ObjectStore(Store):
    """The objects of a bucket below a prefix. obstore's clients may be used by many threads, and so may this."""

    capabilities = CAPABILITIES

    def __init__(self, url: ObjectUrl) -> None:
        self._url = url
        self._opened: Bucket | None = None
        self._lock = threading.Lock()

    @classmethod
    def accepts(cls, url: str) -> bool:
        """Whether it is a URL of an object store."""
        return _is_url(url)

    @classmethod
    def at(cls, url: str) -> Self:
        """The store that a URL stands for; nothing is opened yet."""
        return cls(ObjectUrl.read(url))

    @property
    def url(self) -> str:
        """The URL as a user writes it."""
        return self._url.text

    def load(self) -> None:
        """Import the libraries; without them, or without credentials, :meth:`check` says so."""
        with suppress(TargetFailed):
            self._bucket().client()
            self._bucket().uploads()

    def check(self) -> None:
        """See that the bucket is there and knows who asks; and end what could not be ended before."""
        bucket = self._bucket()
        bucket.check(self._url)
        bucket.leftovers.try_again()

    def file(self, path: str) -> ObjectDestination:
        """The destination of one object; nothing is opened yet."""
        return ObjectDestination(self._below(path), self._bucket())

    def files(self, below: str = "") -> Iterator[StoredFile]:
        """Every object below a path, in the order of their keys."""
        url = self._below(below) if below else self._url
        with self._asking(url, "list") as client:
            import obstore

            found = [
                StoredFile(self._relative(each["path"]), each["size"])
                for chunk in obstore.list(client, url.key or None, chunk_size=LIST_CHUNK)
                for each in chunk
            ]
        yield from sorted(found, key=lambda each: each.path)

    def size(self, path: str) -> int | None:
        """Bytes of an object; ``None`` where there is none."""
        url = self._below(path)
        with self._asking(url, "read") as client:
            import obstore

            try:
                return int(obstore.head(client, url.key)["size"])
            except FileNotFoundError:
                return None

    def read(self, path: str, start: int, length: int) -> bytes:
        """Bytes of an object from ``start`` on; fewer than ``length`` at its end only."""
        url = self._below(path)
        size = self.size(path)
        if size is None:
            raise TargetFailed(f"cannot read {url.text}: there is no such object")
        length = min(length, size - start)
        if length <= 0:
            # No store has an answer for an empty range.
            return b""
        with self._asking(url, "read") as client:
            import obstore

            return bytes(obstore.get_range(client, url.key, start=start, length=length))

    def link(self, path: str, seconds: float) -> str | None:
        """A URL that is signed with the credentials of this process; ``None`` where those sign nothing, as a token of
        Google's does not.
        """
        url = self._below(path)
        with self._asking(url, "sign a link to"):
            return self._bucket().link(url, seconds)

    def create(self, path: str, content: bytes) -> bool:
        """Write a small object if there is none of that name, by a condition that the store itself checks."""
        try:
            self._put(path, content, "create")
        except TargetFailed as error:
            from obstore.exceptions import AlreadyExistsError

            if isinstance(error.__cause__, AlreadyExistsError):
                return False
            raise
        return True

    def replace(self, path: str, content: bytes) -> None:
        """Write a small object, over the one that is there."""
        self._put(path, content, "overwrite")

    def remove(self, path: str) -> None:
        """Remove an object. It is no error if there is none."""
        url = self._below(path)
        with self._asking(url, "remove") as client:
            import obstore

            with suppress(FileNotFoundError):
                obstore.delete(client, url.key)

    def unfinished(self) -> Iterator[Unfinished]:
        """The uploads below the prefix that were begun and not completed, and one of the prefix itself."""
        prefix = self._url.key
        with self._asking(self._url, "list the uploads of"):
            uploads = self._bucket().uploads()
            for each in uploads.begun(prefix) if uploads is not None else ():
                if not prefix or each.key == prefix or each.key.startswith(f"{prefix}/"):
                    yield Unfinished(self._relative(each.key), each.token, each.begun)

    def end(self, unfinished: Unfinished) -> None:
        """End an upload, with which its parts are gone."""
        url = self._url.below(unfinished.path)
        with self._asking(url, "end the upload of"):
            uploads = self._bucket().uploads()
            if uploads is not None:
                uploads.end(url.key, unfinished.token)

    def _put(self, path: str, content: bytes, mode: Literal["create", "overwrite"]) -> None:
        url = self._below(path)
        attributes: dict[str, str] = {"Content-Type": _media_type(url.key)}
        with self._asking(url, "write") as client:
            import obstore

            obstore.put(client, url.key, content, mode=mode, use_multipart=False, attributes=attributes)
        self._bucket().leftovers.try_again()

    def _bucket(self) -> Bucket:
        with self._lock:
            if self._opened is None:
                self._opened = _open(self._url)
            return self._opened

    @contextmanager
    def _asking(self, url: ObjectUrl, what: str) -> Iterator[Client]:
        """A request in the block; its errors become a ``TargetFailed``."""
        from polyglot_export.destinations.objects.bucket import telling

        with telling(url, what):
            yield self._bucket().client()

    def _below(self, path: str) -> ObjectUrl:
        check_key(path)
        return self._url.below(path)

    def _relative(self, key: str) -> str:
        return key[len(self._url.key) :].lstrip("/")


def _open(url: ObjectUrl) -> Bucket:
    """The bucket of a URL. With it come asyncio and all that knows the providers, which no other export shall load."""
    from polyglot_export.destinations.objects.bucket import Bucket

    return Bucket(url)


def _discard_seconds() -> float:
    from polyglot_export.destinations.objects.providers import patience

    return min(DISCARD_SECONDS, patience())


def _media_type(key: str) -> str:
    """What a browser is told of an object: by its ending, as everywhere here."""
    lower = key.lower()
    compressed = next((each.record.media_type for each in Compression if lower.endswith(each.record.ending)), None)
    of_format = (each.record.media_type for each in Format if lower.endswith(each.record.endings))
    return compressed or next(of_format, "application/octet-stream")
