"""The JSON of a manifest: how it is laid out for people, read without trust, and digested."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NoReturn

from polyglot_export.errors import ManifestError
from polyglot_export.limits import MANIFEST_BYTES

__all__ = ["digest", "read", "write"]

INDENT = "  "
_encode = json.JSONEncoder(ensure_ascii=False).encode


def digest(content: dict[str, Any]) -> str:
    """``sha256:`` and the digest of JSON in its canonical form: names in the order of their code points, no white
    space, every character that JSON allows as it is, in UTF-8. A manifest holds no number that is not whole, whose text
    could differ.
    """
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def write(content: dict[str, Any]) -> bytes:
    """JSON for programs and people: a column or a file in a line of its own."""
    return f"{_laid_out(content, '')}\n".encode()


def read(content: bytes) -> dict[str, Any]:
    """The members of the outermost object.

    Raises:
        ManifestError: It is no JSON object, too large, or ambiguous.
    """
    if len(content) > MANIFEST_BYTES:
        raise ManifestError(f"a manifest has at most {MANIFEST_BYTES} bytes, and this is larger")
    try:
        given = json.loads(
            content.decode(), object_pairs_hook=_members, parse_float=_refuse_number, parse_constant=_refuse_number
        )
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ManifestError(f"this is no manifest: {reason}") from None
    if not isinstance(given, dict):
        raise ManifestError("this is no manifest: it is no JSON object")
    return given


def _laid_out(value: Any, indent: str) -> str:
    if _fits_a_line(value):
        return _encode(value)
    inner = indent + INDENT
    if isinstance(value, dict):
        begin, end = "{}"
        items = [f"{_encode(name)}: {_laid_out(item, inner)}" for name, item in value.items()]
    else:
        begin, end = "[]"
        items = [_laid_out(item, inner) for item in value]
    body = ",\n".join(f"{inner}{item}" for item in items)
    return f"{begin}\n{body}\n{indent}{end}"


def _fits_a_line(value: Any) -> bool:
    """A list of simple values, or an object whose members are that or less."""
    if isinstance(value, dict):
        return not any(_holds_more(item) for item in value.values())
    return not _holds_more(value)


def _holds_more(value: Any) -> bool:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return False
    return any(isinstance(item, (dict, list)) for item in value)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the member {name!r} is given twice")
        members[name] = value
    return members


def _refuse_number(given: str) -> NoReturn:
    raise ValueError(f"it holds the number {given}, and all of a manifest are whole")
