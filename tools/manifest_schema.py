"""Write docs/reference/manifest.schema.json from the records that a manifest is made of.

``python -m tools.manifest_schema`` writes the file; with ``--check`` it ends with 1 when the file is not what the
records say. The descriptions are the docstrings of the records and of their fields.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from polyglot_export.fields import camel
from polyglot_export.manifest import document
from polyglot_export.manifest.document import Manifest
from tools.generated import keep

FILE = Path(__file__).parents[1] / "docs" / "reference" / "manifest.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema of a manifest."""
    made = TypeAdapter(Manifest).json_schema(by_alias=True)
    records = {"Manifest": made, **made["$defs"]}
    told = dict(_told())
    # Readers of a manifest may count on these two although a record can be made without them.
    made["required"] = ["formatVersion", *made["required"], "digest"]
    for name, record in records.items():
        for property_ in record.get("properties", {}).values():
            property_.pop("title", None)
        if name in told:
            record["description"], described = told[name]
            for field, text in described.items():
                record["properties"][field] = {**record["properties"][field], "description": text}
    return {"$schema": DIALECT, **made}


def _told() -> Iterator[tuple[str, tuple[str, dict[str, str]]]]:
    """Each record with its docstring and those of its fields, by their names outside."""
    for node in ast.parse(inspect.getsource(document)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        told = {}
        for field, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = _text(after)
                if text is not None:
                    told[camel(field.target.id)] = text
        yield node.name, (_plain((ast.get_docstring(node) or "").partition("\n\n")[0]), told)


def _text(node: ast.stmt) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return _plain(node.value.value)
    return None


def _plain(text: str) -> str:
    """A docstring as a sentence for readers of JSON."""
    text = re.sub(r":\w+:`[~!]?(?:[\w.]+\.)?(\w+)`", r"\1", " ".join(text.split()))
    return text.replace("``", "").replace("None", "null")


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(FILE, json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", "tools.manifest_schema")


if __name__ == "__main__":
    sys.exit(main())
