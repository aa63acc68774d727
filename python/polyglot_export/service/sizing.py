"""How large an export of the service may be in memory, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from polyglot_export.cancel import CancelToken
from polyglot_export.export import Export, RunSettings, open_export
from polyglot_export.memory import CHUNK_BYTES, default_workers, export_bytes
from polyglot_export.plan import Limits
from polyglot_export.service.auth import Caller
from polyglot_export.service.context import Service
from polyglot_export.spec import ExportSpec

__all__ = ["Size", "of", "opener"]

WINDOW_BYTES = 16 << 20
"""Bytes of later segments that may wait, half of what a single export of the library takes: several run side by side here,
and a network seldom takes bytes faster than one worker makes them."""


@dataclass(frozen=True, slots=True)
class Size:
    """The sizes of one export and their sum."""

    settings: RunSettings
    bytes: int


def of(service: Service, spec: ExportSpec, export_id: str) -> Size:
    """The sizes for an export: as many workers as are set, fewer where the memory of the service is not enough for them."""
    row_bytes = service.settings.row_limit
    workers = service.settings.workers or default_workers()
    compression = spec.compression.value if spec.compression is not None else None

    def total(count: int) -> int:
        limits = Limits(workers=count, chunk_bytes=CHUNK_BYTES, window_bytes=WINDOW_BYTES, row_bytes=row_bytes)
        return export_bytes(spec.format.value, compression, limits)

    while workers > 1 and total(workers) > service.budget.capacity:
        workers -= 1
    settings = RunSettings(
        workers=workers,
        chunk_bytes=CHUNK_BYTES,
        window_bytes=WINDOW_BYTES,
        row_bytes=row_bytes,
        # Shown in pg_stat_activity; PostgreSQL keeps 63 bytes of it.
        application_name=f"polyglot {export_id}",
    )
    return Size(settings, total(workers))


def opener(service: Service, caller: Caller, spec: ExportSpec, settings: RunSettings) -> Callable[[CancelToken], Export]:
    """A function that opens the export, for the thread that will pull it."""
    exposure = service.exposure(caller)

    def opened(token: CancelToken) -> Export:
        return open_export(spec, dsn=service.settings.database_url, exposure=exposure, run=settings, token=token)

    return opened
