"""The stores that there are, by the scheme of the URL that says where jobs are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from polyglot_export.errors import SpecError
from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.jobs.stores.memory import MemoryJobStore
from polyglot_export.text.install import install_hint

__all__ = ["STORES", "StoreKind", "open_store"]

SETTING = "POLYGLOT_REDIS_URL"
"""Where the URL comes from, for errors."""
DEFAULT_URL = "memory://"


@dataclass(frozen=True, slots=True)
class StoreKind:
    """One kind of store."""

    name: str
    schemes: tuple[str, ...]
    """Of its URLs."""
    open: Callable[[str, str, int], JobStore]
    """Makes a store from a URL, a prefix of its keys, and the number of jobs that it keeps."""


def _memory(url: str, prefix: str, max_jobs: int) -> JobStore:  # noqa: ARG001 - the signature of all
    return MemoryJobStore(max_jobs)


def _redis(url: str, prefix: str, max_jobs: int) -> JobStore:
    """Its client is imported only when it is used, since that takes 20 MB."""
    try:
        from polyglot_export.jobs.stores.redis import RedisJobStore
    except ModuleNotFoundError as error:
        reason = f"needs the package {error.name}, which comes with: {install_hint('serve', 'redis')}"
        raise SpecError(SETTING, reason) from None
    return RedisJobStore(url, prefix, max_jobs)


STORES = (
    StoreKind("memory", ("memory",), _memory),
    StoreKind("redis", ("redis", "rediss", "unix"), _redis),
)


def open_store(url: str | None, *, prefix: str, max_jobs: int) -> JobStore:
    """The store that a URL names.

    Args:
        url: Its scheme chooses the kind; ``None`` is the memory of this process.
        prefix: Before every key, where several services share a store.
        max_jobs: Jobs that are kept.

    Raises:
        SpecError: There is no store for the scheme, the URL is wrong, or a package is missing.
    """
    url = url or DEFAULT_URL
    scheme, separator, _ = url.partition("://")
    for kind in STORES:
        if separator and scheme.lower() in kind.schemes:
            return kind.open(url, prefix, max_jobs)
    allowed = ", ".join(f"{each}://" for kind in STORES for each in kind.schemes)
    raise SpecError(SETTING, f"must have one of the schemes {allowed}")
