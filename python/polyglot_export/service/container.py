"""Wires the service: every room gets the two or three things that it uses, and none gets them all."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from polyglot_export.admission.budget import MemoryBudget
from polyglot_export.errors import PolyglotError
from polyglot_export.execution.allocator import Trimmer
from polyglot_export.jobs.stores.base import JobStore, SharedJobStore
from polyglot_export.jobs.stores.registry import open_store
from polyglot_export.limits import default_workers
from polyglot_export.service.admission.bodies import BodyRoom
from polyglot_export.service.admission.connections import Connections
from polyglot_export.service.admission.machine import HEADROOM, available_memory, resident_bytes
from polyglot_export.service.admission.opening import Admission, ExportTerms
from polyglot_export.service.audit.events import ServiceStarted, ServiceStopped
from polyglot_export.service.audit.log import AuditLog
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.service.audit.target import AuditTarget
from polyglot_export.service.background.kind import Kind
from polyglot_export.service.background.preparations import Preparations, PreparationTerms
from polyglot_export.service.benchmark import Benchmark
from polyglot_export.service.callers import Callers
from polyglot_export.service.catalogue import Catalogue
from polyglot_export.service.checks import ConfigurationCheck
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import Configuration
from polyglot_export.service.database import Database
from polyglot_export.service.delivered.asking import StoreThreads
from polyglot_export.service.delivered.files import DeliveredFiles
from polyglot_export.service.delivered.sets import DeliveredSets
from polyglot_export.service.http.client_connections import ClientConnections, connection_limit, request_memory
from polyglot_export.service.links.followed import Links
from polyglot_export.service.links.signer import LinkSigner
from polyglot_export.service.logs import event
from polyglot_export.service.metrics import Metrics, Watched
from polyglot_export.service.prepared.downloads import PreparedFiles
from polyglot_export.service.prepared.files import SpoolFiles
from polyglot_export.service.prepared.spool import Spool
from polyglot_export.service.prepared.tidying import SpoolKeeper
from polyglot_export.service.preview.preview import Previews, preview_terms
from polyglot_export.service.quotas.quotas import Quotas
from polyglot_export.service.reload import Reloader
from polyglot_export.service.replicas.replica import Replica, replica_name
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.revocations import Revocations
from polyglot_export.service.streams.events import JobEvents
from polyglot_export.service.streams.file_response import FileTerms
from polyglot_export.service.streams.pace import LeastPace
from polyglot_export.service.webhooks.messenger import Messenger
from polyglot_export.service.webhooks.receivers import Receivers

__all__ = ["Service", "body_room", "build", "export_memory", "export_terms", "set_default_dataset"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of one running service. Only ``app.py``, ``server.py`` and ``dependencies.py`` see them together."""

    settings: ServiceSettings
    configuration: Configuration
    version: str
    audit: Recorder
    callers: Callers
    revocations: Revocations
    reloader: Reloader
    clients: ClientConnections
    store: JobStore
    runs: Runs
    replica: Replica | None
    """This process among others; ``None`` where it is alone."""
    database: Database
    catalogue: Catalogue
    connections: Connections
    bodies: BodyRoom
    budget: MemoryBudget
    admission: Admission
    quotas: Quotas
    least_pace: LeastPace
    spool: Spool
    prepared_files: PreparedFiles
    previews: Previews
    delivered_files: DeliveredFiles
    links: Links
    preparations: Preparations
    spool_keeper: SpoolKeeper
    job_events: JobEvents
    messenger: Messenger
    benchmark: Benchmark
    metrics: Metrics
    check: ConfigurationCheck

    def start(self) -> list[asyncio.Task[None]]:
        """Begin what goes on in the background.

        Returns:
            The tasks that are to be cancelled at the end; everything else is ended by :meth:`close`.
        """
        self.spool_keeper.start()
        if self.replica is not None:
            self.replica.start()
        return [
            asyncio.create_task(self.audit.log.tell(ServiceStarted(version=self.version))),
            asyncio.create_task(_look_at(self.database)),
            asyncio.create_task(self.check.run(self.configuration)),
            asyncio.create_task(self.connections.keep_learning(self.database)),
        ]

    async def reload(self) -> None:
        """Read the configuration again, here and on all other replicas."""
        await self.reloader.reload(self.replica.announce_reload if self.replica is not None else None)

    async def close(self) -> None:
        """End what runs and release everything."""
        await self.preparations.drain()
        await self.runs.drain()
        await self.preparations.close()
        # Behind all runs, so that the last ends are told too.
        await self.messenger.close()
        await self.spool_keeper.close()
        await self.quotas.close()
        self.database.close()
        if self.replica is not None:
            await self.replica.close()
        await self.store.close()
        await self.audit.log.tell(ServiceStopped())
        await self.audit.log.close()


