"""Where the files of a dump are: folders and names that every store and file system can have.

``DEST/manifest.json``, ``DEST/<schema>.<table>/part-00000.parquet``; ``DEST/<schema>.<table>/<schema>.<leaf>/…`` where
each partition has a folder, and ``DEST/<schema>.<table>/day=2026-11-25/…`` where each value has one (``values.py``).
With ``{schema}`` or ``{table}`` in DEST, the manifest is where the first of them begins, and the rest names the folders
of the relations. A manifest that was given a name of its own is in that folder or above it, and may lie among files
that are none of its business.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError
from polyglot_export.formats.registry import Format
from polyglot_export.manifest.document import MANIFEST
from polyglot_export.manifest.location import ENDING, claim_number, claim_path, path_below

__all__ = ["Layout", "encoded"]

DEFAULT: Final = "{schema}.{table}"
PART_DIGITS = 5
NAME_BYTES = 200
"""The longest name of a folder. File systems take 255 bytes, and a temporary file has some more than its file."""
HASH_DIGITS = 8

_SAFE = re.compile(r"[A-Za-z0-9_-]")
_NAME = r"[A-Za-z0-9_%~-]+"
"""What stands for a name, as it is encoded here."""
_LEAF = rf"{_NAME}\.{_NAME}"
_VALUE = r"[^/=]+=[^/]*"
"""The folder of a value."""


def _endings() -> Iterator[str]:
    """What the names of all files end in that this program writes."""
    for format_ in Format:
        ending = format_.record.endings[0]
        yield ending
        if format_.record.is_text:
            yield from (ending + compression.record.ending for compression in Compression)


_ENDING = "|".join(re.escape(each) for each in _endings())
_PART = rf"part-\d{{{PART_DIGITS},}}(?:_\d+)?(?:-(\d+))?(?:{_ENDING})"
_INSIDE = rf"(?:/{_LEAF}|/{_VALUE})?"
"""A folder in that of a relation."""
_PLACEHOLDER = re.compile(r"\{(schema|table)\}")


class Layout:
    """The folders and files of one dump.

    Args:
        destination: As the user wrote it.
        format_: Of the files.
        compression: Of the whole files.
        manifest: The file of the manifest, as the user wrote it; ``None`` for ``manifest.json`` in the root.

    Attributes:
        root: The folder that all paths are relative to: that of the manifest.
        below: The folder in it, or empty text for the same one, which all files of the set are below.
        manifest: The path of the manifest.

    Raises:
        SpecError: A placeholder is not known, two relations would share a folder, or the manifest cannot tell where the
            files are.
    """

    def __init__(
        self, destination: str, format_: Format, compression: Compression | None, manifest: str | None = None
    ) -> None:
        self.root, self._template = _divided(destination)
        self.below, self.manifest = "", MANIFEST
        if manifest is not None:
            self.root, self.below, self.manifest = _apart(self.root, manifest)
        self._ending = format_.record.endings[0] + (compression.record.ending if compression is not None else "")
        self._folders: dict[str, tuple[str | None, str]] = {}
        self._given: set[str] = set()
        self._prefix = f"{self.below}/" if self.below else ""
        self._pattern = re.compile(re.escape(self._prefix) + _pattern_of(self._template))

    def folder(self, schema: str | None, name: str) -> str:
        """The folder of a relation, relative to the root. Relations must come in the order of their names, so that the
        same ones always get the same folders.
        """
        wanted = self._prefix + self._filled(schema, name)
        taken = self._folders.setdefault(wanted.casefold(), (schema, name))
        if taken != (schema, name):
            # On a file system that does not tell upper from lower case the two would be one.
            wanted = _with_hash(wanted, f"{schema or ''}.{name}")
            self._folders[wanted.casefold()] = (schema, name)
        self._given.add(wanted)
        return wanted

    @property
    def folders(self) -> frozenset[str]:
        """Those that :meth:`folder` gave to relations so far."""
        return frozenset(self._given)

    def leaf(self, folder: str, schema: str, name: str) -> str:
        """The folder of a partition in that of its table."""
        return f"{folder}/{_shortened(f'{encoded(schema)}.{encoded(name)}', f'{schema}.{name}')}"

    def part(self, folder: str, number: int, generation: int) -> str:
        """The path of a file, relative to the root.

        Args:
            folder: Of its relation, or of a partition.
            number: Of the part, from 0.
            generation: 0, or a higher number where a set is replaced by another one.
        """
        again = f"-{generation}" if generation else ""
        return f"{folder}/part-{number:0{PART_DIGITS}}{again}{self._ending}"

    @property
    def is_alone(self) -> bool:
        """Whether nothing but the set may be in its root."""
        return self.manifest == MANIFEST

    def claim(self, number: int) -> str:
        """The path of a claim on the files of the set, wherever their manifest is."""
        return self._prefix + claim_path(number)

    def claim_number(self, path: str) -> int | None:
        """Of a claim; ``None`` for any other file."""
        return claim_number(path.removeprefix(self._prefix))

    def generation_of(self, path: str) -> int | None:
        """Of a file of a dump that was laid out as this one; ``None`` for any other file."""
        match = self._pattern.fullmatch(path)
        return None if match is None else int(match[1] or 0)

    def _filled(self, schema: str | None, name: str) -> str:
        if schema is None and self._template == DEFAULT:
            return _shortened(encoded(name), name)
        values = {"schema": encoded(schema or "query"), "table": encoded(name)}
        parts = [_PLACEHOLDER.sub(lambda match: values[match[1]], part) for part in self._template.split("/")]
        return "/".join(_shortened(part, f"{schema}.{name}") for part in parts)


def _pattern_of(template: str) -> str:
    """What the paths of parts look like, where the folder of a relation is called so."""
    if template == DEFAULT:
        # A query has no schema.
        return rf"(?:{_NAME}(?:/{_VALUE})?|{_NAME}\.{_NAME}{_INSIDE})/{_PART}"
    pieces = _PLACEHOLDER.split(template)
    return "".join(_NAME if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)) + f"{_INSIDE}/{_PART}"


def _apart(root: str, manifest: str) -> tuple[str, str, str]:
    """The folder of a manifest, the path of the files from there, and its name."""
    folder, slash, name = manifest.rpartition("/")
    if not name.endswith(ENDING) or "{" in manifest:
        reason = f"must be the name of a file that ends in {ENDING}, without placeholders"
        raise SpecError("manifest", reason, given=manifest)
    below = path_below(root, manifest)
    if below is None:
        reason = f"must be in the folder of the files, {root}, or above it: it names them from there"
        raise SpecError("manifest", reason, given=manifest)
    return f"{folder}{slash}" or ".", below, name


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


def encoded(name: str) -> str:
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
