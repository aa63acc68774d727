"""What a call may ask for: FastAPI finds these parts of the service by their annotation and hands them in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Request

from polyglot_export.access.scopes import Scope
from polyglot_export.jobs.job import Job
from polyglot_export.jobs.stores.base import JobStore
from polyglot_export.service.admission.bodies import BodyRoom
from polyglot_export.service.admission.opening import Admission
from polyglot_export.service.audit.origin import address_of, note_address
from polyglot_export.service.audit.recorder import Recorder
from polyglot_export.service.background.preparations import Preparations
from polyglot_export.service.benchmark import Benchmark
from polyglot_export.service.callers import Caller, Callers
from polyglot_export.service.catalogue import Catalogue
from polyglot_export.service.checks import ConfigurationCheck
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.container import Service
from polyglot_export.service.database import Database
from polyglot_export.service.delivered.files import DeliveredFiles
from polyglot_export.service.errors import NotFound
from polyglot_export.service.links.followed import Links
from polyglot_export.service.logs import about
from polyglot_export.service.metrics import Metrics
from polyglot_export.service.prepared.downloads import PreparedFiles
from polyglot_export.service.preview.preview import Previews
from polyglot_export.service.quotas.metered import METER
from polyglot_export.service.quotas.quotas import Quotas
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.revocations import Revocations
from polyglot_export.service.streams.events import JobEvents
from polyglot_export.service.streams.pace import LeastPace
from polyglot_export.service.webhooks.messenger import Messenger

__all__ = [
    "AdmissionDep",
    "AuditDep",
    "BenchmarkDep",
    "BodyRoomDep",
    "CallerDep",
    "CallersDep",
    "CatalogueDep",
    "CheckDep",
    "DatabaseDep",
    "DeliveredFilesDep",
    "JobEventsDep",
    "LeastPaceDep",
    "LinksDep",
    "MessengerDep",
    "MetricsDep",
    "OwnJobDep",
    "PreparationsDep",
    "PreparedFilesDep",
    "PreviewsDep",
    "QuotasDep",
    "RevocationsDep",
    "RunsDep",
    "SettingsDep",
    "StoreDep",
    "VisibleJobDep",
    "needs",
    "within_the_day",
]


def _part(of: Callable[[Service], object]) -> object:
    """The marker by which FastAPI finds a part of the service."""

    # Asynchronous, although nothing is awaited: FastAPI would run a plain function in a thread.
    async def found(request: Request) -> object:
        return of(request.app.state.service)

    return Depends(found)


AuditDep = Annotated[Recorder, _part(lambda service: service.audit)]
AdmissionDep = Annotated[Admission, _part(lambda service: service.admission)]
BodyRoomDep = Annotated[BodyRoom, _part(lambda service: service.bodies)]
BenchmarkDep = Annotated[Benchmark, _part(lambda service: service.benchmark)]
CallersDep = Annotated[Callers, _part(lambda service: service.callers)]
CheckDep = Annotated[ConfigurationCheck, _part(lambda service: service.check)]
CatalogueDep = Annotated[Catalogue, _part(lambda service: service.catalogue)]
DatabaseDep = Annotated[Database, _part(lambda service: service.database)]
DeliveredFilesDep = Annotated[DeliveredFiles, _part(lambda service: service.delivered_files)]
JobEventsDep = Annotated[JobEvents, _part(lambda service: service.job_events)]
LinksDep = Annotated[Links, _part(lambda service: service.links)]
LeastPaceDep = Annotated[LeastPace, _part(lambda service: service.least_pace)]
MessengerDep = Annotated[Messenger, _part(lambda service: service.messenger)]
MetricsDep = Annotated[Metrics, _part(lambda service: service.metrics)]
PreviewsDep = Annotated[Previews, _part(lambda service: service.previews)]
PreparationsDep = Annotated[Preparations, _part(lambda service: service.preparations)]
PreparedFilesDep = Annotated[PreparedFiles, _part(lambda service: service.prepared_files)]
QuotasDep = Annotated[Quotas, _part(lambda service: service.quotas)]
RevocationsDep = Annotated[Revocations, _part(lambda service: service.revocations)]
RunsDep = Annotated[Runs, _part(lambda service: service.runs)]
SettingsDep = Annotated[ServiceSettings, _part(lambda service: service.settings)]
StoreDep = Annotated[JobStore, _part(lambda service: service.store)]


async def _caller(request: Request, callers: CallersDep, settings: SettingsDep, quotas: QuotasDep) -> Caller:
    note_address(address_of(request, settings.trusted_proxies))
    caller = await callers.of(request)
    request.state.caller = caller.name
    request.scope[METER] = quotas.meter(caller)
    await quotas.note_request(caller)
    return caller


CallerDep = Annotated[Caller, Depends(_caller)]
"""Who asks, and what they may read; raises Unauthorized, which is 401, or TooManyRequests."""


def needs(scope: Scope) -> Any:
    """The marker of a route whose callers need a scope; others are answered 403."""

    async def checked(caller: CallerDep) -> None:
        caller.need(scope)

    return Depends(checked)


async def _within_the_day(caller: CallerDep, quotas: QuotasDep) -> None:
    await quotas.check_day(caller)


within_the_day = Depends(_within_the_day)
"""The marker of a route that sends data, or has it made: it is not for callers that have had theirs, which is 429."""


async def _own_job(export_id: str, caller: CallerDep, store: StoreDep) -> Job:
    job = await store.get(export_id)
    if job is None or job.owner != caller.name:
        raise NotFound(f"there is no export {export_id[:40]!r}")
    about(exportId=job.id, key=caller.name)
    return job


OwnJobDep = Annotated[Job, Depends(_own_job)]
"""The job in the path, if it is this caller's; those of others do not exist for it, which is 404."""


async def _visible_job(export_id: str, caller: CallerDep, store: StoreDep) -> Job:
    if Scope.LIST_ALL not in caller.rights.scopes:
        return await _own_job(export_id, caller, store)
    job = await store.get(export_id)
    if job is None:
        raise NotFound(f"there is no export {export_id[:40]!r}")
    about(exportId=job.id, key=caller.name)
    return job


VisibleJobDep = Annotated[Job, Depends(_visible_job)]
"""The job in the path, if it is this caller's, or if it sees those of all."""
