"""The table of readers in ``docs/formats/parquet.md``, made of what ``python -m tests.readers.measure`` has found.

``python -m tests.readers.table`` writes the page; with ``--check`` it says whether it is written already.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.readers.readers import READERS
from tests.readers.samples import SAMPLES

__all__ = ["MEASURED", "PAGE", "measured", "page"]

MEASURED = Path(__file__).parent / "measured.json"
PAGE = Path(__file__).parents[2] / "docs" / "formats" / "parquet.md"
BEGIN = "<!-- readers: made by python -m tests.readers.table -->\n"
END = "<!-- end of readers -->\n"
WORDS = {"reads": "yes", "bytes": "as bytes", "other": "**other value**", "refuses": "**error**"}


def measured() -> Any:
    """What was found: ``date``, and ``readers`` with ``version`` and, by the title of a sample, its outcome."""
    if MEASURED.exists():
        return json.loads(MEASURED.read_text(encoding="utf-8"))
    return {"date": "", "readers": {}}


def page(text: str) -> str:
    """The text of the page with its table made anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no place for the table of readers")
    return before + BEGIN + _section() + END + after


def _section() -> str:
    found = measured()
    columns = [f"{reader.title} {reader.environment}".strip() for reader in READERS]
    heads = [f"{reader.title} {found['readers'][key]['version']}" for reader, key in zip(READERS, columns, strict=True)]
    lines = [f"| type | {' | '.join(heads)} |\n", "| --- |" + " --- |" * len(heads) + "\n"]
    notes: dict[str, int] = {}
    for sample in SAMPLES:
        cells = []
        for head, key in zip(heads, columns, strict=True):
            outcome = found["readers"][key]["samples"][sample.title]
            note = ""
            if outcome["verdict"] == "other":
                number = notes.setdefault(f"{head}: {_inline(outcome['detail'])}", len(notes) + 1)
                note = f" ({number})"
            cells.append(WORDS[outcome["verdict"]] + note)
        lines.append(f"| {sample.title} | {' | '.join(cells)} |\n")
    listed = [f"{number}. {note}.\n" for note, number in notes.items()]
    return f"\nMeasured on {found['date']}.\n\n" + "".join(lines) + "\n" + "".join(listed) + "\n"


def _inline(text: str) -> str:
    """The two values of a difference, each as code."""
    server, _, reader = text.partition(" is ")
    return " is ".join(f"`{value}`" if value else "empty" for value in (server, reader))


def main() -> None:
    """Write the page, or compare it."""
    text = PAGE.read_text(encoding="utf-8")
    made = page(text)
    if "--check" in sys.argv:
        sys.exit(None if made == text else f"{PAGE} is old; python -m tests.readers.table writes it")
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
