"""What the name of the target says about format and compression.

``orders.csv.gz`` is CSV, compressed by gzip. What the options say must agree: a file whose name says one thing and
whose bytes say another is opened wrongly by the next program.
"""

from __future__ import annotations

import stat
from pathlib import Path
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
    mode = None if path == STDOUT else _mode(path)
    if path == STDOUT or (mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)):
        # The name of a device or FIFO says nothing about what is in it.
        return Target(path, format_name or DEFAULT_FORMAT, compression)
    if mode is not None and stat.S_ISDIR(mode):
        raise _wrong(f"{path} is a folder; name a file in it")
    name = Path(path).name
    lower = Path(name.lower())
    named_compression = COMPRESSIONS.get(lower.suffix)
    named_format = FORMATS.get(Path(lower.stem).suffix if named_compression else lower.suffix)
    if named_format == "parquet" and named_compression:
        raise _wrong(
            f"{name}: parquet compresses inside the file; name it .parquet and choose the codec with --option "
            "compression=…"
        )
    if format_name and named_format and format_name != named_format:
        raise _wrong(f"the name {name} says {named_format}, but --format says {format_name}; {_WAY_OUT}")
    chosen = format_name or named_format
    if chosen is None:
        raise _wrong(
            f"the name {name} does not say which format it is: give --format, or one of the endings "
            f"{', '.join(FORMATS)}"
        )
    if compression and named_compression != compression and (named_compression or named_format):
        said = named_compression or "no compression"
        raise _wrong(f"the name {name} says {said}, but --compression says {compression}; {_WAY_OUT}")
    return Target(path, chosen, compression or named_compression)


_WAY_OUT = "change one of them (or write to standard output: -o - > name)"


def _wrong(message: str) -> SpecError:
    return SpecError("output", message)


def _mode(path: str) -> int | None:
    """What is there; ``None`` when nothing is, or nothing can be seen: the sink gives the reason."""
    try:
        return Path(path).stat().st_mode
    except OSError:
        return None
