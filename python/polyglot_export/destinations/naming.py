"""What the name of a destination says about format and compression.

``orders.csv.gz`` is CSV, compressed by gzip. What is asked for must agree with it: a file whose
name says one thing and whose bytes are another would be misread by the next program.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, TypeVar

from polyglot_export.compressions import Compression
from polyglot_export.destinations.registry import kind_of
from polyglot_export.errors import SpecError
from polyglot_export.formats.registry import Format

__all__ = ["KEYWORDS", "Target", "Wording", "choose"]

DEFAULT_FORMAT = Format.CSV
"""The format where neither the name nor the caller names one."""

FORMATS = {ending: each for each in Format for ending in each.record.endings}
COMPRESSIONS = {each.record.ending: each for each in Compression}

E = TypeVar("E", Format, Compression)


class Wording(NamedTuple):
    """How a caller writes what an error is about.

    Attributes:
        name: The field with the name of the destination.
        format: Asks for a format.
        compression: Asks for a compression.
        option: Sets the option ``compression`` of a format.
        way_out: What else can be done about a contradiction, in brackets; empty for nothing.
    """

    name: str
    format: str
    compression: str
    option: str
    way_out: str = ""


KEYWORDS = Wording("path", "format=", "compression=", "options={'compression': …}")
"""The arguments of :func:`polyglot_export.export_to_file`."""


class Target(NamedTuple):
    """Where the export goes, and in which form.

    Attributes:
        path: The name as the caller wrote it; ``-`` is standard output.
        format: The format.
        compression: The compression of the whole file.
    """

    path: str
    format: Format
    compression: Compression | None

    @property
    def is_binary(self) -> bool:
        """Whether a terminal cannot show it."""
        return not self.format.record.is_text or self.compression is not None


def choose(
    path: str, format_: Format | str | None, compression: Compression | str | None, words: Wording = KEYWORDS
) -> Target:
    """Take format and compression from what is asked for and from the name, which must agree.

    Args:
        path: The name of the destination.
        format_: What is asked for, or ``None``.
        compression: What is asked for, or ``None``.
        words: How the caller has asked, for the sentence of an error.

    Raises:
        SpecError: The name contradicts what is asked for, or nothing says which format it is, or there is no such
        format or compression.
    """
    wanted = _member(Format, "format", format_)
    packed = _member(Compression, "compression", compression)
    try:
        kind = kind_of(path)
        name = kind.file_name(path)
    except SpecError as error:
        raise SpecError(words.name, error.reason) from None
    if not kind.capabilities.named_by_format:
        return Target(path, wanted or DEFAULT_FORMAT, packed)
    said, said_packed = _said(name)
    if said is not None and said_packed is not None and not said.record.is_text:
        ending = said.record.endings[0]
        raise SpecError(
            words.name,
            f"{name}: {said} compresses inside the file; name it {ending} and choose the codec with {words.option}",
        )
    way_out = f"change one of them{f' ({words.way_out})' if words.way_out else ''}"
    if wanted and said and wanted is not said:
        raise SpecError(words.name, f"the name {name} says {said}, but {words.format} says {wanted}; {way_out}")
    chosen = wanted or said
    if chosen is None:
        raise SpecError(
            words.name,
            f"the name {name} does not say which format it is: give {words.format}, or one of the endings "
            f"{', '.join(FORMATS)}",
        )
    if packed and said_packed is not packed and (said_packed or said):
        shown = said_packed or "no compression"
        raise SpecError(words.name, f"the name {name} says {shown}, but {words.compression} says {packed}; {way_out}")
    return Target(path, chosen, packed or said_packed)


def _said(name: str) -> tuple[Format | None, Compression | None]:
    """What the endings of a file's name say. Upper and lower case are the same."""
    lower = Path(name.lower())
    compression = COMPRESSIONS.get(lower.suffix)
    return FORMATS.get(Path(lower.stem).suffix if compression else lower.suffix), compression


def _member(known: type[E], field: str, given: E | str | None) -> E | None:
    """A member by its name."""
    if given is None:
        return None
    for each in known:
        if each == given:
            return each
    names = [repr(str(each)) for each in known]
    raise SpecError(field, f"must be {', '.join(names[:-1])} or {names[-1]} (got {given!r})")
