"""Fail when the pages say what is not so: a link that leads nowhere, a file or a target of make that does not exist, a
dependency without its reason. Fail also on lines of more than 120 columns.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
SOURCE_FILE = re.compile(r"`(\.?[\w-]+(?:/[\w.-]+)*(?:\.(?:py|pyi|rs|toml|sh|md|yml|html|js|css)|/))`")
"""What is between backticks and looks like a file or a folder of the repository."""
EXAMPLES = re.compile(r"\b(?:test_)?(?:x|logfmt|NAME)\.\w+$")
"""Files that pages tell a contributor to make."""
COLUMNS = 120
PRINTED = ("", "text")
"""Languages of the code blocks that show what a program printed."""


def main() -> int:
    """Print what is wrong, a line each; gives 0 when nothing is."""
    problems = [*dead_links(), *unknown_files(), *unknown_targets(), *unexplained_dependencies(), *long_lines()]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def pages() -> list[Path]:
    """Every Markdown page of the repository."""
    return [path for path in files() if path.suffix == ".md"]


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or is about to be, in the repository; from an archive without git, every file there is."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return tuple(path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())
    made = {".venv", ".build", "target"}
    return tuple(path for path in ROOT.rglob("*") if path.is_file() and path.relative_to(ROOT).parts[0] not in made)


def dead_links() -> Iterator[str]:
    """Relative links to files and to headings."""
    for page in pages():
        for target in LINK.findall(FENCE.sub("", page.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = (page.parent / name).resolve() if name else page
            if not file.exists():
                yield f"{page.relative_to(ROOT)}: {target} does not exist"
            elif anchor and file.suffix == ".md" and anchor not in anchors(file):
                yield f"{page.relative_to(ROOT)}: {target} has no such heading"


def unknown_files() -> Iterator[str]:
    """A file or folder that a page, a docstring or a comment names between backticks exists.

    It may be named by the end of its path (``request/spec.py``), as a reader who is in that folder would.
    """
    there = {f"/{path.relative_to(ROOT)}" for path in files()}
    folders = {f"/{folder}/" for path in files() for folder in path.relative_to(ROOT).parents}
    for page in files():
        if page.suffix not in {".md", ".py", ".pyi", ".rs"}:
            continue
        for name in sorted(set(SOURCE_FILE.findall(page.read_text()))):
            known = folders if name.endswith("/") else there
            if not EXAMPLES.search(name) and not any(path.endswith(f"/{name}") for path in known):
                yield f"{page.relative_to(ROOT)}: there is no {name}"


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page get: lower case, punctuation dropped, blanks as hyphens."""
    headings = re.findall(r"^#+ +(.+?)\s*$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def unknown_targets() -> Iterator[str]:
    """``make something`` in a page names a target."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in pages():
        for target in re.findall(r"(?:^|`|\$ )make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE):
            if target not in targets:
                yield f"{page.relative_to(ROOT)}: make {target} is no target"


def unexplained_dependencies() -> Iterator[str]:
    """Each dependency that a file declares has a line in docs/dependencies.md, and nothing else has one."""
    first_cells = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    explained = {name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}
    declared = set(dependencies())
    for name in sorted(declared - explained):
        yield f"docs/dependencies.md: {name} is not explained"
    for name in sorted(explained - declared):
        yield f"docs/dependencies.md: {name} is no dependency"


def dependencies() -> Iterator[str]:
    """Names only, as the files write them: of the core, of the package, and of clients and readers in the tests."""
    crate = tomllib.loads((ROOT / "rust/Cargo.toml").read_text())
    for table in ("dependencies", "dev-dependencies", "build-dependencies"):
        yield from crate.get(table, {})
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [
        package["project"]["dependencies"],
        *package["project"]["optional-dependencies"].values(),
        *package["dependency-groups"].values(),
        package["build-system"]["requires"],
    ]
    for group in groups:
        # A group may also name another one, as a table; that one is among the groups itself.
        for requirement in (entry for entry in group if isinstance(entry, str)):
            yield re.split(r"[\[<>=~! ;]", requirement, maxsplit=1)[0]
    clients = ROOT / "tests/clients"
    yield from re.findall(r"^[\w-]+", (clients / "requirements.in").read_text(), re.MULTILINE)
    npm = json.loads((clients / "package.json").read_text())
    yield from [*npm["dependencies"], *npm["optionalDependencies"]]
    readers = ROOT / "tests/readers"
    yield from re.findall(r" ([\w-]+)==", (readers / "requirements.txt").read_text())
    yield from re.findall(r"^require \S+/([\w-]+) ", (readers / "programs/go/go.mod").read_text(), re.MULTILINE)


def long_lines() -> Iterator[str]:
    """Lines that could be broken and are longer than the lines of the code may be."""
    for page in pages():
        for number, line in breakable_lines(page.read_text()):
            if len(line) > COLUMNS and " " in line.strip(" -*>#"):
                yield f"{page.relative_to(ROOT)}:{number}: {len(line)} columns; {COLUMNS} are allowed"


def breakable_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a page with their numbers, but for those that cannot be broken: rows of tables, and what a program
    printed.
    """
    language: str | None = None
    in_command = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            language = None if language is not None else line.strip().strip("`")
        elif language == "console":
            # A command goes on after a backslash, or with the shell's second prompt.
            command = line.startswith(("$ ", "> ")) or in_command
            in_command = command and line.endswith("\\")
            if command:
                yield number, line
        elif language not in PRINTED and not line.startswith("|"):
            yield number, line


if __name__ == "__main__":
    sys.exit(main())
