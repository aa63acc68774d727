"""Fail when the pages say what is not so: a link that leads nowhere, a target of make that does not exist, a dependency
without its reason, a version without its place in the changelog.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Print what is wrong, a line each; gives 0 when nothing is."""
    problems = [*dead_links(), *unknown_targets(), *unexplained_dependencies(), *unknown_version()]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def pages() -> list[Path]:
    """Every Markdown page that is, or is about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.splitlines() if (path := ROOT / name).exists()]
    return [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]


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
    """Each dependency of Cargo.toml and pyproject.toml has a line in docs/dependencies.md, and nothing else has one."""
    first_cells = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    explained = {name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)}
    declared = set(dependencies())
    for name in sorted(declared - explained):
        yield f"docs/dependencies.md: {name} is not explained"
    for name in sorted(explained - declared):
        yield f"docs/dependencies.md: {name} is no dependency"


def dependencies() -> Iterator[str]:
    """Names only, as the two files write them."""
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


def unknown_version() -> Iterator[str]:
    """The version of the workspace is a heading of the changelog, or is announced there as the next one."""
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    if f"## [{version}]" not in changelog and not ("## [Unreleased]" in changelog and version in changelog):
        yield f"CHANGELOG.md: version {version} of Cargo.toml is not mentioned"


if __name__ == "__main__":
    sys.exit(main())
