"""Fixtures of the deployment's tests: a service to compare with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.process import Service, serve


@pytest.fixture(scope="module")
def service(module_dsn: str) -> Iterator[Service]:
    """A service on an empty database."""
    with serve(module_dsn) as running:
        yield running
