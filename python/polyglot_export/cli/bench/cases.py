"""The forms of a file that are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from polyglot_export.errors import SpecError

__all__ = ["CASES", "Case", "chosen_cases"]


@dataclass(frozen=True)
class Case:
    """One form of a file.

    Attributes:
        name: As it is shown, and as a tool says what it can write.
        format: Of the export.
        compression: Of the whole file: ``gzip``, ``zstd`` or ``None``.
        options: Of the format.
    """

    name: str
    format: str
    compression: str | None = None
    options: tuple[str, ...] = ()

    def members(self) -> dict[str, object]:
        """Its part of a spec."""
        return {
            "format": self.format,
            "compression": self.compression,
            "options": dict(each.split("=", 1) for each in self.options),
        }

    @property
    def compressed(self) -> bool:
        """Whether its size says something about compression."""
        return self.compression is not None or self.format == "parquet"


CASES: Final = {
    case.name: case
    for case in (
        Case("csv", "csv"),
        Case("json", "json"),
        Case("ndjson", "ndjson"),
        Case("xml", "xml"),
        Case("parquet", "parquet"),
        Case("parquet-zstd", "parquet", options=("compression=zstd",)),
        Case("csv.gz", "csv", "gzip"),
        Case("csv.zst", "csv", "zstd"),
    )
}


def chosen_cases(names: str | None) -> tuple[Case, ...]:
    """The cases of a list with commas, in its order; all of them when there is none.

    Raises:
        SpecError: One that does not exist; the others are named.
    """
    if names is None:
        return tuple(CASES.values())
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in CASES]
    if unknown or not wanted:
        raise SpecError("formats", f"{unknown[0] if unknown else names!r} is none of {', '.join(CASES)}")
    return tuple(CASES[name] for name in dict.fromkeys(wanted))
