"""What the workflows call is here: they run on other machines only, so a slip would be found after the push.

Their syntax and their security are checked by actionlint and zizmor (``make lint-workflows``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.meta.documents import ROOT

FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKE = re.compile(r"^\s*(?:- )?(?:run: )?make ([a-z][a-z -]*)$", re.MULTILINE)
PINNED = re.compile(r"uses: (?:\$/\.github/workflows/(?P<own>[a-z]+\.yml)|[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+)$")


def steps(workflow: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every step of every job."""
    for job in workflow["jobs"].values():
        yield from job.get("steps", [])


def test_there_are_workflows() -> None:
    assert {path.name for path in FILES} == {"ci.yml", "release.yml", "wheels.yml"}


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_target_is_one_of_the_makefile(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {target for line in MAKE.findall(file.read_text()) for target in line.split()}
    assert called <= targets
    if file.name == "ci.yml":
        assert called >= {"lint", "test-rust", "test-python", "test-portable"}


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it(file: Path) -> None:
    lines = [line.strip().removeprefix("- ") for line in file.read_text().splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        found = PINNED.fullmatch(line)
        assert found, line
        assert found["own"] is None or (file.parent / found["own"]).exists()


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.name)
def test_every_script_is_there_and_every_job_has_a_limit(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "permissions" in job
        assert "uses" in job or 0 < job["timeout-minutes"] <= 60
    for step in steps(workflow):
        for script in re.findall(r"(?:tools|tests|benchmarks)/[\w/.-]+", step.get("run", "")):
            assert (ROOT / script).exists(), script


def test_the_folders_of_the_portable_tests_exist() -> None:
    text = (ROOT / "Makefile").read_text()
    (chosen,) = re.findall(r"^PORTABLE_TESTS := (.*)$", text, re.MULTILINE)
    paths = [word for word in chosen.split() if not word.startswith("-")]
    assert "tests/library" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_matrix_is_what_the_package_says_of_itself() -> None:
    """Each Python of the classifiers meets a PostgreSQL, on both systems."""
    project = (ROOT / "pyproject.toml").read_text()
    pythons = set(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project))
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    for name in ("linux", "macos"):
        matrix = jobs[name]["strategy"]["matrix"]
        assert set(matrix["python"]) | {each["python"] for each in matrix["include"]} == pythons
        assert matrix["postgres"] == ["14", "15", "16", "17", "18"]
