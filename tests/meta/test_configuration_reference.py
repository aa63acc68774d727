"""docs/reference/configuration.md: its examples are configurations, and show every member that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polyglot_export.fields import camel
from polyglot_export.service.config.file import load_configuration
from tools.configuration_reference import PARTS, Part, fields_of


@pytest.mark.parametrize("part", PARTS, ids=[part.title.strip("`") for part in PARTS])
def test_an_example_is_a_configuration(part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    monkeypatch.setenv("AUDIT_DATABASE_URL", "host=127.0.0.1")
    file = tmp_path / "polyglot.toml"
    file.write_text(part.own + part.example)
    load_configuration(file)


def test_the_examples_show_every_member() -> None:
    shown = "\n".join(part.example for part in PARTS)
    for part in PARTS:
        for field in fields_of(part.record):
            if field.init and field.name not in {"rights", "secret", "secret_file", "insecure"}:
                names = f"{field.name}|{camel(field.name)}"
                assert re.search(rf"(?m)(^|[\s{{.])({names})\b", shown), f"{part.title}: {field.name}"


def test_a_broken_example_is_found(tmp_path: Path) -> None:
    file = tmp_path / "polyglot.toml"
    file.write_text(PARTS[0].example.replace("columns", "colums"))
    with pytest.raises(Exception, match="colums"):
        load_configuration(file)
