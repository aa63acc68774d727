"""Tests have the same names in every process: xdist collects them once a worker, and refuses to begin where they differ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LATER = """\
import time

now = time.time
time.time = lambda: now() + 86_400

import pytest

raise SystemExit(pytest.main(["--collect-only", "--quiet", "-p", "no:cacheprovider", "-n", "0", *{folders!r}]))
"""
"""A collection a day later, as another worker's may be a second later."""


def test_names_do_not_depend_on_the_process(request: pytest.FixtureRequest) -> None:
    ours = [item.nodeid for item in request.session.items]
    folders = sorted({name.split("::")[0] for name in ours})
    collected = subprocess.run(
        [sys.executable, "-c", LATER.format(folders=folders)],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert collected.returncode == 0, collected.stdout + collected.stderr
    theirs = set(collected.stdout.splitlines())
    assert [name for name in ours if name not in theirs] == []
