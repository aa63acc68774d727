"""Fixtures: the clients are installed, and there is something to download."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.site import Downloads, fill, opened


@pytest.fixture(scope="module")
def downloads(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Downloads]:
    """A service with exports that are whole and exports that are cut, and the clients of the lock files beside this."""
    subprocess.run([str(Path(__file__).with_name("install.sh"))], check=True)
    fill(module_dsn)
    with opened(module_dsn, tmp_path_factory.mktemp("clients")) as service:
        yield service