def build(
    settings: ServiceSettings, configuration: Configuration, version: str, callers: Callers | None = None
) -> Service:
    """Make the parts and connect them; nothing runs before :meth:`Service.start`.

    Args:
        settings: Validated settings.
        configuration: What is offered.
        version: Of the package.
        callers: Who may ask; by default the holders of the configuration's keys, or anybody where it has none.

    Raises:
        SpecError: The job store's URL is wrong, or its client is not installed; or more clients are allowed than the
            process may have descriptors for.
    """
    store = open_store(settings.redis_url, prefix=settings.redis_prefix, max_jobs=settings.max_jobs)
    shared = store if isinstance(store, SharedJobStore) else None
    name = replica_name() if shared is not None else None
    audit = _recorder(settings, name)
    runs = Runs(store, settings.max_duration, name, audit)
    database = Database(settings.database_url)
    catalogue = Catalogue(database, settings.default_dataset)
    known = callers if callers is not None else _callers(configuration)
    receivers = Receivers(configuration.webhooks, lambda job: known.owner_of(job).webhooks)
    messenger = Messenger(store, receivers.of, lambda: len(known), name)
    runs.outcomes.on_stored = messenger.told
    clients = _client_connections(settings)
    connections = Connections(settings.max_connections)
    bodies = body_room(settings)
    # Before the memory is counted.
    configuration.destinations.load()
    budget = MemoryBudget(export_memory(settings, bodies), connections, Trimmer().plan, lambda: len(known))
    terms = export_terms(settings)
    quotas = Quotas(store)
    admission = Admission(budget, terms, quotas.places)
    check = ConfigurationCheck(terms, budget.capacity, set_default_dataset(settings), anybody=lambda: known.keyless)
    least_pace = LeastPace(settings.slow_client_timeout, settings.min_rate)
    spool = Spool(settings.spool_dir, settings.spool_limit)
    spool_files = SpoolFiles(spool, runs)
    threads = StoreThreads(settings.queue_timeout)
    revocations = Revocations(known, end=settings.end_revoked)
    preparations = _preparations(
        settings, runs, spool_files, admission, known, threads, revocations, quotas, shared=shared is not None
    )
    file_terms = FileTerms(budget, settings.queue_timeout, least_pace, revocations)
    job_events = JobEvents(runs, store, preparations.may_begin)
    reloader = Reloader(known, receivers, configuration, settings.host, check, audit.log)
    reloader.on_reload.append(lambda _: revocations.look())
    return Service(
        settings=settings,
        configuration=configuration,
        version=version,
        audit=audit,
        callers=known,
        revocations=revocations,
        reloader=reloader,
        clients=clients,
        store=store,
        runs=runs,
        replica=Replica(shared, runs, preparations, messenger, name, reloader.follow if callers is None else None)
        if shared is not None and name is not None
        else None,
        database=database,
        catalogue=catalogue,
        connections=connections,
        bodies=bodies,
        budget=budget,
        admission=admission,
        quotas=quotas,
        least_pace=least_pace,
        spool=spool,
        prepared_files=PreparedFiles(spool, file_terms),
        previews=Previews(Admission(budget, preview_terms(terms)), budget, settings.queue_timeout),
        delivered_files=DeliveredFiles(file_terms, threads, audit),
        links=Links(_link_signer(settings, shared=shared is not None), store, known, audit),
        preparations=preparations,
        spool_keeper=SpoolKeeper(
            spool, store, spool_files.unsettled, settings.job_retention, shared=shared is not None
        ),
        job_events=job_events,
        messenger=messenger,
        benchmark=Benchmark(catalogue, admission, settings.benchmark_rows, settings.queue_timeout),
        metrics=Metrics(
            Watched(
                clients, runs, budget, connections, spool, preparations, bodies, job_events, messenger, quotas.refusals
            ),
            version,
        ),
        check=check,
    )


