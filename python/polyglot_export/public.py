"""The public names: this import is their only list, and ``__all__`` beside it is checked by the linter.

``polyglot_export`` hands them on and imports this module when the first of them is used.
"""

from __future__ import annotations

from polyglot_export._core import version as __version__
from polyglot_export.cancel import CancelToken
from polyglot_export.compressions import Compression
from polyglot_export.dumps.request import DumpProgress, DumpResult
from polyglot_export.errors import (
    AccessDenied,
    Busy,
    Cancelled,
    ConnectionFailed,
    ConnectionLost,
    InternalError,
    MalformedData,
    ManifestError,
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
from polyglot_export.execution.engines.dask import DaskEngine
from polyglot_export.execution.engines.executor import ExecutorEngine
from polyglot_export.execution.export import Export
from polyglot_export.execution.opening import open_export
from polyglot_export.execution.run import ExportResult, Progress, RunSettings
from polyglot_export.formats.registry import Format
from polyglot_export.library.aio import AsyncExport, aexport
from polyglot_export.library.dump import adump, dump
from polyglot_export.library.frames import ArrowExport, export_arrow
from polyglot_export.library.moment import AsyncMoment, OneMoment, amoment, moment
from polyglot_export.library.sync import explain, export, export_to_file
from polyglot_export.library.verify import verify
from polyglot_export.manifest.document import Manifest
from polyglot_export.manifest.report import Fault, FaultKind, Unchecked, VerifyProgress, VerifyReport
from polyglot_export.planning.plan import Plan
from polyglot_export.request.parse import parse_spec
from polyglot_export.request.spec import ColumnChoice, ExportSpec, FilterTerm, OrderTerm, SplitBy
from polyglot_export.request.words import FilterOp

__all__ = [
    "AccessDenied",
    "ArrowExport",
    "AsyncExport",
    "AsyncMoment",
    "Busy",
    "CancelToken",
    "Cancelled",
    "ColumnChoice",
    "Compression",
    "ConnectionFailed",
    "ConnectionLost",
    "DaskEngine",
    "DumpProgress",
    "DumpResult",
    "ExecutorEngine",
    "Export",
    "ExportResult",
    "ExportSpec",
    "Fault",
    "FaultKind",
    "FilterOp",
    "FilterTerm",
    "Format",
    "InternalError",
    "MalformedData",
    "Manifest",
    "ManifestError",
    "OneMoment",
    "OrderTerm",
    "Plan",
    "PolyglotError",
    "Progress",
    "RowTooLarge",
    "RunSettings",
    "SourceChanged",
    "SpecError",
    "SplitBy",
    "StatementFailed",
    "StatementTimeout",
    "TargetFailed",
    "Unchecked",
    "UnknownDataset",
    "UnsupportedValue",
    "VerifyProgress",
    "VerifyReport",
    "__version__",
    "adump",
    "aexport",
    "amoment",
    "dump",
    "explain",
    "export",
    "export_arrow",
    "export_to_file",
    "moment",
    "open_export",
    "parse_spec",
    "verify",
]
