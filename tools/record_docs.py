"""What records say of themselves: their docstrings and those of their fields, for generated pages and schemas."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

from polyglot_export.fields import camel

__all__ = ["told_of"]


def told_of(module: ModuleType) -> Iterator[tuple[str, tuple[str, dict[str, str]]]]:
    """Each record of a module with its docstring and those of its fields, by their names outside."""
    for node in ast.parse(inspect.getsource(module)).body:
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
