"""The ``[datasets.…]`` tables of a configuration: names with their table or query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from polyglot_export.access.exposure import Exposure
from polyglot_export.access.tables import members_of, names_in, tables_in, text_in
from polyglot_export.errors import SpecError, UnknownDataset
from polyglot_export.sources.base import QuerySource, TableSource

__all__ = ["ConfiguredDatasets", "Dataset", "load_datasets"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One ``[datasets.NAME]`` table: ``table`` or ``query``, and optionally the ``columns`` that may be read."""

    table: str | None = None
    query: str | None = None
    columns: tuple[str, ...] | None = None

    def source(self, name: str) -> TableSource | QuerySource:
        """What the planner reads for it."""
        if self.query is not None:
            return QuerySource(self.query, self.columns, name)
        return TableSource(self.table or "", columns=self.columns, title=name)


class ConfiguredDatasets(Exposure):
    """Named datasets and nothing else."""

    def __init__(self, datasets: Mapping[str, Dataset]) -> None:
        self.datasets: Mapping[str, Dataset] = dict(datasets)

    def resolve(self, name: str) -> TableSource | QuerySource:
        """A configured name, exactly as it is written there."""
        dataset = self.datasets.get(name)
        if dataset is None:
            raise UnknownDataset("dataset", f"there is no dataset {name!r}")
        return dataset.source(name)


def load_datasets(document: Mapping[str, Any]) -> ConfiguredDatasets:
    """Read the ``[datasets.…]`` tables of a configuration.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: A dataset is wrong; the field says which one.
    """
    entries = tables_in(document, "datasets", "[datasets.orders]")
    return ConfiguredDatasets({name: _dataset(entry, f"datasets.{name}") for name, entry in entries.items()})


def _dataset(entry: object, where: str) -> Dataset:
    members = members_of(entry, where, ("table", "query", "columns"))
    table, query = text_in(members, "table", where), text_in(members, "query", where)
    if (table is None) == (query is None):
        raise SpecError(where, "give either table or query")
    columns = names_in(members["columns"], f"{where}.columns") if "columns" in members else None
    return Dataset(table, query, columns)
