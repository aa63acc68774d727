"""The public names are whole: what is promised is there, sorted, typed and documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import polyglot_export
from polyglot_export import errors

PACKAGE = Path(polyglot_export.__file__).parent
MODULES = sorted(
    ".".join(("polyglot_export", *path.relative_to(PACKAGE).with_suffix("").parts))
    for path in PACKAGE.rglob("*.py")
    if path.name not in {"__init__.py", "__main__.py"}
)


def test_all_is_sorted_and_every_name_is_there() -> None:
    names = polyglot_export.__all__
    assert names == sorted(names)
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(polyglot_export, name) is not None
    with pytest.raises(AttributeError):
        _ = polyglot_export.nonsense


def test_the_list_is_what_is_imported() -> None:
    tree = ast.parse((PACKAGE / "public.py").read_text())
    imported = [
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    ]
    assert sorted(imported) == polyglot_export.__all__


def test_a_star_imports_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from polyglot_export import *", names)
    assert set(polyglot_export.__all__) == set(names) - {"__builtins__"}


def test_every_error_is_public() -> None:
    classes = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.PolyglotError)
    }
    assert classes == {name for name in errors.__all__ if inspect.isclass(getattr(errors, name))}
    assert classes <= set(polyglot_export.__all__)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    parents = ["PolyglotError"]
    for line in (errors.__doc__ or "").splitlines():
        if "── " not in line:
            continue
        depth = (line.index("── ") - 1) // 4
        name = line.split("── ")[1].split()[0]
        parents[depth:] = [name]
        drawn[name] = parents[depth - 1] if depth > 1 else "PolyglotError"
    real = {
        name: next(base.__name__ for base in value.__mro__[1:] if issubclass(base, errors.PolyglotError))
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.PolyglotError) and value is not errors.PolyglotError
    }
    assert drawn == real


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_holds(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for public in getattr(module, "__all__", []):
        value = getattr(module, public)
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == name:
            assert inspect.getdoc(value), f"{name}.{public}"


def test_no_file_is_too_long() -> None:
    long = {str(path): lines for path in PACKAGE.rglob("*.py") if (lines := len(path.read_text().splitlines())) > 420}
    assert not long


def test_the_package_loads_nothing_that_is_not_needed() -> None:
    """``polyglot --help`` must not load a database driver."""
    code = "import sys, polyglot_export.errors; from polyglot_export import _core; print(sorted({'psycopg', 'pydantic', 'asyncio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
