"""Write docs/reference/manifest.schema.json from the records that a manifest is made of.

``python -m tools.manifest_schema`` writes the file; with ``--check`` it ends with 1 when the file is not what the
records say. The descriptions are the docstrings of the records and of their fields.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from polyglot_export.manifest import document
from polyglot_export.manifest.document import Manifest
from tools.generated import keep
from tools.record_docs import told_of

FILE = Path(__file__).parents[1] / "docs" / "reference" / "manifest.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema of a manifest."""
    made = TypeAdapter(Manifest).json_schema(by_alias=True)
    records = {"Manifest": made, **made["$defs"]}
    told = dict(told_of(document))
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


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(FILE, json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", "tools.manifest_schema")


if __name__ == "__main__":
    sys.exit(main())
