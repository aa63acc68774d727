"""Fail when Cargo.toml, which has the version of everything, and CHANGELOG.md tell different versions.

``python tools/check_version.py`` compares the version with the first released section of the changelog, whose heading
has the form ``## [1.2.3] - 2026-01-31``. ``--tag v1.2.3`` compares a tag of git too, and ``--notes`` prints the text of
the section, for the page of a release.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECTION = re.compile(
    r"^## \[(?!Unreleased\])(?P<version>[^\]]*)\](?P<rest>.*)\n"  # a heading,
    r"(?P<notes>(?:(?!^## ).*\n?)*)",  # and everything before the next one
    re.MULTILINE,
)


def main(arguments: list[str] | None = None) -> int:
    """Print what is wrong, a line each; gives 0 when nothing is."""
    parser = argparse.ArgumentParser(description="Compare the version in Cargo.toml with CHANGELOG.md.")
    parser.add_argument("--tag", help="a tag that must be the version with a v before it")
    parser.add_argument("--notes", action="store_true", help="print what the changelog says of the version")
    options = parser.parse_args(arguments)
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    problems = list(differences(version, changelog, options.tag))
    for problem in problems:
        print(problem, file=sys.stderr)
    if options.notes and not problems:
        print(notes(changelog))
    return 1 if problems else 0


def differences(version: str, changelog: str, tag: str | None = None) -> Iterator[str]:
    """What does not agree with the version, a sentence each."""
    if tag is not None and tag != f"v{version}":
        yield f"the tag is {tag}, but the version in Cargo.toml is {version}: the tag must be v{version}"
    section = SECTION.search(changelog)
    if section is None:
        yield "CHANGELOG.md has no released section: ## [VERSION] - YEAR-MONTH-DAY"
        return
    if section["version"] != version:
        newest = section["version"]
        yield f"the first released section of CHANGELOG.md is {newest}, but the version in Cargo.toml is {version}"
    if not is_dated(section["rest"]):
        yield f"CHANGELOG.md: the heading of {section['version']} must end with its date, as in ## [1.2.3] - 2026-01-31"


def is_dated(rest: str) -> bool:
    """Whether the rest of a heading is a day of the calendar in the form of ISO 8601."""
    found = re.fullmatch(r" - (\d{4}-\d{2}-\d{2})", rest)
    try:
        return found is not None and date.fromisoformat(found[1]) is not None
    except ValueError:
        return False


def notes(changelog: str) -> str:
    """The text of the first released section, without its heading and without the links at the foot of the page."""
    section = SECTION.search(changelog)
    text = section["notes"] if section else ""
    return re.sub(r"^\[[^\]]+\]: .*$", "", text, flags=re.MULTILINE).strip()


if __name__ == "__main__":
    sys.exit(main())
