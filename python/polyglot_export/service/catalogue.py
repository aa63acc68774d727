"""What a caller may export, as the catalogue of the database shows it now."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import psycopg

from polyglot_export.access.catalog import Dataset, describe_dataset, list_datasets
from polyglot_export.errors import SpecError
from polyglot_export.fields import within
from polyglot_export.planning.choose import unknown_column
from polyglot_export.postgres.caller import CallerSettings
from polyglot_export.request.spec import REST
from polyglot_export.service.admission.hiding import callers_rights_hidden
from polyglot_export.service.callers import Caller
from polyglot_export.service.database import Database

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["Catalogue"]

T = TypeVar("T")
_BARE_NAME = re.compile(r"[^\W\d][\w$]*")
"""What may be meant as the name of a column, and is no SQL."""


class Catalogue:
    """Answers about datasets. All methods raise PolyglotError when the database is out of reach."""

    def __init__(self, database: Database, default_dataset: str) -> None:
        """Set up.

        Args:
            database: Where to look.
            default_dataset: The one that is meant where none is named.
        """
        self._database = database
        self.default_dataset = default_dataset

    async def all(self, caller: Caller) -> list[Dataset]:
        """All datasets that a caller may read."""
        found = await self._ask(
            caller, lambda connection, settings: list_datasets(connection, caller.exposure, settings)
        )
        return [_for(caller, each) for each in found]

    async def find(
        self, caller: Caller, name: str, spec: ExportSpec | None = None, *, details: bool = False
    ) -> Dataset:
        """One dataset.

        Args:
            caller: Who may read it.
            name: Of the dataset.
            spec: What is asked of it, with values for its parameters.
            details: Whether comments of columns and the primary key are wanted too, which are further questions.

        Raises:
            UnknownDataset: There is none of that name, or it is not for this caller.
            SpecError: A parameter is missing, unknown, or has a value that does not fit.
        """
        exposure = caller.exposure
        source = exposure.source_of(replace(spec, dataset=name)) if spec is not None else None
        found = await self._ask(
            caller,
            lambda connection, settings: describe_dataset(
                connection, exposure, name, settings, source=source, details=details
            ),
        )
        return _for(caller, found)

    async def check(self, caller: Caller, spec: ExportSpec) -> None:
        """See whether an export can be planned, as far as the catalogue tells: its dataset and every column that it
        names.

        The catalogue is read without locks. What is wrong beyond it (a value that does not fit its column's type, a
        table that was dropped meanwhile) is found when the export is planned.

        Raises:
            SpecError: The sentence names the field and lists what is allowed.
        """
        for index, each in enumerate(spec.each()):
            with within(f"datasets.{index}") if spec.datasets is not None else nullcontext():
                await self._check_one(caller, each)

    async def _ask(self, caller: Caller, question: Callable[[psycopg.Connection, CallerSettings], T]) -> T:
        """Ask the catalogue with the caller's rights in the database."""
        with callers_rights_hidden():
            return await self._database.ask(
                lambda connection: question(connection, caller.rights.in_database),
                dsn=caller.rights.dsn(self._database.dsn),
            )

    async def columns(self, caller: Caller, spec: ExportSpec) -> list[tuple[str, str]]:
        """The columns that the file of an export has: names, and types of the database.

        Raises:
            SpecError: As :meth:`check`.
        """
        dataset = await self._check_one(caller, spec)
        types = {column.name: column.type for column in dataset.columns}
        return [(target, types[source]) for source, target in _chosen(spec, [*types])]

    async def _check_one(self, caller: Caller, spec: ExportSpec) -> Dataset:
        dataset = await self.find(caller, spec.dataset or self.default_dataset, spec)
        columns = {column.name: column for column in dataset.columns}
        for field, name in _named_columns(spec):
            if name not in columns and (name != REST or not field.startswith("columns.")):
                raise _no_column(name, columns, field)
        spec.format.record.encoder_options(spec.options, _targets(spec, [*columns]), {})
        return dataset


def _for(caller: Caller, dataset: Dataset) -> Dataset:
    """Policies may leave rows out for a login of its own, of which the sizes would tell."""
    if caller.rights.database is None:
        return dataset
    return replace(dataset, estimated_rows=None, estimated_bytes=None)


def _no_column(name: str, columns: Iterable[str], field: str) -> SpecError:
    unknown = unknown_column(name, columns, field)
    if field == "splitValues" and not _BARE_NAME.fullmatch(name):
        return SpecError(field, f"{unknown.reason}; SQL is not taken over HTTP")
    return unknown


def _named_columns(spec: ExportSpec) -> Iterable[tuple[str, str]]:
    """Every column that a spec names, with the field that names it."""
    for index, choice in enumerate(spec.columns or ()):
        yield f"columns.{index}.source", choice.source
    for index, name in enumerate(spec.exclude):
        yield f"exclude.{index}", name
    for index, term in enumerate(spec.filter):
        yield f"filter.{index}.column", term.column
    for index, key in enumerate(spec.order_by):
        yield f"orderBy.{index}.column", key.column
    if spec.split_column is not None:
        yield "splitBy.column" if spec.split_by is not None else "splitValues", spec.split_column


def _targets(spec: ExportSpec, columns: Sequence[str]) -> list[str]:
    """The names in the file, of a dataset that has these columns."""
    return [target for _, target in _chosen(spec, columns)]


def _chosen(spec: ExportSpec, columns: Sequence[str]) -> list[tuple[str, str]]:
    """The columns of the file, by their names in the dataset and in the file."""
    if spec.columns is None:
        return [(name, name) for name in columns if name not in spec.exclude]
    asked = {choice.source for choice in spec.columns}
    chosen: list[tuple[str, str]] = []
    for choice in spec.columns:
        if choice.source == REST and REST not in columns:
            chosen += [(name, name) for name in columns if name not in asked and name not in spec.exclude]
        else:
            chosen.append((choice.source, choice.target))
    return chosen
