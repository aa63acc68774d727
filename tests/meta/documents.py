"""The marked examples of the pages: what they say and how they are run.

A comment before a fenced block marks it:

- ``<!-- test -->``: a ``console`` block is run in a shell and prints exactly what is below its commands; a ``python``
  block is run and must not fail.
- ``<!-- test: numbers differ -->``: numbers, identifiers and times in the output are not compared, everything between
  them is.

The commands of a page run in one folder, in order. ``records`` is there, with a thousand rows of the demo;
``DATABASE_URL`` leads to it, in Python also ``dsn``, and ``http://127.0.0.1:8080`` to a service, whose
audit log is ``/var/log/polyglot/audit.log``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Example", "examples", "pages", "without_numbers"]

ROOT = Path(__file__).parents[2]
MARK = re.compile(
    r"^<!-- test(?P<mode>: numbers differ)? -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
ANY_MARK = re.compile(r"^<!-- *test", re.MULTILINE)
VARIABLE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+|[0-9A-F]{8}-[0-9A-F]{8}-\d|\d[\d,.:TZ-]*|\b[kMG]?B\b")
"""A UUID, a snapshot, a number or a time; and the unit of a size, which may be another one."""


@dataclass(frozen=True)
class Example:
    """One marked block.

    Attributes:
        page: The page, from the root of the project.
        line: Where the block begins, for the message of a failure.
        language: ``console`` or ``python``.
        text: What is in the block.
        exact: Whether the output is compared to the letter.
    """

    page: Path
    line: int
    language: str
    text: str
    exact: bool

    def commands(self) -> list[tuple[str, str]]:
        """The commands of a console block, each with the output that is shown below it."""
        found: list[tuple[list[str], list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif found and not found[-1][1] and (line.startswith("> ") or found[-1][0][-1].endswith("\\")):
                found[-1][0].append(line.removeprefix("> "))
            elif found:
                found[-1][1].append(line)
            else:
                raise AssertionError(f"{self.page}:{self.line}: a console block begins with a command")
        return [("\n".join(command), "".join(f"{line}\n" for line in output)) for command, output in found]


def pages() -> list[Path]:
    """The pages that have marked examples."""
    candidates = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page.relative_to(ROOT) for page in candidates if ANY_MARK.search(page.read_text(encoding="utf-8"))]


def examples(page: Path) -> list[Example]:
    """The marked examples of a page, in order. A mark that stands before nothing is an error."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [
        Example(page, text[: match.start()].count("\n") + 2, match["language"], match["text"], match["mode"] is None)
        for match in MARK.finditer(text)
    ]
    assert len(found) == len(ANY_MARK.findall(text)), f"{page}: a mark is not followed by a block, or is misspelt"
    return found


def without_numbers(text: str) -> str:
    """Text with every variable part replaced, and runs of blanks as one, since columns move with the numbers."""
    return re.sub(r" +", " ", VARIABLE.sub("#", text))
