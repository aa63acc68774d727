"""Names of files as browsers and file systems take them."""

from __future__ import annotations

import re
from urllib.parse import quote

__all__ = ["UNSAFE_SHOWN", "disposition", "safe_name"]

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff/\\:*?"<>|]')
"""What every file system or an important one refuses, or reads as a path, and what changes how the name is read: with
a change of direction in it a name seems to end otherwise than it does."""
UNSAFE_SHOWN = r"""control characters and any of / \ : * ? " < > |"""
"""The same in a sentence."""


def safe_name(name: str) -> str:
    """The name without what file systems refuse; may be empty."""
    return _UNSAFE.sub("_", name).strip(". ")


def disposition(name: str) -> str:
    """RFC 6266: ``filename`` in ASCII for old clients, ``filename*`` (RFC 8187) with every character for all others."""
    plain = "".join(character if character.isascii() and character != "%" else "_" for character in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
