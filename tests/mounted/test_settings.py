"""What an app may give, and what it is told at once where that is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from polyglot_export import SpecError
from polyglot_export.integrations import Caller, asgi
from tests.fixtures.process import environment

DATASETS = {"datasets": {"people": {"table": "public.people"}}}


def nobody(_: object) -> None:
    """Who calls."""


@pytest.mark.parametrize(
    ("config", "settings", "sentence"),
    [
        (DATASETS, {"host": "0.0.0.0"}, "host: is for polyglot serve"),
        (DATASETS, {"log_level": "info"}, "log_level: is for polyglot serve"),
        (DATASETS, {"end_revoked": True}, "end_revoked: is for polyglot serve"),
        (DATASETS, {"pid_file": "/tmp/pid"}, "pid_file: is for polyglot serve"),
        (DATASETS, {"tls_cert": "tls.crt"}, "tls_cert: is for polyglot serve"),
        (DATASETS, {"cors_origins": "*"}, "cors_origins: is for polyglot serve"),
        (DATASETS, {"max_clients": 3}, "max_clients: is for polyglot serve"),
        (DATASETS, {"memory": "1GB"}, "memory: there is no such setting; allowed are audit_fsync, audit_log, "),
        (DATASETS, {"memory_limit": "much"}, "POLYGLOT_MEMORY_LIMIT: "),
        ({}, {}, "config: has no datasets"),
        ({"datasets": {"people": {}}}, {}, "datasets.people: give either table or query"),
        ({"dataset": {}}, {}, "unknown table 'dataset'"),
        ("nowhere.toml", {}, "nowhere.toml: cannot be read"),
    ],
)
def test_what_is_wrong_is_said_when_the_app_is_made(config: Any, settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SpecError) as refused:
        asgi(config, caller=nobody, **settings)
    assert sentence in str(refused.value)


def test_the_caller_must_be_a_function() -> None:
    with pytest.raises(TypeError, match="must be a function of the request"):
        asgi(DATASETS, caller=Caller(name="ann", datasets="all"))  # type: ignore[arg-type]


def test_the_environment_of_serve_is_read_but_for_its_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "offered.toml"
    path.write_text('[datasets.people]\ntable = "public.people"\n', encoding="utf-8")
    monkeypatch.setenv("POLYGLOT_CONFIG", str(path))
    monkeypatch.setenv("POLYGLOT_ROOT_PATH", "/reports")
    monkeypatch.setenv("HOST", "0.0.0.0")
    monkeypatch.setenv("PORT", "80")
    asgi(caller=nobody)
    asgi(path, caller=nobody)
    monkeypatch.setenv("POLYGLOT_WORKERS", "none")
    with pytest.raises(SpecError, match="POLYGLOT_WORKERS"):
        asgi(caller=nobody)


def test_only_what_is_used_is_imported() -> None:
    program = "import sys, polyglot_export.integrations; print('fastapi' in sys.modules, 'pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], env=environment(), capture_output=True, check=True)
    assert done.stdout.split() == [b"False", b"False"]
