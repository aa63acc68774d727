"""What a message says: the export as its owner sees it, with the one run that the message is about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel

from polyglot_export.errors import cut
from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.jobs.messages import Message
from polyglot_export.service.http.answer_model import Time, time_text
from polyglot_export.service.http.job_answers import JobView, job_view
from polyglot_export.text.exact_json import dumps

__all__ = ["EventType", "WebhookMessage", "message_body"]

BODY_BYTES = 64 << 10
"""Of a body; a usual one has two thousand. Standard Webhooks recommends less than 20 kB and receivers refuse much more,
but the spec of an export may be as long as a request."""
SENTENCE_BYTES = 2 << 10
"""Of the sentence of an error."""

_SHORT = ("format", "dataset", "compression", "compressionAs", "delivery", "destination", "webhook", "limit")
"""Members of a spec that are always short."""

EventType = Literal["export.completed", "export.failed", "export.cancelled"]


class ExportData(JobView):
    """An export with the run that the message is about, the only one in ``runs``."""

    truncated: bool
    """Whether members were left out since the message would be too long: what can be long in ``spec``, and ``losses``.
    ``GET /exports/{id}`` has them."""


class WebhookMessage(BaseModel):
    """The body of a message to a webhook."""

    type: EventType
    timestamp: Time
    """When the run ended."""
    data: ExportData


def message_body(job: Job, message: Message) -> bytes | None:
    """The body of a message; ``None`` where the run is not listed any more.

    Args:
        job: As it is now; it may have run again since.
        message: One of its messages.

    Memory:
        :data:`BODY_BYTES`.
    """
    run = job.run(message.run)
    if message.run and (run is None or not run.ended):
        return None
    shown = replace(job, runs=(run,) if run is not None else (), messages=())
    data = job_view(shown).members()
    data["status"] = (run.status if run is not None else JobStatus.CANCELLED).value
    del data["webhook"]
    for part in (data, *data["runs"]):
        if part["error"] is not None:
            part["error"]["message"] = cut(part["error"]["message"], SENTENCE_BYTES)
    body = _encoded(message, data | {"truncated": False})
    if len(body) > BODY_BYTES:
        body = _encoded(message, _shortened(data))
    return body


def _encoded(message: Message, data: dict[str, Any]) -> bytes:
    return dumps({"type": f"export.{data['status']}", "timestamp": time_text(message.made_at), "data": data}).encode()


def _shortened(data: dict[str, Any]) -> dict[str, Any]:
    spec = {name: value for name, value in data["spec"].items() if name in _SHORT}
    runs = [run | {"losses": {}} for run in data["runs"]]
    return data | {"spec": spec, "runs": runs, "truncated": True}
