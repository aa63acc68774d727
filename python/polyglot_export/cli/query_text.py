"""The text of a query that stands in a file or comes through standard input: ``--query @report.sql``, ``--query -``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from polyglot_export.errors import SpecError

__all__ = ["read_parameters", "read_query"]

QUERY_BYTES = 1 << 20
"""The longest text; no person writes one, and the server would hold some hundred times as much while it parses it."""


def read_query(where: str) -> str:
    """The query.

    Args:
        where: ``@FILE``, or ``-`` for standard input.

    Raises:
        SpecError: There is none, it is too long, or it is no text.
    """
    path = where.removeprefix("@")
    try:
        if where == "-":
            # Where it is closed Python has none.
            data = _begin(sys.stdin.buffer) if sys.stdin is not None else b""
            path = "standard input"
        else:
            with Path(path).open("rb") as file:
                data = _begin(file)
    except OSError as error:
        raise SpecError("query", f"{path} cannot be read: {error.strerror or error}") from None
    if len(data) > QUERY_BYTES:
        raise SpecError("query", f"{path} has more than {QUERY_BYTES:,} bytes")
    try:
        # Editors of Windows put a mark in front.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError("query", f"{path} is not UTF-8") from None
    if not text.strip():
        raise SpecError("query", f"{path} is empty")
    return text


def read_parameters(given: Sequence[str], null: Sequence[str]) -> dict[str, str | None]:
    """The values of ``--param NAME=VALUE`` and ``--null-param NAME``.

    Raises:
        SpecError: One is written otherwise, or a name is given twice.
    """
    found: dict[str, str | None] = {}
    for name, value in [*map(_pair, given), *((each, None) for each in null)]:
        if name in found:
            raise SpecError("param", f"{name} is given twice")
        found[name] = value
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise SpecError("param", f"must be NAME=VALUE, as from=2026-01-01 (got {text!r})")
    return name.strip().removeprefix(":"), value


def _begin(file: BinaryIO) -> bytes:
    return file.read(QUERY_BYTES + 1)
