"""Types with a decoder: what the core's registry says of them."""

from __future__ import annotations

from polyglot_export import _core

__all__ = ["NATIVE"]

NATIVE = {name: record for record in _core.types() for name in record.postgres}
"""Types of ``pg_catalog`` with a decoder, by name."""