def _recorder(settings: ServiceSettings, replica: str | None) -> Recorder:
    target = AuditTarget(settings.audit_log, fsync=settings.audit_fsync) if settings.audit_log is not None else None
    return Recorder(AuditLog(target, replica), values=settings.audit_values)


def _link_signer(settings: ServiceSettings, *, shared: bool) -> LinkSigner:
    """Replicas must have the same keys, and what outlives a process must have keys that do."""
    if settings.link_secret is not None:
        return LinkSigner(settings.link_secret.split())
    return LinkSigner(()) if shared else LinkSigner.of_this_process()


def _callers(configuration: Configuration) -> Callers:
    return Callers(
        configuration.keys,
        configuration.exposure,
        configuration.destinations,
        configuration.webhooks,
        configuration.issuers,
    )


def body_room(settings: ServiceSettings) -> BodyRoom:
    """The memory of request bodies."""
    return BodyRoom(settings.max_body, settings.queue_timeout)


def export_memory(settings: ServiceSettings, bodies: BodyRoom) -> int:
    """Bytes for exports: what the process may use, without what it uses at rest and what is in no reservation."""
    return max(0, available_memory(settings.memory_limit) - resident_bytes() - HEADROOM - bodies.capacity)


def set_default_dataset(settings: ServiceSettings) -> str | None:
    """The default dataset, if somebody has set one."""
    return settings.default_dataset if "default_dataset" in settings.model_fields_set else None


def _client_connections(settings: ServiceSettings) -> ClientConnections:
    memory = available_memory(settings.memory_limit)
    return ClientConnections(
        connection_limit(settings.max_clients, memory), request_memory(settings.request_memory, memory)
    )


def export_terms(settings: ServiceSettings) -> ExportTerms:
    """What every export is granted."""
    return ExportTerms(
        dsn=settings.database_url,
        workers=settings.workers or default_workers(),
        row_bytes=settings.row_limit,
        rate_limit=settings.rate_limit,
        statement_timeout=settings.statement_timeout,
        lock_timeout=settings.lock_timeout,
    )


def _preparations(
    settings: ServiceSettings,
    runs: Runs,
    spool_files: SpoolFiles,
    admission: Admission,
    callers: Callers,
    threads: StoreThreads,
    revocations: Revocations,
    quotas: Quotas,
    *,
    shared: bool,
) -> Preparations:
    terms = PreparationTerms(
        attempts=settings.file_attempts,
        grace=settings.shutdown_grace,
        queue=settings.file_queue,
        callers=lambda: len(callers),
        until_revoked=revocations.until_owner_revoked,
        shared=shared,
    )
    sets = DeliveredSets(lambda job: callers.owner_of(job).destinations, threads)
    kinds: dict[str, Kind] = {"file": spool_files, "store": sets}
    return Preparations(runs, kinds, admission, callers.owner_of, terms, quotas)


async def _look_at(database: Database) -> None:
    """Say at the start what every request would say: a wrong DATABASE_URL is seen at once."""
    try:
        await database.check()
    except PolyglotError as error:
        event(_log, logging.WARNING, "database out of reach", reason=str(error))
    else:
        event(_log, logging.INFO, "database reached")
