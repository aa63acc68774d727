"""The forms of a file that are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from polyglot_export.errors import SpecError
from polyglot_export.formats.registry import Format

__all__ = ["CASES", "Case", "chosen_cases"]


@dataclass(frozen=True)
class Case:
    """One form of a file.

    Attributes:
        name: The name that is shown, and by which a tool says what it can write.
        format: The format of the export.
        compression: How the whole file is compressed: ``gzip``, ``zstd`` or ``None``.
        options: Options of the format, as ``name=value``.
    """

    name: str
    format: str
    compression: str | None = None
    options: tuple[str, ...] = ()

    def members(self) -> dict[str, object]:
        """The members that this form has in the spec of an export."""
        return {
            "format": self.format,
            "compression": self.compression,
            "options": dict(each.split("=", 1) for each in self.options),
        }

    @property
    def compressed(self) -> bool:
        """Whether the file is compressed, so that its size is worth comparing with that of plain CSV."""
        return self.compression is not None or not Format(self.format).record.is_text


CASES: Final = {
    case.name: case
    for case in (
        Case("csv", "csv"),
        Case("json", "json"),
        Case("ndjson", "ndjson"),
        Case("xml", "xml"),
        Case("parquet", "parquet"),
        Case("parquet-zstd", "parquet", options=("compression=zstd",)),
        Case("xlsx", "xlsx"),
        Case("csv.gz", "csv", "gzip"),
        Case("csv.zst", "csv", "zstd"),
    )
}


def chosen_cases(names: str | None) -> tuple[Case, ...]:
    """The cases named in a list with commas, in that order; all of them when no list is given.

    Raises:
        SpecError: A name is not a case; the message lists those that are.
    """
    if names is None:
        return tuple(CASES.values())
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in CASES]
    if unknown or not wanted:
        raise SpecError("formats", f"{unknown[0] if unknown else names!r} is none of {', '.join(CASES)}")
    return tuple(CASES[name] for name in dict.fromkeys(wanted))
