"""All engines, one line each."""

from __future__ import annotations

from polyglot_export.execution.engines.base import Engine
from polyglot_export.execution.engines.local import LOCAL

__all__ = ["ENGINES"]

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (LOCAL,)}
