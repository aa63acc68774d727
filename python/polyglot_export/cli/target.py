"""What the name of the target says about format and compression.

``orders.csv.gz`` is CSV, compressed by gzip. What the options say must agree: a file whose name says one thing and whose
bytes say another is opened wrongly by the next program.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from polyglot_export.errors import SpecError

__all__ = ["STDOUT", "Target", "choose"]

STDOUT = "-"
"""The name that stands for standard output."""

DEFAULT_FORMAT = "csv"
"""What standard output gets when nobody names a format."""

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".xml": "xml",
    ".parquet": "parquet",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


class Target(NamedTuple):
    """Where the export goes and in which form.

    Attributes:
        path: A path, or ``-`` for standard output.
        format: The format.
        compression: ``gzip``, ``zstd`` or ``None``.
        is_binary: True when the bytes are not for a terminal.
    """

    path: str
    format: str
    compression: str | None

    @property
    def is_binary(self) -> bool:
        """Parquet and compressed text are not for a terminal."""
        return self.format == "parquet" or self.compression is not None


def choose(path: str, format_name: str | None, compression: str | None) -> Target:
    """Take format and compression from the options and from the name, which must agree.

    Args:
        path: The target as the user wrote it; ``-`` is standard output.
        format_name: ``--format`` or ``None``.
        compression: ``--compression`` or ``None``.

    Raises:
        SpecError: The name contradicts an option, or nothing says which format it is.
    """
    if path == STDOUT or _is_special(path):
        return Target(path, format_name or DEFAULT_FORMAT, compression)
    if os.path.isdir(path):
        raise _wrong(f"{path} is a folder; name a file in it")
    name = os.path.basename(path)
    rest, extension = os.path.splitext(name.lower())
    named_compression = COMPRESSIONS.get(extension)
    named_format = FORMATS.get(os.path.splitext(rest)[1] if named_compression else extension)
    if named_format == "parquet" and named_compression:
        raise _wrong(f"{name}: parquet compresses inside the file; name it .parquet and choose the codec with --option compression=…")
    if format_name and named_format and format_name != named_format:
        raise _wrong(f"the name {name} says {named_format}, but --format says {format_name}; {_WAY_OUT}")
    chosen = format_name or named_format
    if chosen is None:
        raise _wrong(f"the name {name} does not say which format it is: give --format, or one of the endings {', '.join(FORMATS)}")
    if compression and named_compression != compression and (named_compression or named_format):
        said = named_compression or "no compression"
        raise _wrong(f"the name {name} says {said}, but --compression says {compression}; {_WAY_OUT}")
    return Target(path, chosen, compression or named_compression)


_WAY_OUT = "change one of them (or write to standard output: -o - > name)"


def _wrong(message: str) -> SpecError:
    return SpecError(f"--output: {message}", field="output")


def _is_special(path: str) -> bool:
    """True for a device or FIFO, whose name says nothing about what is in it."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
