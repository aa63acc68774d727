"""The headers of a message, as Standard Webhooks 1.0 has them (https://github.com/standard-webhooks/standard-webhooks).

What is signed is the id, the time of this attempt and the body, so that a receiver can refuse what is old or was seen.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

__all__ = ["signed_headers"]


def signed_headers(keys: Sequence[bytes], message: str, at: int, body: bytes) -> dict[str, str]:
    """The headers that prove where a message comes from.

    Args:
        keys: One, or several while one is replaced; each makes a signature, and a receiver takes any.
        message: The id of the message.
        at: Seconds since 1970, of this attempt.
        body: What is sent.
    """
    content = f"{message}.{at}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
