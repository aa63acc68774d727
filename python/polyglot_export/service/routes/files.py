"""``/exports/{id}/files``: the files of an export that was delivered into a destination."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.service.delivered.files import DeliveredFile
from polyglot_export.service.dependencies import CallerDep, DeliveredFilesDep, OwnJobDep, needs, within_the_day
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.openapi import json_answer, other_answer, problems_for
from polyglot_export.service.replicas.runs import check_runnable

__all__ = ["router"]

router = APIRouter(tags=["exports"])


class DeliveredFileView(AnswerModel):
    """One file of a set."""

    number: int
    """With which ``/files/{number}`` gives it."""
    dataset: str
    path: str
    """In the folder of the export in its destination."""
    bytes: int
    rows: int
    sha256: str


class DeliveredFilesView(AnswerModel):
    """The files of an export, in the order of its datasets."""

    files: list[DeliveredFileView]


@router.get(
    "/exports/{export_id}/files",
    dependencies=[needs(Scope.READ)],
    summary="List the files of an export",
    responses=json_answer(DeliveredFilesView) | problems_for(401, 403, 404, 409, 410, 429, 500, 503),
)
async def index(job: OwnJobDep, caller: CallerDep, delivered: DeliveredFilesDep) -> ExactJSONResponse:
    """With `"delivery": "store"`: what the manifest in the destination names. Its digest must be that of the export."""
    check_runnable(job)
    files = await delivered.of(job, caller)
    return ExactJSONResponse(DeliveredFilesView(files=[_view(file) for file in files]).members())


def _answers(summary: str) -> dict[str, Any]:
    """What the description of the API says of both methods."""
    return {
        "dependencies": [needs(Scope.READ), within_the_day],
        "summary": summary,
        "response_class": Response,
        "responses": other_answer(302, "A link that is signed for this click, for ten minutes")
        | other_answer(200, "The file, where its place signs no links")
        | problems_for(400, 401, 403, 404, 409, 410, 412, 416, 429, 500, 503),
    }


# Two routes: FastAPI would give both methods of one the same operation id.
@router.head("/exports/{export_id}/files/{number}", **_answers("The headers of a file of an export"))
@router.get("/exports/{export_id}/files/{number}", **_answers("Get a file of an export"))
async def give(
    request: Request,
    job: OwnJobDep,
    caller: CallerDep,
    delivered: DeliveredFilesDep,
    number: Annotated[int, Path(ge=0, description="As in the list of the files, from 0")],
) -> Response:
    """A link into the object store, signed at this very moment and written into the log; or the file itself, whole
    or in ranges, where it is in a folder.
    """
    check_runnable(job)
    return await delivered.give(job, caller, number, request)


def _view(file: DeliveredFile) -> DeliveredFileView:
    return DeliveredFileView(
        number=file.number,
        dataset=file.dataset,
        path=file.path,
        bytes=file.size,
        rows=file.rows,
        sha256=file.sha256,
    )
