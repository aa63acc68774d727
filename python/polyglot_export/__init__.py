"""Any PostgreSQL table, view or query as a CSV, TSV, JSON, NDJSON, XML, Parquet, Excel or Arrow stream: faithful, and
in bounded memory.

::

    from polyglot_export import export

    with export("postgresql://localhost/shop", "orders", format="json") as chunks:
        for chunk in chunks:
            target.write(chunk)

The public names are those of ``public.py``; everything else may change. They are loaded when the first one is used, so
that the command line answers ``--help`` without loading a database driver.
"""

from __future__ import annotations

from importlib import import_module
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyglot_export.public import *  # noqa: F403 - a type checker sees what __getattr__ finds
    from polyglot_export.public import __all__ as __all__

PUBLIC = f"{__name__}.public"


def __getattr__(name: str) -> object:
    # Python asks for modules and for names of its own while it imports a part of the package (`from polyglot_export
    # import sqlstates`); that must not load all.
    if name.startswith("_") and name not in ("__all__", "__version__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if PathFinder.find_spec(f"{__name__}.{name}", __path__) is not None:  # noqa: F405 - Python's own
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    public = import_module(PUBLIC)
    if name != "__all__" and name not in public.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(public, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *import_module(PUBLIC).__all__})
