"""What answers at the address of a link say to caches and search engines."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PRIVATE"]

PRIVATE: Mapping[str, str] = {"Cache-Control": "no-store, no-transform", "X-Robots-Tag": "noindex"}
"""RFC 9111, section 5.2.2.5; without a limit an answer of 404 or 410 may be kept (section 4.2.2)."""
