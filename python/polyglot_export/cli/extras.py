"""What to say when a part of the package is used whose libraries are not installed."""

from __future__ import annotations

from polyglot_export.errors import PolyglotError
from polyglot_export.text.install import install_hint

__all__ = ["missing_extra"]


def missing_extra(error: ModuleNotFoundError, extra: str) -> Exception:
    """The error to raise instead: it names the extra. A missing module of our own is a defect and stays what it is.

    Args:
        error: What the import raised.
        extra: The extra of ``pyproject.toml`` that brings the library.
    """
    if error.name is None or error.name.partition(".")[0] == "polyglot_export":
        return error
    return PolyglotError(f"{error.name} is not installed; it comes with: {install_hint(extra)}")
