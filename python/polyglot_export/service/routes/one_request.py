"""``/datasets/{name}.csv``: an export that is made, run and sent by one request."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.responses import Response

from polyglot_export.access.scopes import Scope
from polyglot_export.errors import UnknownDataset
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.callers import Caller
from polyglot_export.service.catalogue import Catalogue
from polyglot_export.service.dependencies import (
    CallerDep,
    CatalogueDep,
    QuotasDep,
    needs,
)
from polyglot_export.service.errors import NotFound
from polyglot_export.service.http.openapi import other_answer, problems_for
from polyglot_export.service.http.query_spec import ENDINGS, query_spec
from polyglot_export.service.routes.datasets import shown
from polyglot_export.service.routes.making import MakingDep, read_spec
from polyglot_export.service.routes.streaming import HeadersOnly, StreamingDep, refuse_unsafe, stream_headers

__all__ = ["router"]

router = APIRouter(tags=["datasets"])


class _Ending(StringConvertor):
    regex = "|".join(ending.replace(".", r"\.") for ending in sorted(ENDINGS, key=len, reverse=True))


register_url_convertor("ending", _Ending())

PATH = "/datasets/{name:path}.{ending:ending}"

_QUERY: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
        for name, description, schema in (
            ("columns", "`id,value=amount`", {"type": "array", "items": {"type": "string"}}),
            ("exclude", "`note`", {"type": "array", "items": {"type": "string"}}),
            ("where", "`id<=1000`; all terms must hold", {"type": "array", "items": {"type": "string"}}),
            ("orderBy", "`created_at:desc`", {"type": "array", "items": {"type": "string"}}),
            ("limit", "Most rows", {"type": "integer", "minimum": 0}),
            ("splitBy", "`id`, or `id:8` for eight parts", {"type": "string"}),
            ("splitValues", "`state`", {"type": "string"}),
            ("filename", "What the file is called", {"type": "string"}),
            ("compression", "An encoding that clients undo", {"type": "string"}),
        )
    ]
}


@router.get(
    PATH,
    dependencies=[needs(Scope.READ)],
    summary="Export a dataset by one request",
    response_class=Response,
    responses=other_answer(200, "The file, as a stream")
    | problems_for(400, 401, 403, 404, 412, 426, 429, 500, 503, 504),
    openapi_extra=_QUERY,
)
async def download(
    name: str,
    ending: str,
    request: Request,
    caller: CallerDep,
    catalogue: CatalogueDep,
    making: MakingDep,
    streaming: StreamingDep,
    quotas: QuotasDep,
) -> Response:
    """What `POST /exports` and the download of its export do, in one: for an address in a script or a spreadsheet, or
    behind `<a download>`. `option.NAME` is an option of the format, `param.NAME` a parameter of a configured query.

    A dataset whose name really ends like this is described, as any other; its file has the ending once more.
    """
    if (dataset := await _really_called(f"{name}.{ending}", catalogue, caller)) is not None:
        return dataset
    caller.need(Scope.EXPORT)
    await quotas.check_day(caller)
    refuse_unsafe(request)
    spec = await _spec(name, ending, request, catalogue, caller)
    job = await making.of(spec, name, caller, size=len(request.scope["query_string"]))
    return streaming.of(job, caller)


@router.head(
    PATH,
    dependencies=[needs(Scope.READ)],
    summary="The headers of such a file",
    response_class=Response,
    responses=other_answer(200, "The headers that are known without a run")
    | problems_for(400, 401, 403, 404, 429, 503, 504),
)
async def headers(name: str, ending: str, request: Request, caller: CallerDep, catalogue: CatalogueDep) -> Response:
    """Everything is checked that can be without running it; nothing is made and nothing is run."""
    if (dataset := await _really_called(f"{name}.{ending}", catalogue, caller)) is not None:
        return dataset
    caller.need(Scope.EXPORT)
    spec = await _spec(name, ending, request, catalogue, caller)
    return HeadersOnly(stream_headers(spec, name))


async def _really_called(name: str, catalogue: Catalogue, caller: Caller) -> Response | None:
    """The description of a dataset of this name, if there is one."""
    try:
        return shown(await catalogue.find(caller, name, details=True))
    except UnknownDataset:
        return None


async def _spec(name: str, ending: str, request: Request, catalogue: Catalogue, caller: Caller) -> ExportSpec:
    spec, _ = read_spec(query_spec(name, ending, request.query_params), name)
    try:
        await catalogue.check(caller, spec)
    except UnknownDataset as error:
        raise NotFound(error.message, field=error.field) from None
    return spec
