"""The formats and their options as the page shows them, from the records that read them."""

from __future__ import annotations

import ast
import inspect
import re
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter

from polyglot_export.compressions import Compression
from polyglot_export.fields import Record, camel
from polyglot_export.formats.registry import Format

__all__ = ["described_formats"]


def described_formats() -> dict[str, Any]:
    """Each format with its title, its ending and its options; and the compressions of text formats."""
    return {
        "formats": [
            {
                "name": format_.value,
                "title": format_.record.title,
                "ending": format_.record.endings[0],
                "text": format_.record.is_text,
                "options": _options(format_.record.options),
            }
            for format_ in Format
        ],
        "compressions": [{"name": each.value, "ending": each.record.ending} for each in Compression],
    }


def _options(record: type[Record]) -> list[dict[str, Any]]:
    schema = TypeAdapter(record).json_schema(by_alias=True)
    told = _told(record)
    found = []
    for name, given in schema["properties"].items():
        each = _resolved(given, schema.get("$defs", {}))
        found.append(
            {
                "name": name,
                "type": each.get("type", "string"),
                "choices": each.get("enum"),
                "default": given.get("default"),
                "about": told.get(name, ""),
            }
        )
    return found


def _resolved(given: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A property without its null and its references."""
    for each in given.get("anyOf", [given]):
        if each.get("type") == "null":
            continue
        if "$ref" in each:
            return dict(definitions[each["$ref"].rpartition("/")[2]])
        return dict(each)
    return given


def _told(record: type[Record]) -> dict[str, str]:
    """The docstrings of the fields, those of the bases too, by their names outside."""
    told: dict[str, str] = {}
    for cls in reversed(record.__mro__):
        if not issubclass(cls, Record) or cls is Record:
            continue
        (tree,) = ast.parse(inspect.cleandoc(inspect.getsource(cls))).body
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for field, after in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
                value = after.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    told[camel(field.target.id)] = _plain(value.value)
    return told


def _plain(text: str) -> str:
    return re.sub(r":\w+:`[~!]?(?:[\w.]+\.)?(\w+)`", r"\1", " ".join(text.split())).replace("``", "")
