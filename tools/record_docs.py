"""What records say of themselves: their docstrings and those of their fields, for generated pages and schemas."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType

from polyglot_export.fields import camel

__all__ = ["told_of"]


def told_of(module: ModuleType, code: str = "") -> Iterator[tuple[str, tuple[str, dict[str, str]]]]:
    """Each record of a module with its docstring and those of its fields, by their names outside.

    Args:
        module: Has the records.
        code: What stands around code on the page.
    """
    for node in ast.parse(inspect.getsource(module)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        told = {}
        for field, after in zip(node.body, node.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = _text(after, code)
                if text is not None:
                    told[camel(field.target.id)] = text
        yield node.name, (_plain((ast.get_docstring(node) or "").partition("\n\n")[0], code), told)


def _text(node: ast.stmt, code: str) -> str | None:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return _plain(node.value.value, code)
    return None


def _plain(text: str, code: str) -> str:
    """A docstring as a sentence for readers of JSON, or of a page."""
    text = re.sub(r":\w+:`[~!]?(?:[\w.]+\.)?(\w+)`", r"\1", " ".join(text.split()))
    return re.sub(r"(?:``)?\bNone\b(?:``)?", "null" if not code else "none", text).replace("``", code)
