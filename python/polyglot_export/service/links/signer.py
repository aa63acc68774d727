"""The address of a link: what it is for, signed, so that nobody can make one up or alter one."""

from __future__ import annotations

import base64
import binascii
import hmac
import math
import secrets
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["LinkSigner", "SignedLink"]

_FORM = struct.Struct(">16s8sQI")
"""Id of the export, id of the link, seconds since 1970 at which it ends, number of the file."""
_NO_FILE = 0xFFFFFFFF
_DIGEST = "sha256"
_DIGEST_BYTES = 32
_PURPOSE = b"polyglot-export link 1\0"
"""Before what is signed, so that no signature that is made for another purpose is one of a link."""


@dataclass(frozen=True, slots=True)
class SignedLink:
    """What the address says."""

    export_id: str
    link_id: str
    expires_at: datetime
    file: int | None


class LinkSigner:
    """Signs with HMAC-SHA-256 (RFC 2104).

    Args:
        keys: The first one signs, each of them verifies: a new one is put in front, and the old one is taken away when
            the links that it has signed are over.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key.encode() for key in keys]

    @classmethod
    def of_this_process(cls) -> LinkSigner:
        """One whose links end with the process, as the exports do that only it knows."""
        return cls([secrets.token_hex(32)])

    @property
    def ready(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    def sign(self, link: SignedLink) -> str:
        """The token in the address: letters, digits, ``-`` and ``_``, 91 of them."""
        data = _FORM.pack(
            uuid.UUID(link.export_id).bytes,
            bytes.fromhex(link.link_id),
            # Never before it: the job has the very moment.
            math.ceil(link.expires_at.timestamp()),
            _NO_FILE if link.file is None else link.file,
        )
        return _text(data + self._mac(self._keys[0], data))

    def read(self, token: str) -> SignedLink | None:
        """What a token says; ``None`` for one that was not signed here. Its signature takes the same time to be found
        wrong, whatever is wrong with it.
        """
        try:
            given = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        data, mac = given[:-_DIGEST_BYTES], given[-_DIGEST_BYTES:]
        # The last character has bits that mean nothing, and a link has one address only.
        if len(data) != _FORM.size or _text(given) != token:
            return None
        # All are compared, so that the time does not tell which one it was.
        fitting = [key for key in self._keys if hmac.compare_digest(mac, self._mac(key, data))]
        if not fitting:
            return None
        export, link, seconds, file = _FORM.unpack(data)
        return SignedLink(
            str(uuid.UUID(bytes=export)),
            link.hex(),
            datetime.fromtimestamp(seconds, UTC),
            None if file == _NO_FILE else file,
        )

    @staticmethod
    def _mac(key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, _PURPOSE + data, _DIGEST)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
