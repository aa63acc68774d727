"""``/datasets``: what a caller may export."""

from __future__ import annotations

import gzip
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query

from polyglot_export.access.catalog import Dataset
from polyglot_export.access.scopes import Scope
from polyglot_export.errors import UnknownDataset
from polyglot_export.service.dependencies import CallerDep, CatalogueDep, needs
from polyglot_export.service.errors import NotFound
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.openapi import json_answer, problems_for
from polyglot_export.service.http.packing import takes_gzip

__all__ = ["router", "shown"]

router = APIRouter(tags=["datasets"])

PACKED_BYTES = 4096
"""From here on a list is packed for who takes it packed: it is mostly the same words again."""
PACKING_LEVEL = 4
"""Of gzip: 2,000 datasets take a few milliseconds and become a twentieth."""


class ColumnView(AnswerModel):
    """One column that may be exported."""

    name: str
    type: str
    nullable: bool
    comment: str | None
    """Of the database; `GET /datasets/{name}` has it."""


class ParameterView(AnswerModel):
    """A parameter of a configured query."""

    name: str
    type: str
    required: bool
    nullable: bool
    default: Any
    comment: str | None


class DatasetView(AnswerModel):
    """One thing that may be exported; the sizes are estimates of the database, ``null`` where it has none."""

    name: str
    kind: str
    columns: list[ColumnView] | None
    """`null` in a list that was asked for without them."""
    parameters: list[ParameterView]
    """What `"parameters"` of an export may have."""
    estimated_rows: int | None
    estimated_bytes: int | None
    comment: str | None
    """Of the database."""


class DatasetsView(AnswerModel):
    """All that this caller may export."""

    datasets: list[DatasetView]


@router.get(
    "/datasets",
    dependencies=[needs(Scope.READ)],
    summary="List what may be exported",
    responses=json_answer(DatasetsView) | problems_for(401, 403, 429, 503, 504),
)
async def index(
    catalogue: CatalogueDep,
    caller: CallerDep,
    columns: Annotated[bool, Query(description="Whether each dataset has its columns")] = True,
    accept_encoding: Annotated[str, Header(include_in_schema=False)] = "",
) -> ExactJSONResponse:
    """With columns, types and estimates."""
    found = await catalogue.all(caller)
    view = DatasetsView(datasets=[_view(dataset, columns=columns) for dataset in found])
    return _packed(ExactJSONResponse(view.members()), accept_encoding)


@router.get(
    "/datasets/{name:path}",
    dependencies=[needs(Scope.READ)],
    summary="Show one dataset",
    responses=json_answer(DatasetView) | problems_for(401, 403, 404, 429, 503, 504),
)
async def show(name: str, catalogue: CatalogueDep, caller: CallerDep) -> ExactJSONResponse:
    """With columns, types and estimates."""
    try:
        return shown(await catalogue.find(caller, name, details=True))
    except UnknownDataset as error:
        raise NotFound(error.message, field=error.field) from None


def shown(dataset: Dataset) -> ExactJSONResponse:
    """The answer that describes a dataset."""
    return ExactJSONResponse(_view(dataset).members())


def _packed(answer: ExactJSONResponse, accepted: str) -> ExactJSONResponse:
    answer.headers["Vary"] = "Accept-Encoding"
    if len(answer.body) >= PACKED_BYTES and takes_gzip(accepted):
        answer.body = gzip.compress(answer.body, PACKING_LEVEL, mtime=0)
        answer.headers["Content-Length"] = str(len(answer.body))
        answer.headers["Content-Encoding"] = "gzip"
    return answer


def _view(dataset: Dataset, *, columns: bool = True) -> DatasetView:
    return DatasetView(
        name=dataset.name,
        kind=dataset.kind,
        columns=[
            ColumnView(name=column.name, type=column.type, nullable=column.nullable, comment=column.comment)
            for column in dataset.columns
        ]
        if columns
        else None,
        parameters=[
            ParameterView(
                name=name,
                type=each.type,
                required=each.required,
                nullable=each.nullable,
                default=each.default,
                comment=each.comment,
            )
            for name, each in dataset.parameters.items()
        ],
        estimated_rows=dataset.estimated_rows,
        estimated_bytes=dataset.estimated_bytes,
        comment=dataset.comment,
    )
