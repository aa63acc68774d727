"""URLs of objects, as people write them: ``s3://bucket/folder/orders.parquet``.

As in the providers' own tools, what stands behind the bucket is the key as it is: nothing in it is percent-decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Self

from polyglot_export.errors import SpecError

__all__ = ["SCHEMES", "ObjectUrl", "check_key"]

SCHEMES = ("s3", "gs", "az", "abfss", "abfs")
"""Of all URLs of object stores; ``providers.py`` has whose they are."""

KEY_BYTES = 1024
"""The longest key that every provider takes."""
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(?:/(.*))?", re.DOTALL)
_PLACE = re.compile(r"[A-Za-z0-9$_.-]+")


@dataclass(frozen=True, slots=True)
class ObjectUrl:
    """Where an object, or a set of objects, is."""

    scheme: str
    bucket: str
    """The bucket; a container, as Azure calls it."""
    key: str
    """The key, or what all keys of a set begin with; no ``/`` at either end."""
    account: str | None = None
    """The storage account, where the URL names one (``abfss://container@account.dfs.core.windows.net/…``)."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Take a URL apart.

        Raises:
            SpecError: It names no bucket, has credentials in it, or a key that not every store takes.
        """
        match = _PARTS.fullmatch(text)
        if match is None:
            raise SpecError(None, f"{text!r} is not a URL of an object store, such as s3://bucket/orders.parquet")
        scheme, place, key = match[1].lower(), match[2], match[3] or ""
        account = None
        if scheme in {"abfs", "abfss"} and "@" in place:
            place, _, host = place.partition("@")
            account = host.partition(".")[0]
        if "@" in place or ":" in place:
            # Not shown: it may be a password.
            raise SpecError(
                None, f"credentials have no place in a URL ({scheme}://…@…); {scheme} takes them from its own"
            )
        if _PLACE.fullmatch(place) is None:
            raise SpecError(None, f"{text}: name a bucket, as in {scheme}://bucket/orders.parquet")
        key = key.strip("/")
        if key:
            check_key(key)
        return cls(scheme, place, key, account)

    @property
    def text(self) -> str:
        """As a user writes it."""
        return "/".join(part for part in (self.place, self.key) if part)

    @property
    def place(self) -> str:
        """The bucket alone, as a URL."""
        host = f"@{self.account}.dfs.core.windows.net" if self.account else ""
        return f"{self.scheme}://{self.bucket}{host}"

    def below(self, path: str) -> ObjectUrl:
        """The URL of a file in this set."""
        return replace(self, key="/".join(part for part in (self.key, path) if part))


def check_key(key: str) -> None:
    """See that every store and every tool can have a key: none reads ``a//b`` or ``a/../b`` as another one does.

    Raises:
        SpecError: It cannot.
    """
    if any(part in {"", ".", ".."} for part in key.split("/")):
        raise SpecError(None, f"{key!r} has an empty part, . or .. between its slashes; an object cannot be called so")
    if any(character < " " or character == "\x7f" for character in key):
        raise SpecError(None, f"{key!r} has a control character; an object cannot be called so")
    if len(key.encode(errors="surrogateescape")) > KEY_BYTES:
        raise SpecError(None, f"the key of an object has at most {KEY_BYTES:,} bytes")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise SpecError(None, f"{key!r} is not UTF-8; an object cannot be called so") from None
