"""The numbers of the service, for Prometheus: what it does and what it has.

Two kinds of numbers: counters and histograms that grow when something ends, and what is read from the service when
somebody asks. Rows, bytes and the time spent on clients are both: what the ended runs have, and what the running ones
have by now.

No label has a value that clients choose (no ids, no datasets, no paths), so the number of series has a limit.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from polyglot_export.admission.budget import MemoryBudget
from polyglot_export.formats.registry import Format
from polyglot_export.jobs.job import Run
from polyglot_export.request.spec import Delivery
from polyglot_export.service.admission.bodies import BodyRoom
from polyglot_export.service.admission.connections import Connections
from polyglot_export.service.background.preparations import Preparations
from polyglot_export.service.http.client_connections import ClientConnections
from polyglot_export.service.http.problems import PROBLEMS
from polyglot_export.service.prepared.spool import Spool
from polyglot_export.service.quotas.refused import Refusals
from polyglot_export.service.replicas.active import ActiveRun
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.streams.events import JobEvents
from polyglot_export.service.webhooks.messenger import Messenger

__all__ = ["Metrics", "RequestCounter", "Watched"]

SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
"""Limits of the buckets: from a table that fits a page to one that takes an hour."""
QUEUE_SECONDS = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE"})
OTHER = "other"
"""In place of a method or a path that the service does not have."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked at when somebody asks for the numbers."""

    clients: ClientConnections
    runs: Runs
    budget: MemoryBudget
    connections: Connections
    spool: Spool
    preparations: Preparations
    bodies: BodyRoom
    job_events: JobEvents
    messenger: Messenger
    refusals: Refusals


