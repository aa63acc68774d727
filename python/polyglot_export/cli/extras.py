"""The error for a command whose libraries are not installed."""

from __future__ import annotations

from polyglot_export.errors import PolyglotError
from polyglot_export.text.install import install_hint

__all__ = ["missing_extra"]


def missing_extra(error: ModuleNotFoundError, extra: str) -> Exception:
    """The error to raise in place of an ImportError; it names the extra to install.

    If the missing module is one of ours, this is a defect, and the error stays as it is.


    Args:
        error: What the import raised.
        extra: The extra of ``pyproject.toml`` that brings the library.
    """
    if error.name is None or error.name.partition(".")[0] == "polyglot_export":
        return error
    return PolyglotError(f"{error.name} is not installed; it comes with: {install_hint(extra)}")
