"""What a caller may do, beside what it may read."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["USUAL", "Scope"]


class Scope(StrEnum):
    """One kind of call."""

    READ = "read"
    """See what may be exported and the own exports; fetch files that are made already."""
    EXPORT = "export"
    """Create exports and run them."""
    CANCEL = "cancel"
    """End and forget own exports."""
    LIST_ALL = "list-all"
    """See the exports of all callers; never their files."""
    METRICS = "metrics"
    """Read the numbers of the whole service."""


USUAL = (Scope.READ, Scope.EXPORT, Scope.CANCEL, Scope.METRICS)
"""Those of a caller of which nothing is said."""
