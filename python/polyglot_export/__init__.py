"""Any PostgreSQL table, view or query as a CSV, TSV, JSON, NDJSON, XML or Parquet stream: faithful, and in bounded
memory.

::

    from polyglot_export import export

    with export("postgresql://localhost/shop", "orders", format="json") as chunks:
        for chunk in chunks:
            target.write(chunk)

The public names are those of ``__all__``; everything else may change. A name is loaded when it is first used, so that
the command line answers ``--help`` without loading a database driver.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyglot_export._core import version as __version__
    from polyglot_export.cancel import CancelToken
    from polyglot_export.compressions import Compression
    from polyglot_export.errors import (
        AccessDenied,
        Busy,
        Cancelled,
        ConnectionFailed,
        ConnectionLost,
        InternalError,
        MalformedData,
        PolyglotError,
        RowTooLarge,
        SourceChanged,
        SpecError,
        StatementFailed,
        StatementTimeout,
        TargetFailed,
        UnknownDataset,
        UnsupportedValue,
    )
    from polyglot_export.execution.export import Export
    from polyglot_export.execution.opening import explain, open_export
    from polyglot_export.execution.run import ExportResult, Progress, RunSettings
    from polyglot_export.formats.registry import Format
    from polyglot_export.library.aio import AsyncExport, aexport
    from polyglot_export.library.sync import export, export_to_file
    from polyglot_export.planning.plan import Plan
    from polyglot_export.request.parse import parse_spec
    from polyglot_export.request.spec import ColumnChoice, ExportSpec, FilterTerm, OrderTerm
    from polyglot_export.request.words import FilterOp

__all__ = [
    "AccessDenied",
    "AsyncExport",
    "Busy",
    "CancelToken",
    "Cancelled",
    "ColumnChoice",
    "Compression",
    "ConnectionFailed",
    "ConnectionLost",
    "Export",
    "ExportResult",
    "ExportSpec",
    "FilterOp",
    "FilterTerm",
    "Format",
    "InternalError",
    "MalformedData",
    "OrderTerm",
    "Plan",
    "PolyglotError",
    "Progress",
    "RowTooLarge",
    "RunSettings",
    "SourceChanged",
    "SpecError",
    "StatementFailed",
    "StatementTimeout",
    "TargetFailed",
    "UnknownDataset",
    "UnsupportedValue",
    "__version__",
    "aexport",
    "explain",
    "export",
    "export_to_file",
    "open_export",
    "parse_spec",
]

_HOMES = {
    "cancel": ("CancelToken",),
    "compressions": ("Compression",),
    "execution.export": ("Export",),
    "execution.opening": ("explain", "open_export"),
    "execution.run": ("ExportResult", "Progress", "RunSettings"),
    "formats.registry": ("Format",),
    "library.aio": ("AsyncExport", "aexport"),
    "library.sync": ("export", "export_to_file"),
    "planning.plan": ("Plan",),
    "request.parse": ("parse_spec",),
    "request.spec": ("ColumnChoice", "ExportSpec", "FilterTerm", "OrderTerm"),
    "request.words": ("FilterOp",),
}
"""Module → the public names it holds; all others are errors. A test compares this with the imports above."""
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


class _Package(ModuleType):
    """Keeps the function ``export`` from being replaced by the module of that name once that is loaded."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "export" and isinstance(value, ModuleType):
            value = value.export
        super().__setattr__(name, value)


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module(f"{__name__}._core").version
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME_OF.get(name, 'errors')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


sys.modules[__name__].__class__ = _Package
