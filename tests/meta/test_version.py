"""The version stands in one place, and the changelog agrees with it (``tools/check_version.py``)."""

from __future__ import annotations

import pytest

from polyglot_export import __version__
from tests.meta.documents import ROOT
from tools.check_version import differences, main, notes

RELEASED = """# Changelog

## [Unreleased]

- Soon.

## [1.2.0] - 2026-11-26

- New.

### Fixed

- Old.

## [1.1.0] - 2025-01-01

- Older.

[1.2.0]: compare
"""


def test_this_version_is_released_with_its_date() -> None:
    assert main([]) == 0
    assert main(["--tag", f"v{__version__}"]) == 0
    assert main(["--tag", "v0.0.1"]) == 1


@pytest.mark.parametrize(
    ("version", "changelog", "sentence"),
    [
        ("1.3.0", RELEASED, "is 1.2.0, but the version in Cargo.toml is 1.3.0"),
        ("1.2.0", RELEASED.replace("2026-11-26", "26 November 2026"), "must end with its date"),
        ("1.2.0", RELEASED.replace("2026-11-26", "2026-02-30"), "must end with its date"),
        ("1.2.0", RELEASED.replace("2026-11-26", "2026-11-26 (today)"), "must end with its date"),
        ("1.2.0", "# Changelog\n\n## [Unreleased]\n", "no released section"),
    ],
)
def test_what_differs_is_named(version: str, changelog: str, sentence: str) -> None:
    (found,) = differences(version, changelog)
    assert sentence in found
    assert list(differences("1.2.0", RELEASED, "v1.2.0")) == []
    assert "must be v1.2.0" in next(differences("1.2.0", RELEASED, "1.2.0"))


def test_the_notes_of_a_release_are_its_section() -> None:
    assert notes(RELEASED) == "- New.\n\n### Fixed\n\n- Old."
    assert notes(RELEASED.partition("## [1.1.0]")[0] + "[1.2.0]: compare\n") == "- New.\n\n### Fixed\n\n- Old."
    assert "first version" in notes((ROOT / "CHANGELOG.md").read_text())
