"""The folders that stand for a value, as Hive names them: ``day=2026-11-25``, in the folder of a relation.

What cannot be in a name is percent-encoded in the way of Hive's ``FileUtils.escapePathName``, which every reader of
such folders undoes; characters beyond ASCII stay as they are, since some readers decode byte by byte.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final, NamedTuple

from polyglot_export.dumps.layout import HASH_DIGITS, NAME_BYTES

__all__ = ["DEFAULT_PARTITION", "ValueFolder", "part_of", "value_file", "value_folder"]

DEFAULT_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
"""What stands for NULL."""
KEY_BYTES = 150
"""The most of a name that its key has, whatever the value, since all folders of a relation need the same one. Names of
columns are shorter, but for some with dozens of characters that are percent-encoded; any time or UUID fits behind."""

_ESCAPED = re.compile(r"[\x00-\x1f\"#%'*/:=?\\\x7f{}\[\]^]")
_HALF_ESCAPE = re.compile(r"%[0-9A-F]?$")
_PART_NAME = re.compile(r"(part-\d+)((?:-\d+)?(?:\.[a-z0-9]+)+)")
_VALUE_FILE = re.compile(r"(?:(.*)/)?[^/=]+=[^/]*/(part-\d+)(?:_\d+)?((?:-\d+)?(?:\.[a-z0-9]+)+)", re.DOTALL)


class ValueFolder(NamedTuple):
    """The name of a folder."""

    name: str
    tells_all: bool
    """Whether the value can be read from it."""


def value_folder(key: str, value: str | None) -> ValueFolder:
    """The folder of a value.

    Args:
        key: What stands before the ``=``. One of more than ``KEY_BYTES`` is shortened.
        value: As the server prints it; ``None`` for NULL. One that would make the name too long is shortened. What is
            shortened has a digest of all of it behind.
    """
    head = f"{_shortened(key, KEY_BYTES)}="
    if value is None:
        return ValueFolder(f"{head}{DEFAULT_PARTITION}", True)
    room = NAME_BYTES - len(head.encode())
    told = _shortened(value, room)
    return ValueFolder(f"{head}{told}", told == _escaped(value))


def value_file(part: str, folder: str, again: int) -> str:
    """The path of a file.

    Args:
        part: The path that the part would have as one file: ``public.events/part-00003.parquet``.
        folder: Of the value.
        again: How many files the part has in that folder already.
    """
    above, _, name = part.rpartition("/")
    match = _PART_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no name of a part")
    number = f"_{again}" if again else ""
    return "/".join(filter(None, (above, folder, f"{match[1]}{number}{match[2]}")))


def part_of(path: str) -> str:
    """The path of the part that the file of a value is of: what :func:`value_file` was given."""
    match = _VALUE_FILE.fullmatch(path)
    return path if match is None else "/".join(filter(None, (match[1], f"{match[2]}{match[3]}")))


def _shortened(text: str, room: int) -> str:
    """A text as it is in names, in so many bytes."""
    escaped = _escaped(text)
    encoded = escaped.encode()
    if len(encoded) <= room:
        return escaped
    digest = hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]
    head = encoded[: room - HASH_DIGITS - 1].decode(errors="ignore")
    return f"{_HALF_ESCAPE.sub('', head)}~{digest}"


def _escaped(text: str) -> str:
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", text)
