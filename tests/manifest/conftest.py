"""A store for folders, where the program has none."""

from __future__ import annotations

import pytest

from polyglot_export.destinations import registry
from tests.manifest.folder import ReadFolder


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch) -> None:
    if registry.store_kind_of(".") is None:
        monkeypatch.setattr(registry, "STORES", (*registry.STORES, ReadFolder))
