"""Write docs/reference/audit.schema.json from the records of the audit log.

``python -m tools.audit_schema`` writes the file; with ``--check`` it ends with 1 when the file is not what the records
say. The descriptions are the docstrings of the records and of their fields.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from polyglot_export.fields import camel
from polyglot_export.service.audit import events
from tools.generated import keep
from tools.record_docs import told_of

FILE = Path(__file__).parents[1] / "docs" / "reference" / "audit.schema.json"
COMMON: dict[str, Any] = {
    "time": {"type": "string", "format": "date-time", "description": "When, in UTC with milliseconds."},
    "replica": {"type": "string", "description": "Which of several processes it was."},
    "cut": {"const": True, "description": "The line would have been too long: its lists and texts are shortened."},
}


def schema() -> dict[str, Any]:
    """The schema of a line."""
    told = dict(told_of(events))
    common = told["AuditEvent"][1]
    definitions: dict[str, Any] = {}
    for kind in events.KINDS:
        made = _camel(TypeAdapter(kind).json_schema())
        definitions.update(made.pop("$defs", {}))
        description, fields = told[kind.__name__]
        for name, property_ in made["properties"].items():
            property_.pop("title", None)
            property_.pop("default", None)
            if name in common | fields:
                property_["description"] = {**common, **fields}[name]
        definitions[kind.__name__] = {
            "type": "object",
            "description": description,
            "properties": {"event": {"const": kind.name}, **COMMON, **made["properties"]},
            "required": ["time", "event"],
            "additionalProperties": False,
        }
    for name in ("DatasetRead", "Term"):
        definitions[name]["description"], fields = told[name]
        for member, text in fields.items():
            definitions[name]["properties"][member]["description"] = text
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of the audit log",
        "oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in events.KINDS],
        "$defs": definitions,
    }


def _camel(given: Any) -> Any:
    """The names of members as they are outside; null members are left out of a line, so that nothing is required."""
    if isinstance(given, list):
        return [_camel(each) for each in given]
    if not isinstance(given, dict):
        return given
    made = {name: _camel(value) for name, value in given.items() if name != "required"}
    if isinstance(made.get("properties"), dict):
        made["properties"] = {camel(name): value for name, value in made["properties"].items()}
    return made


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(FILE, json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", "tools.audit_schema")


if __name__ == "__main__":
    sys.exit(main())
