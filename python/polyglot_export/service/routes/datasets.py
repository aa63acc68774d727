"""``/datasets``: what a caller may export."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from polyglot_export.access.catalog import Dataset
from polyglot_export.access.scopes import Scope
from polyglot_export.errors import UnknownDataset
from polyglot_export.service.dependencies import CallerDep, CatalogueDep, needs
from polyglot_export.service.errors import NotFound
from polyglot_export.service.http.answer_model import AnswerModel
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.openapi import json_answer, problems_for

__all__ = ["router", "shown"]

router = APIRouter(tags=["datasets"])


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
    columns: list[ColumnView]
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
async def index(catalogue: CatalogueDep, caller: CallerDep) -> ExactJSONResponse:
    """With columns, types and estimates."""
    found = await catalogue.all(caller)
    return ExactJSONResponse(DatasetsView(datasets=[_view(dataset) for dataset in found]).members())


@router.get(
    "/datasets/{name:path}",
    dependencies=[needs(Scope.READ)],
    summary="Show one dataset",
    responses=json_answer(DatasetView) | problems_for(401, 403, 404, 429, 503, 504),
)
async def show(name: str, catalogue: CatalogueDep, caller: CallerDep) -> ExactJSONResponse:
    """With columns, types and estimates."""
    try:
        return shown(await catalogue.find(caller, name))
    except UnknownDataset as error:
        raise NotFound(error.message, field=error.field) from None


def shown(dataset: Dataset) -> ExactJSONResponse:
    """The answer that describes a dataset."""
    return ExactJSONResponse(_view(dataset).members())


def _view(dataset: Dataset) -> DatasetView:
    return DatasetView(
        name=dataset.name,
        kind=dataset.kind,
        columns=[
            ColumnView(name=column.name, type=column.type, nullable=column.nullable, comment=column.comment)
            for column in dataset.columns
        ],
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
