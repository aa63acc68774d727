"""The answer that runs an export while it is sent: what the two calls have in common that give one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from polyglot_export.jobs.job import Job
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.admission.feed import AdmittedFeed
from polyglot_export.service.admission.opening import Admission
from polyglot_export.service.callers import Caller
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.dependencies import AdmissionDep, LeastPaceDep, RevocationsDep, RunsDep, SettingsDep
from polyglot_export.service.errors import RangeRefused
from polyglot_export.service.http.file_headers import file_headers
from polyglot_export.service.http.versions import require_http_1_1
from polyglot_export.service.replicas.runs import Runs
from polyglot_export.service.revocations import Revocations
from polyglot_export.service.streams.download import DownloadResponse
from polyglot_export.service.streams.pace import LeastPace

__all__ = ["HeadersOnly", "StreamingDep", "refuse_unsafe", "stream_headers"]


@dataclass(frozen=True, slots=True)
class Streaming:
    """Makes such answers."""

    admission: Admission
    runs: Runs
    least_pace: LeastPace
    revocations: Revocations
    settings: ServiceSettings

    def of(self, job: Job, caller: Caller) -> Response:
        """A run of the job. It is opened before the status is sent, and waits for its turn there.

        Args:
            job: Its own, or one that it may run.
            caller: Who asks.
        """
        feed = AdmittedFeed(
            lambda: self.admission.admit(
                job.spec,
                caller.exposure,
                job.id,
                self.settings.queue_timeout,
                caller.name,
                rights=caller.rights,
                weight=job.weight,
            )
        )
        headers = stream_headers(job.spec, job.file_stem, job.id)
        watch = partial(self.revocations.until_revoked, caller)
        return DownloadResponse(job, feed, self.runs, self.least_pace, headers, watch)


async def _streaming(
    admission: AdmissionDep, runs: RunsDep, least_pace: LeastPaceDep, revocations: RevocationsDep, settings: SettingsDep
) -> Streaming:
    return Streaming(admission, runs, least_pace, revocations, settings)


StreamingDep = Annotated[Streaming, Depends(_streaming)]
"""What makes the answer of a call that runs an export."""


def refuse_unsafe(request: Request) -> None:
    """Refuse what could make two different or incomplete exports look like one whole file.

    Raises:
        PolyglotError: It is asked for over HTTP/1.0, or in ranges.
    """
    require_http_1_1(request)
    if "range" in request.headers:
        raise RangeRefused(
            "an export is streamed and has no ranges: every download is a new run; start again without a Range header",
            field="Range",
        )


def stream_headers(spec: ExportSpec, stem: str, export_id: str | None = None) -> dict[str, str]:
    """What is known of the answer before the export runs.

    Args:
        spec: What is exported.
        stem: Of the file's name.
        export_id: ``None`` where there is no export yet.
    """
    headers = {
        **file_headers(spec, stem),
        "Cache-Control": "no-store, no-transform",
        "Accept-Ranges": "none",
        "X-Accel-Buffering": "no",
    }
    if export_id is not None:
        headers["X-Export-Id"] = export_id
    return headers


class HeadersOnly(Response):
    """A HEAD answer: the length of the stream is not known, so there is no ``Content-Length`` either."""

    def __init__(self, headers: dict[str, str]) -> None:
        """Set up."""
        super().__init__(headers=headers)
        del self.headers["content-length"]
