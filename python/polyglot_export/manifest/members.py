"""Reads the members of a manifest that are more than a text or a number."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from polyglot_export.fields import is_number, read_text, within, wrong

__all__ = ["SHA256_PATTERN", "counts", "folder", "options", "path", "sha256", "texts", "values"]

V = TypeVar("V")

SHA256_DIGITS = 64
SHA256_PATTERN = "^[0-9a-f]{64}$"


def path(given: object) -> str:
    """A path below the folder of the manifest.

    Raises:
        SpecError: It is none, or leads out of that folder.
    """
    name = read_text(given)
    if "\0" in name or "\\" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise wrong("must be a path below the manifest's folder, without '..', '\\', or an empty part", name)
    return name


def folder(given: object) -> str:
    """A folder below that of the manifest, or that one, which is empty text.

    Raises:
        SpecError: As :func:`path`.
    """
    return path(given) if given != "" else ""


def sha256(given: object) -> str:
    """A digest.

    Raises:
        SpecError: It is none.
    """
    if not isinstance(given, str) or len(given) != SHA256_DIGITS or re.match(SHA256_PATTERN, given) is None:
        raise wrong("must be 64 hexadecimal digits in small letters", given)
    return given


def texts(given: object) -> dict[str, str]:
    """Names with a text each.

    Raises:
        SpecError: They are none.
    """
    return _mapping(given, read_text)


def values(given: object) -> dict[str, str | None] | None:
    """Names with a text or nothing each, or nothing at all.

    Raises:
        SpecError: They are none.
    """
    return None if given is None else _mapping(given, lambda value: None if value is None else read_text(value))


def counts(given: object) -> dict[str, int]:
    """Names with a count each.

    Raises:
        SpecError: They are none.
    """
    return _mapping(given, _count)


def options(given: object) -> dict[str, object]:
    """The options of a format, whose record reads them.

    Raises:
        SpecError: They are none.
    """
    return _mapping(given, _plain)


def _mapping(given: object, read: Callable[[object], V]) -> dict[str, V]:
    if not isinstance(given, Mapping):
        raise wrong("must be an object", given)
    found: dict[str, V] = {}
    for name, value in given.items():
        with within(read_text(name)):
            found[name] = read(value)
    return found


def _plain(given: object) -> object:
    if isinstance(given, list | tuple):
        return [_plain(item) for item in given]
    if given is None or isinstance(given, bool | int):
        return given
    return read_text(given)


def _count(given: object) -> int:
    if not isinstance(given, int) or not is_number(given) or given < 0:
        raise wrong("must be a whole number of at least 0", given)
    return given
