"""All engines, one line each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from polyglot_export.errors import SpecError
from polyglot_export.execution.engines.base import Engine
from polyglot_export.execution.engines.dask import dask_at
from polyglot_export.execution.engines.executor import ExecutorEngine
from polyglot_export.execution.engines.local import LOCAL

__all__ = ["CLUSTERS", "ENGINES", "cluster"]

ENGINES: dict[str, Engine] = {engine.name: engine for engine in (LOCAL,)}
CLUSTERS: dict[str, Callable[..., AbstractContextManager[ExecutorEngine]]] = {"dask": dask_at}
"""Those that write the parts of a dump elsewhere; each connects to an address."""


def cluster(text: str | None, *, send_dsn: bool = False) -> AbstractContextManager[ExecutorEngine | None]:
    """What ``--engine`` names: ``NAME=ADDRESS`` of a cluster, which the block is connected to; ``None`` for ``local``.

    Raises:
        SpecError: It names none.
    """
    if text is None or text == LOCAL.name:
        if send_dsn:
            raise SpecError("send_dsn", "is for --engine dask=…: nothing is sent anywhere without it")
        return nullcontext()
    name, _, address = text.partition("=")
    if name not in CLUSTERS or not address:
        allowed = ", ".join(f"{each}=ADDRESS" for each in CLUSTERS)
        raise SpecError("engine", f"must be {LOCAL.name} or {allowed}, as dask=tcp://scheduler:8786", given=text)
    return CLUSTERS[name](address, send_dsn=send_dsn)
