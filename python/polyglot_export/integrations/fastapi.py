"""The responses under the name that most look for; they need nothing of FastAPI but Starlette."""

from __future__ import annotations

from polyglot_export.integrations.limits import limits
from polyglot_export.integrations.starlette import CutBroken, ExportResponse

__all__ = ["CutBroken", "ExportResponse", "limits"]
