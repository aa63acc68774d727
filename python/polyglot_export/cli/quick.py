"""Quicker imports of click and psycopg, for a command that ends in a tenth of a second.

Both import modules of Python for a function that a command seldom calls, or never: click those that inspect functions
and make UUIDs, psycopg all of asyncio with TLS below it, ctypes to search libpq on macOS, and a reader of package
metadata, with parsers of e-mail, CSV and ZIP files, to learn its own version. That is a third of what a short export
costs. While they are imported, an :class:`_Absent` module stands for each of these, and is taken away afterwards: who
imports one later gets the real one, and what click and psycopg have kept of an absent one finds the real one when it
is called. psycopg's *asynchronous* COPY is not to be had after that, so this is for processes of the command alone.
"""

from __future__ import annotations

import os
import re
import sys
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

__all__ = ["import_click", "import_psycopg"]


TRIED = {"click": ("8.5.",), "psycopg": ("3.3.",)}
"""The versions whose imports are known. Any other is imported plainly, as it is where the installer has left no folder
that says which one it is."""


def import_click() -> None:
    """Import click, as ``import click`` would, and dataclasses."""
    if "click" not in sys.modules:
        inspect: dict[str, Any] = {"cleandoc": _clean}
        if sys.version_info < (3, 14):
            inspect["get_annotations"] = _annotations
        _import("click", {"inspect": inspect, "uuid": {}}, "dataclasses")


def import_psycopg() -> None:
    """Import psycopg, as ``import psycopg`` would, without its asynchronous COPY."""
    if "psycopg" in sys.modules:
        return
    import_click()
    absent: dict[str, dict[str, Any]] = {
        "asyncio": {"CancelledError": _NeverRaised},
        "ctypes": {},
        "ctypes.util": {},
        "importlib.metadata": {"version": _version},
        # A dataclass without a docstring gets one with its signature.
        "inspect": {"signature": _no_signature},
        "random": {},
        # psycopg lets Python set up libcrypto before libpq does so, which no libcrypto since 1.1.0 needs.
        "ssl": {},
        "uuid": {},
        "zoneinfo": {},
    }
    if sys.version_info < (3, 13):
        absent["typing_extensions"] = {"TypeVar": _type_var}
    _import("psycopg", absent)


def _import(package: str, absent: dict[str, dict[str, Any]], *others: str) -> None:
    """Import a package quickly if its version was tried, and plainly if it was not or if that fails.

    Args:
        package: Its name.
        absent: What :func:`_absent` is given.
        others: Modules of Python that are to know the same absent ones.
    """
    if not (_installed(package) or "").startswith(TRIED[package]):
        _real(package)
        return
    before = frozenset(sys.modules)
    try:
        with _absent(absent), _patterns_later(package):
            for name in (*others, package):
                _real(name)
    except Exception:  # noqa: BLE001 - whatever it was, the plain way is there
        for name in frozenset(sys.modules) - before:
            if name.partition(".")[0].removesuffix("_binary").removesuffix("_c") == package:
                del sys.modules[name]
        _real(package)


@contextmanager
def _absent(names: dict[str, dict[str, Any]]) -> Iterator[None]:
    """While the block runs, modules stand in for those that are not imported yet.

    Args:
        names: What such a module has by itself, by the module's name.
    """
    added = {name: _Absent(name, known) for name, known in names.items() if name not in sys.modules}
    sys.modules.update(added)
    try:
        yield
    finally:
        for name in added:
            _leave(name)


def _real(name: str) -> ModuleType:
    """Import a module, by the statement's own function: ``python -X importtime`` does not see importlib's."""
    __import__(name)
    return sys.modules[name]


def _leave(name: str) -> None:
    """Let the next import of a module find the real one."""
    if isinstance(sys.modules.get(name), _Absent):
        del sys.modules[name]


class _Absent(ModuleType):
    """Stands in for a module while another one is imported that seldom uses it."""

    def __init__(self, name: str, known: dict[str, Any]) -> None:
        super().__init__(name)
        vars(self).update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            return _Later(self.__name__, name)
        return getattr(_real(self.__name__), name)


class _Later:
    """A function or class of an absent module, which is looked up when it is called. Until then it can only be a
    parameter of a type or a base class.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _leave(self._module)
        return getattr(_real(self._module), self._name)(*args, **kwargs)

    def __getitem__(self, parameters: object) -> _Later:
        return self

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return ()


@contextmanager
def _patterns_later(package: str) -> Iterator[None]:
    """While the block runs, the regular expressions of a package are kept, and compiled when they are used."""
    now = re.compile

    def later(*args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1).f_globals["__name__"]  # noqa: SLF001 - as logging finds its caller
        return _Pattern(now, args, kwargs) if caller.partition(".")[0] == package else now(*args, **kwargs)

    re.compile = later
    try:
        yield
    finally:
        re.compile = now


class _Pattern:
    """A regular expression whose methods are looked up when they are called."""

    def __init__(self, make: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._made = make, args, kwargs

    def __getattr__(self, name: str) -> Any:
        make, args, kwargs = self._made
        return getattr(make(*args, **kwargs), name)


class _NeverRaised(BaseException):
    """``asyncio.CancelledError`` where nothing is asynchronous."""


def _clean(text: str) -> str:
    """``inspect.cleandoc``: takes away the indentation of all lines but the first, and empty lines around them."""
    first, *others = text.expandtabs().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in others if line.strip()), default=0)
    lines = [first.lstrip(), *(line[margin:] for line in others)]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return "\n".join(lines)


def _annotations(of: type) -> dict[str, Any]:
    """``inspect.get_annotations`` of a class, which dataclasses call since Python 3.13."""
    return dict(vars(of).get("__annotations__") or {})


def _no_signature(*_args: object, **_kwargs: object) -> str:
    return ""


def _type_var(name: str, *constraints: Any, default: object = None, **further: Any) -> Any:
    """``TypeVar`` of Python 3.13, whose defaults only a type checker reads (PEP 696)."""
    del default
    return typing.TypeVar(name, *constraints, **further)


def _version(name: str) -> str:
    """``importlib.metadata.version``."""
    found = _installed(name)
    if found is None:
        _leave("importlib.metadata")
        return str(_real("importlib.metadata").version(name))
    return found


def _installed(name: str) -> str | None:
    """The version in the name of the folder that the installer made (PEP 376): ``psycopg-3.2.1.dist-info``."""
    start, end = f"{name.replace('-', '_')}-", ".dist-info"
    found = [each for each in _beside(name.partition("-")[0]) if each.startswith(start) and each.endswith(end)]
    return found[0][len(start) : -len(end)] if len(found) == 1 else None


@cache
def _beside(package: str) -> tuple[str, ...]:
    """The names of what is installed in the same folder."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    try:
        return tuple(name for place in places or () for name in os.listdir(f"{place}/.."))  # noqa: PTH208
    except OSError:
        return ()
