"""What the calls of the service share: one object an application, found through the request."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request

from polyglot_export.allocator import Trimmer
from polyglot_export.configured import load_datasets
from polyglot_export.errors import SpecError
from polyglot_export.jobs.store import JobStore, MemoryJobStore, SharedJobStore
from polyglot_export.policy import ConfiguredDatasets, ExposedTables, Exposure
from polyglot_export.service.capacity.budget import HEADROOM, MemoryBudget, available_memory, resident_bytes
from polyglot_export.service.capacity.connections import Connections
from polyglot_export.service.database import Database
from polyglot_export.service.delivery.prepared import Preparations
from polyglot_export.service.delivery.spool import Spool
from polyglot_export.service.http.auth import Caller, Key, Keys
from polyglot_export.service.replicas.replica import Replica, replica_name
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.settings import ServiceSettings

__all__ = ["CallerDep", "Configuration", "Service", "ServiceDep", "load_configuration"]

DEFAULT_CONFIG = Path("polyglot.toml")
_TABLES = frozenset({"datasets", "keys"})


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration file: who may read what."""

    exposure: Exposure
    keys: Keys
    path: Path | None = None


def load_configuration(path: Path | None) -> Configuration:
    """Read the configuration file.

    Args:
        path: The file; ``None`` means ``polyglot.toml`` in the current folder, if it exists.

    Returns:
        Its datasets and keys. Without a file, or with one that names neither, the tables of schema ``public``.

    Raises:
        SpecError: It cannot be read, or something in it is wrong; the sentence says where.
    """
    if path is None and not DEFAULT_CONFIG.exists():
        return Configuration(ExposedTables.public(), Keys(()))
    path = path or DEFAULT_CONFIG
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"{path}: {error}", field="POLYGLOT_CONFIG") from None
    try:
        return _configuration(document, path)
    except SpecError as error:
        raise SpecError(f"{path}: {error.message.removeprefix('configuration: ')}", field=error.field) from None


def _configuration(document: Mapping[str, Any], path: Path) -> Configuration:
    unknown = sorted(set(document) - _TABLES)
    if unknown:
        raise SpecError(f"unknown table {unknown[0]!r}; datasets and keys are allowed", field=unknown[0])
    keys = Keys.from_document(document)
    if not document:
        return Configuration(ExposedTables.public(), keys, path)
    # With keys nothing is offered that the file does not name.
    datasets = load_datasets(document)
    for key in keys:
        _check_scope(key, datasets)
    return Configuration(datasets, keys, path)


def _check_scope(key: Key, datasets: ConfiguredDatasets) -> None:
    """A key cannot read what is not offered: a name that is spelt wrong is said now, not at its first request."""
    where = f"keys.{key.name}"
    for name in sorted({*(key.datasets or ()), *key.columns}):
        if name not in datasets.datasets:
            raise SpecError(f"{where}: there is no dataset {name!r} in this file", field=where)
    for name, columns in key.columns.items():
        exposed = datasets.datasets[name].columns
        unknown = [column for column in columns if exposed is not None and column not in exposed]
        if unknown:
            raise SpecError(f"{where}.columns.{name}: the dataset does not offer the column {unknown[0]!r}", field=where)


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
        self.replica = Replica(shared, self.runs, self.prepared, name) if shared is not None and name is not None else None
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
        from polyglot_export.jobs.redis_store import RedisJobStore
    except ModuleNotFoundError as error:
        message = f"POLYGLOT_REDIS_URL: needs the package {error.name}; pip install 'polyglot-export[serve,redis]' brings it"
        raise SpecError(message, field="POLYGLOT_REDIS_URL") from None
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
