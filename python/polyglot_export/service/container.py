"""What the calls of the service share: one object an application, found through the request."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.exposure import Exposure
from polyglot_export.errors import SpecError
from polyglot_export.execution.allocator import Trimmer
from polyglot_export.jobs.stores.base import JobStore, SharedJobStore
from polyglot_export.jobs.stores.memory import MemoryJobStore
from polyglot_export.service.admission.budget import MemoryBudget
from polyglot_export.service.admission.connections import Connections
from polyglot_export.service.admission.machine import HEADROOM, available_memory, resident_bytes
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import Configuration
from polyglot_export.service.database import Database
from polyglot_export.service.http.auth import Caller
from polyglot_export.service.prepared.prepared import Preparations
from polyglot_export.service.prepared.spool import Spool
from polyglot_export.service.replicas.replica import Replica, replica_name
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.text.install import install_hint

__all__ = ["CallerDep", "Service", "ServiceDep"]


class Service:
    """Everything that one running service has."""

    def __init__(self, settings: ServiceSettings, configuration: Configuration) -> None:
        self.settings = settings
        self.configuration = configuration
        shared = _shared_store(settings)
        name = replica_name() if shared is not None else None
        self.store: JobStore = shared or MemoryJobStore(settings.max_jobs)
        self.runs = Runs(self.store, settings.max_duration, name)
        self.database = Database(settings.database_url)
        self.connections = Connections(settings.max_connections)
        self.budget = MemoryBudget(_capacity(settings), self.connections, Trimmer().plan)
        self.spool = Spool(settings.spool_dir, settings.spool_limit)
        self.prepared = Preparations(self)
        self.replica = (
            Replica(shared, self.runs, self.prepared, name) if shared is not None and name is not None else None
        )
        """This process among others; ``None`` where it is alone."""
        self.event_streams = 0
        """Clients that follow an export."""
        self.benchmarking = False
        """Whether a benchmark is under way; there is one at a time."""

    def exposure(self, caller: Caller) -> Exposure:
        """What a caller may read."""
        exposed = self.configuration.exposure
        if caller.key is None or not isinstance(exposed, ConfiguredDatasets):
            return exposed
        return ConfiguredDatasets(
            {
                name: dataset.model_copy(update={"columns": caller.key.columns.get(name, dataset.columns)})
                for name, dataset in exposed.datasets.items()
                if caller.key.datasets is None or name in caller.key.datasets
            }
        )

    def start(self) -> None:
        """Begin what goes on in the background."""
        self.prepared.start()
        if self.replica is not None:
            self.replica.start()

    async def close(self) -> None:
        """End what runs and release everything."""
        await self.prepared.drain()
        await self.runs.drain()
        await self.prepared.close()
        self.database.close()
        if self.replica is not None:
            await self.replica.close()
        await self.store.close()


def _shared_store(settings: ServiceSettings) -> SharedJobStore | None:
    """The store of several replicas, if one is configured; only then is its client imported, which takes 20 MB.

    Raises:
        SpecError: The URL is wrong, or the client is not installed.
    """
    if settings.redis_url is None:
        return None
    try:
        from polyglot_export.jobs.stores.redis import RedisJobStore
    except ModuleNotFoundError as error:
        message = f"needs the package {error.name}, which comes with: {install_hint('serve', 'redis')}"
        raise SpecError("POLYGLOT_REDIS_URL", message) from None
    return RedisJobStore(settings.redis_url, settings.redis_prefix, settings.max_jobs)


def _capacity(settings: ServiceSettings) -> int:
    """Bytes for exports: what the process may use, without what it uses at rest and what is in no reservation."""
    return max(0, available_memory(settings.memory_limit) - resident_bytes() - HEADROOM)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _service_dependency(request: Request) -> Service:
    return _service(request)


async def _caller_dependency(request: Request) -> Caller:
    return _service(request).configuration.keys.caller(request.headers.get("authorization"))


ServiceDep = Annotated[Service, Depends(_service_dependency)]
CallerDep = Annotated[Caller, Depends(_caller_dependency)]
"""Who asks; raises Unauthorized, which is 401."""
