"""Counts the rows of a file that is in memory, as `verify` counts those of a file in a store."""

from __future__ import annotations

from typing import Any

from polyglot_export import _core
from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format

__all__ = ["counted"]


def counted(
    file: bytes, format_: Format, compression: Compression | None = None, *, cut: int = 1 << 20, **options: Any
) -> int:
    """The rows of a file whose bytes are given in pieces of ``cut``."""
    record = format_.record
    counter = _core.RowCounter(record.reading(record.options(**options)), compression)
    while (wanted := counter.wants(len(file))) is not None:
        start, length = wanted
        counter.look(file[start : start + length])
    for start in range(0, len(file), cut):
        counter.update(file[start : start + cut])
    return counter.finish()
