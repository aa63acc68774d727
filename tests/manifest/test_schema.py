"""The schema in the docs is that of the records, and every manifest fits it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest

from polyglot_export.formats.registry import Format
from polyglot_export.manifest.document import MANIFEST, Manifest
from tests.manifest.helpers import FULL, SMALL
from tests.manifest.sets import made
from tools import manifest_schema

DOCS = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA = json.loads(manifest_schema.FILE.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_it_is_fresh() -> None:
    assert manifest_schema.schema() == SCHEMA, "run python -m tools.manifest_schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("manifest", [SMALL, FULL], ids=["small", "full"])
def test_manifests_fit(manifest: Manifest) -> None:
    VALIDATOR.validate(json.loads(manifest.to_json()))


@pytest.mark.parametrize("format_", list(Format))
def test_a_real_one_fits(format_: Format, module_dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE IF NOT EXISTS orders AS SELECT 1 AS id")
    made(module_dsn, tmp_path, ["orders"], format_)
    VALIDATOR.validate(json.loads((tmp_path / MANIFEST).read_bytes()))


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("complete", "maybe"),
        ("formatVersion", 2),
        ("surprise", 1),
        ("relations", [{"name": "x"}]),
        ("options", {"format": "avro"}),
    ],
)
def test_what_is_none_does_not_fit(member: str, value: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**json.loads(FULL.to_json()), member: value})


def test_the_page_tells_every_member() -> None:
    page = (DOCS / "manifest.md").read_text(encoding="utf-8").split("## Members", 1)[1]
    documented = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    names = {name for record in (SCHEMA, *SCHEMA["$defs"].values()) for name in record.get("properties", {})}
    assert documented == names


def test_the_example_of_the_page_is_one() -> None:
    page = (DOCS / "manifest.md").read_text(encoding="utf-8")
    example = page.split("```json\n", 1)[1].split("```", 1)[0]
    VALIDATOR.validate(json.loads(example))
    # Its digest is right too, whatever the line breaks.
    assert Manifest.from_json(example.encode()).intact