class Metrics:
    """All numbers of one service. They belong to the thread of the event loop."""

    def __init__(self, watched: Watched, version: str) -> None:
        self.registry = CollectorRegistry()
        self.jobs: dict[str, int] | None = None
        """Jobs by state, as the store said last; ``None`` while it is away."""
        self.certificate_expires: Callable[[], float] | None = None
        """When the certificate of HTTPS does, in Unix time; ``None`` where none is used."""
        self._watched = watched
        self._ended = Counter(
            "polyglot_exports",
            "Runs that have ended.",
            ["status", "format", "compression", "delivery"],
            registry=self.registry,
        )
        self._failures = Counter(
            "polyglot_export_failures",
            "Runs that did not complete, by the code of their problem.",
            ["code"],
            registry=self.registry,
        )
        for code in sorted({row.code for row in PROBLEMS}):
            # A series that appears with its first failure hides that failure from rate().
            self._failures.labels(code)
        self._seconds = Histogram(
            "polyglot_export_duration_seconds",
            "Seconds of runs that have ended, from their request to their last byte.",
            ["status", "format"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._queue = Histogram(
            "polyglot_queue_seconds",
            "Seconds that exports waited for their share of memory and connections, in vain or not.",
            buckets=QUEUE_SECONDS,
            registry=self.registry,
        )
        self.requests = Counter(
            "polyglot_http_requests",
            "Requests, by what was answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._totals = {known.value: [0, 0] for known in Format}
        self._blocked = 0.0
        watched.runs.on_end = self._run_ended
        watched.budget.on_wait = self._queue.observe
        self.registry.register(_Live(watched, self, version))
        ProcessCollector(registry=self.registry)

    def totals(self) -> dict[str, tuple[int, int]]:
        """Rows and bytes by format up to now."""
        totals = {name: list(both) for name, both in self._totals.items()}
        for active in self._watched.runs.active():
            run = active.current()
            both = totals[active.job.spec.format.value]
            both[0] += run.rows
            both[1] += run.bytes
        return {name: (rows, size) for name, (rows, size) in totals.items()}

    def blocked(self) -> float:
        """Seconds that exports have waited for their clients up to now."""
        return self._blocked + sum(active.blocked() for active in self._watched.runs.active())

    def _run_ended(self, active: ActiveRun, run: Run) -> None:
        spec = active.job.spec
        compression = spec.compression or "none"
        self._ended.labels(run.status.value, spec.format.value, compression, spec.delivery).inc()
        if run.error is not None:
            self._failures.labels(run.error.code).inc()
        self._seconds.labels(run.status.value, spec.format.value).observe(time.monotonic() - active.started)
        both = self._totals[spec.format.value]
        both[0] += run.rows
        both[1] += run.bytes
        self._blocked += active.blocked()


class _Live(Collector):
    """What is read from the service when somebody asks."""

    def __init__(self, watched: Watched, metrics: Metrics, version: str) -> None:
        self._watched = watched
        self._metrics = metrics
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """See the base class."""
        yield InfoMetricFamily(
            "polyglot_build", "What runs here.", {"version": self._version, "python": platform.python_version()}
        )
        yield from self._exports()
        yield from self._resources()
        yield from self._clients()
        yield self._certificate()
        yield from self._jobs()
        yield from self._webhooks()

    def _exports(self) -> Iterator[Metric]:
        running = GaugeMetricFamily(
            "polyglot_exports_running", "Runs under way, those that wait for their turn included.", labels=["delivery"]
        )
        active = [run.job.spec.delivery for run in self._watched.runs.active()]
        for delivery in get_args(Delivery):
            running.add_metric([delivery], active.count(delivery))
        yield running
        rows = CounterMetricFamily(
            "polyglot_export_rows", "Rows exported, those of unfinished and failed runs included.", labels=["format"]
        )
        size = CounterMetricFamily("polyglot_export_bytes", "Bytes handed to clients or files.", labels=["format"])
        for name, (row_count, byte_count) in self._metrics.totals().items():
            rows.add_metric([name], row_count)
            size.add_metric([name], byte_count)
        yield rows
        yield size
        yield CounterMetricFamily(
            "polyglot_client_wait_seconds",
            "Seconds that streams have waited for their clients to take something.",
            self._metrics.blocked(),
        )
        yield GaugeMetricFamily(
            "polyglot_event_streams", "Clients that follow an export.", self._watched.job_events.streams
        )

    def _resources(self) -> Iterator[Metric]:
        budget = self._watched.budget
        yield GaugeMetricFamily(
            "polyglot_queue_length", "Exports that wait for their share of memory and connections.", budget.waiting
        )
        yield GaugeMetricFamily("polyglot_memory_budget_bytes", "Memory for exports.", budget.capacity)
        yield GaugeMetricFamily(
            "polyglot_memory_reserved_bytes", "What running exports have reserved of it.", budget.reserved
        )
        connections = GaugeMetricFamily(
            "polyglot_database_connections", "Connections that running exports hold.", labels=["kind"]
        )
        connections.add_metric(["leader"], budget.running)
        connections.add_metric(["worker"], budget.workers)
        yield connections
        yield GaugeMetricFamily(
            "polyglot_database_workers_limit",
            "Connections that all workers together may have.",
            self._watched.connections.limit,
        )
        yield GaugeMetricFamily(
            "polyglot_file_queue_length",
            "Exports that wait to be run in the background.",
            self._watched.preparations.queued,
        )
        yield GaugeMetricFamily(
            "polyglot_request_bodies_bytes",
            "Memory that is set aside for bodies of requests.",
            self._watched.bodies.held,
        )
        yield GaugeMetricFamily("polyglot_spool_limit_bytes", "Space for prepared files.", self._watched.spool.limit)

    def _clients(self) -> Iterator[Metric]:
        clients = self._watched.clients
        yield GaugeMetricFamily("polyglot_client_connections", "Connections that clients have open.", len(clients))
        yield GaugeMetricFamily(
            "polyglot_client_connections_limit", "Connections that clients may have open.", clients.limit
        )
        yield GaugeMetricFamily(
            "polyglot_request_memory_bytes", "What requests and answers on their way hold.", clients.held()
        )
        yield GaugeMetricFamily("polyglot_request_memory_limit_bytes", "What they may hold.", clients.memory)
        turned = CounterMetricFamily(
            "polyglot_clients_turned_away",
            "Connections that were refused, or closed for the sake of others.",
            labels=["reason"],
        )
        for reason, count in asdict(clients.turned).items():
            turned.add_metric([reason], count)
        yield turned
        limited = CounterMetricFamily(
            "polyglot_callers_limited", "Refusals of callers that had reached a limit of their own.", labels=["limit"]
        )
        for limit, count in self._watched.refusals.count.items():
            limited.add_metric([limit], count)
        yield limited

    def _certificate(self) -> Metric:
        """Without a sample where there is none."""
        expires = self._metrics.certificate_expires
        family = GaugeMetricFamily(
            "polyglot_tls_certificate_expiry_timestamp_seconds",
            "When the certificate expires, in Unix time.",
            labels=[],
        )
        if expires is not None:
            family.add_metric([], expires())
        return family

    def _jobs(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "polyglot_job_store_up", "1 if the job store answered just now.", float(self._metrics.jobs is not None)
        )
        if self._metrics.jobs is not None:
            jobs = GaugeMetricFamily(
                "polyglot_jobs", "Jobs in the store, of all replicas that share it.", labels=["state"]
            )
            for state, count in self._metrics.jobs.items():
                jobs.add_metric([state], count)
            yield jobs

    def _webhooks(self) -> Iterator[Metric]:
        messenger = self._watched.messenger
        messages = CounterMetricFamily(
            "polyglot_webhook_messages", "Messages to webhooks that are done with.", labels=["status"]
        )
        for status, count in messenger.settled.items():
            messages.add_metric([status], count)
        yield messages
        attempts = CounterMetricFamily(
            "polyglot_webhook_attempts", "Attempts to deliver messages to webhooks.", labels=["result"]
        )
        for result, count in messenger.attempts.items():
            attempts.add_metric([result], count)
        yield attempts
        yield GaugeMetricFamily(
            "polyglot_webhook_queue_length", "Exports whose messages wait for their webhook.", len(messenger.held)
        )


class RequestCounter:
    """ASGI middleware: counts requests by method, route and status; it touches neither the body nor its end."""

    def __init__(self, app: ASGIApp, requests: Counter) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note what is answered."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # 499, as nginx has it: the client went away before there was an answer.
        status = "499"
        started = False

        async def noting(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = str(message["status"]), True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            # A defect, which is answered further outside.
            status = status if started else "500"
            raise
        finally:
            route = getattr(scope.get("route"), "path", OTHER)
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._requests.labels(method, route, status).inc()
