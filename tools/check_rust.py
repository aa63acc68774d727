"""Fail on what cargo does not tell: a crate that nothing uses, and a comment of more than 120 columns.

`cargo machete` looks for such crates too, but cargo builds it from source, which takes longer than everything else that
``make lint`` does. rustfmt breaks code at 120 columns and leaves comments as they are.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
COLUMNS = 120

USERS = {"dependencies": ("src",), "dev-dependencies": ("src", "tests", "benches"), "build-dependencies": ("build.rs",)}
"""Where the crates of a table of Cargo.toml may be used, below rust/."""


def main() -> int:
    """Print what is wrong, a line each; gives 0 when nothing is."""
    problems = [*unused_crates(ROOT / "rust"), *long_comments(ROOT / "rust")]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def unused_crates(crate: Path) -> Iterator[str]:
    """Dependencies that no source file names as ``crate::…``, in ``use`` or in an attribute."""
    manifest = tomllib.loads((crate / "Cargo.toml").read_text())
    for table, places in USERS.items():
        code = "\n".join(file.read_text() for place in places for file in sources(crate / place))
        for name in manifest.get(table, {}):
            if not re.search(rf"\b{name.replace('-', '_')}(::|;|\s+as\b|\]|\))", without_comments(code)):
                yield f"rust/Cargo.toml: nothing uses {name}"


def long_comments(crate: Path) -> Iterator[str]:
    """Lines that are only a comment and are too long, unless a single word (an address) is what makes them so."""
    for file in sources(crate):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if len(line) > COLUMNS and line.lstrip().startswith("//") and len(line.split()) > 2:
                yield f"{file.relative_to(ROOT)}:{number}: a comment of {len(line)} columns; {COLUMNS} are allowed"


def sources(place: Path) -> list[Path]:
    """The Rust files of a folder, or the file itself."""
    return [place] if place.is_file() else sorted(place.rglob("*.rs"))


def without_comments(code: str) -> str:
    """Code without its line comments: a crate that only a comment names is not used."""
    return re.sub(r"^\s*//.*$", "", code, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main())
