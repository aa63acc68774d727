"""For other people's programs: what web frameworks need of this package, a module each, and the whole service as a part
of an app. Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyglot_export.service.mounted.app import asgi
    from polyglot_export.service.mounted.caller import Caller

__all__ = ["Caller", "asgi"]


def __getattr__(name: str) -> Any:
    """The mounted service, which needs the extra ``serve``."""
    if name == "asgi":
        from polyglot_export.service.mounted.app import asgi

        return asgi
    if name == "Caller":
        from polyglot_export.service.mounted.caller import Caller

        return Caller
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
