"""Where the files of a dump are: folders and names that every store and file system can have.

``DEST/manifest.json``, ``DEST/<schema>.<table>/part-00000.parquet``. With ``{schema}`` or ``{table}`` in DEST, the
manifest is where the first of them begins, and the rest names the folders of the relations.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError
from polyglot_export.formats.registry import Format

__all__ = ["Layout"]

DEFAULT: Final = "{schema}.{table}"
PART_DIGITS = 5
NAME_BYTES = 200
"""The longest name of a folder. File systems take 255 bytes, and a temporary file has some more than its file."""
HASH_DIGITS = 8

_SAFE = re.compile(r"[A-Za-z0-9_-]")
_NAME = r"[A-Za-z0-9_%~-]+"
"""What stands for a name, as it is encoded here."""
_PART = rf"part-\d{{{PART_DIGITS},}}(?:-(\d+))?(?:\.[a-z0-9]+)+"
_PLACEHOLDER = re.compile(r"\{(schema|table)\}")


class Layout:
    """The folders and files of one dump.

    Args:
        destination: As the user wrote it.
        format_: Of the files.
        compression: Of the whole files.

    Raises:
        SpecError: A placeholder is not known, or two relations would share a folder.
    """

    def __init__(self, destination: str, format_: Format, compression: Compression | None) -> None:
        self.root, self._template = _divided(destination)
        self._ending = format_.record.endings[0] + (compression.record.ending if compression is not None else "")
        self._folders: dict[str, tuple[str | None, str]] = {}
        self._pattern = _pattern_of(self._template)

    def folder(self, schema: str | None, name: str) -> str:
        """The folder of a relation, relative to the root. Relations must come in the order of their names, so that the
        same ones always get the same folders.
        """
        wanted = self._filled(schema, name)
        taken = self._folders.setdefault(wanted.casefold(), (schema, name))
        if taken != (schema, name):
            # On a file system that does not tell upper from lower case the two would be one.
            wanted = _with_hash(wanted, f"{schema or ''}.{name}")
            self._folders[wanted.casefold()] = (schema, name)
        return wanted

    def part(self, folder: str, number: int, generation: int) -> str:
        """The path of a file, relative to the root.

        Args:
            folder: Of its relation.
            number: Of the part, from 0.
            generation: 0, or a higher number where a set is replaced by another one.
        """
        again = f"-{generation}" if generation else ""
        return f"{folder}/part-{number:0{PART_DIGITS}}{again}{self._ending}"

    def generation_of(self, path: str) -> int | None:
        """Of a file of a dump that was laid out as this one; ``None`` for any other file."""
        match = self._pattern.fullmatch(path)
        return None if match is None else int(match[1] or 0)

    def _filled(self, schema: str | None, name: str) -> str:
        if schema is None and self._template == DEFAULT:
            return _shortened(_encoded(name), name)
        values = {"schema": _encoded(schema or "query"), "table": _encoded(name)}
        parts = [_PLACEHOLDER.sub(lambda match: values[match[1]], part) for part in self._template.split("/")]
        return "/".join(_shortened(part, f"{schema}.{name}") for part in parts)


def _pattern_of(template: str) -> re.Pattern[str]:
    """What the paths of parts look like, where the folder of a relation is called so."""
    if template == DEFAULT:
        # A query has no schema.
        return re.compile(rf"{_NAME}(?:\.{_NAME})?/{_PART}")
    pieces = _PLACEHOLDER.split(template)
    return re.compile("".join(_NAME if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)) + f"/{_PART}")


def _divided(destination: str) -> tuple[str, str]:
    """The root of a set, and the template of a relation's folder."""
    first = destination.find("{")
    if first < 0:
        return destination, DEFAULT
    start = destination.rfind("/", 0, first) + 1
    root, template = destination[:start] or ".", destination[start:].rstrip("/")
    rest = _PLACEHOLDER.sub("", template)
    if "{" in rest or "}" in rest:
        raise SpecError("output", "knows only {schema} and {table} in braces", given=destination)
    if "{table}" not in template:
        raise SpecError(
            "output", "must have {table} where it has {schema}, so that each table has a folder", given=destination
        )
    if any(part in ("", ".", "..") for part in template.split("/")):
        raise SpecError("output", "has an empty part, . or .. behind its first placeholder", given=destination)
    return root, template


def _encoded(name: str) -> str:
    """A name with every byte percent-encoded that is not a letter, a digit, _ or -: a dot divides schema and table."""
    return "".join(
        character if _SAFE.fullmatch(character) else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in name
    )


def _shortened(part: str, name: str) -> str:
    return part if len(part.encode()) <= NAME_BYTES else _with_hash(part, name)


def _with_hash(path: str, name: str) -> str:
    """The same with a digest of the true name at its end."""
    digest = hashlib.sha256(name.encode()).hexdigest()[:HASH_DIGITS]
    head, slash, last = path.rpartition("/")
    return f"{head}{slash}{last[: NAME_BYTES - HASH_DIGITS - 1]}~{digest}"
