"""What a proof prints, in its place in a page of the docs."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_into"]


def write_into(page: Path, name: str, text: str, by: str = "make proof") -> None:
    """Replace what is between the marks of a proof, or of a measurement.

    Args:
        page: The page, in Markdown.
        name: Of the proof: its marks are ``<!-- NAME: written by `make proof` -->`` and ``<!-- NAME: end -->``.
        text: What is to stand there.
        by: The command that does this; the first mark has it.

    Raises:
        ValueError: The page lacks them.
    """
    first, last = f"<!-- {name}: written by `{by}` -->", f"<!-- {name}: end -->"
    before, begin, rest = page.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"{page}: the marks {first} and {last} are missing")
    page.write_text(f"{before}{first}\n\n{text}\n\n{last}{after}", encoding="utf-8")
