"""Nothing is imported that is not used."""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMEWORKS = ("django", "fastapi", "starlette", "sqlalchemy", "pydantic_settings", "uvicorn")


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("polyglot_export.public", set()),
        ("polyglot_export.integrations", set()),
        ("polyglot_export.integrations.limits", set()),
        ("polyglot_export.integrations.cut", set()),
        ("polyglot_export.integrations.django", {"django"}),
        ("polyglot_export.integrations.starlette", {"starlette"}),
        ("polyglot_export.integrations.fastapi", {"starlette"}),
    ],
)
def test_a_module_imports_its_own_framework_only(module: str, allowed: set[str]) -> None:
    program = f"import sys, {module}; print(*(name for name in {FRAMEWORKS!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == allowed
