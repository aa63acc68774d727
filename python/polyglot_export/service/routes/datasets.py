"""``/datasets``: what a caller may export; and the check of a new export against it."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter

from polyglot_export.access.catalog import Dataset, describe_dataset, list_datasets
from polyglot_export.errors import UnknownDataset
from polyglot_export.planning.choose import unknown_column
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.container import CallerDep, Service, ServiceDep
from polyglot_export.service.http.answers import answer, problems_for
from polyglot_export.service.http.auth import Caller
from polyglot_export.service.http.bodies import ExactJSONResponse
from polyglot_export.service.http.problems import NotFound
from polyglot_export.service.routes.schemas import ColumnView, DatasetsView, DatasetView

__all__ = ["check", "find", "router"]

router = APIRouter(tags=["datasets"])


@router.get(
    "/datasets", summary="List what may be exported", responses=answer(DatasetsView) | problems_for(401, 503, 504)
)
async def index(service: ServiceDep, caller: CallerDep) -> ExactJSONResponse:
    """With columns, types and estimates."""
    exposure = service.exposure(caller)
    found = await service.database.ask(lambda connection: list_datasets(connection, exposure))
    return ExactJSONResponse(DatasetsView(datasets=[_view(dataset) for dataset in found]).members())


@router.get(
    "/datasets/{name:path}",
    summary="Show one dataset",
    responses=answer(DatasetView) | problems_for(401, 404, 503, 504),
)
async def show(name: str, service: ServiceDep, caller: CallerDep) -> ExactJSONResponse:
    """With columns, types and estimates."""
    try:
        dataset = await find(service, caller, name)
    except UnknownDataset as error:
        raise NotFound(error.message, field=error.field) from None
    return ExactJSONResponse(_view(dataset).members())


async def find(service: Service, caller: Caller, name: str) -> Dataset:
    """A dataset as this caller sees it.

    Raises:
        UnknownDataset: There is none of that name, or the caller may not read it.
    """
    exposure = service.exposure(caller)
    return await service.database.ask(lambda connection: describe_dataset(connection, exposure, name))


async def check(service: Service, caller: Caller, spec: ExportSpec) -> None:
    """See whether a new export can be planned, as far as the catalogue tells: its dataset and every column that it
    names.

    The catalogue is read without locks, so what is refused later (a value that is none of the column's type, a table
    that was dropped meanwhile) is refused by the planner of the download.

    Raises:
        SpecError: The sentence names the field and lists what is allowed.
    """
    dataset = await find(service, caller, spec.dataset or service.settings.default_dataset)
    columns = {column.name: column for column in dataset.columns}
    for field, name in _named_columns(spec):
        if name not in columns:
            raise unknown_column(name, columns, field)
    targets = [choice.target for choice in spec.columns] if spec.columns is not None else list(columns)
    spec.format.record.encoder_options(spec.options, targets, {})


def _named_columns(spec: ExportSpec) -> Iterable[tuple[str, str]]:
    """Every column that a spec names, with the field that names it."""
    for index, choice in enumerate(spec.columns or ()):
        yield f"columns.{index}.source", choice.source
    for index, term in enumerate(spec.filter):
        yield f"filter.{index}.column", term.column
    for index, key in enumerate(spec.order_by):
        yield f"orderBy.{index}.column", key.column


def _view(dataset: Dataset) -> DatasetView:
    return DatasetView(
        name=dataset.name,
        kind=dataset.kind,
        columns=[
            ColumnView(name=column.name, type=column.type, nullable=column.nullable) for column in dataset.columns
        ],
        estimated_rows=dataset.estimated_rows,
        estimated_bytes=dataset.estimated_bytes,
    )
