"""A service with an audit log, and what is in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.process import Service, serve

KEY, READER = new_key(), new_key()
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "reference" / "audit.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)
"""Made once: it would look at the schema itself at each line."""


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def audited(dsn: str, folder: Path, log: Path, more: str = "", **settings: str) -> Iterator[Service]:
    """A service with two keys and an audit log."""
    config = folder / "polyglot.toml"
    config.write_text(
        f"""
[datasets.records]
table = "public.records"
[datasets.small]
table = "public.small"
[keys.app]
hash = "{hash_key(KEY)}"
[keys.reader]
hash = "{hash_key(READER)}"
scopes = ["read"]
{more}
"""
    )
    variables = {f"POLYGLOT_{name.upper()}": value for name, value in {"audit_log": str(log), **settings}.items()}
    spool = folder / "spool"
    with serve(dsn, config=config, default_dataset="records", spool_dir=spool, env=variables) as run:
        yield run


def lines(log: Path) -> list[dict[str, Any]]:
    """All whole lines, each one checked against the schema."""
    found = [json.loads(line) for line in log.read_bytes().splitlines()]
    for line in found:
        VALIDATOR.validate(line)
    return found


def of(log: Path, event: str) -> list[dict[str, Any]]:
    return [line for line in lines(log) if line["event"] == event]
