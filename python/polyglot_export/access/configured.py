"""The ``[datasets.…]`` tables of a configuration: names with their table or query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polyglot_export.access.exposure import Exposure
from polyglot_export.access.tables import read_tables
from polyglot_export.errors import SpecError, UnknownDataset
from polyglot_export.fields import Record
from polyglot_export.sources.base import Source
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm

__all__ = ["ConfiguredDatasets", "Dataset", "load_datasets"]


@dataclass(frozen=True, slots=True)
class Dataset(Record):
    """One ``[datasets.NAME]`` table: ``table`` or ``query``, and optionally the ``columns`` that may be read."""

    table: str | None = field(default=None, metadata={"min_length": 1})
    query: str | None = field(default=None, metadata={"min_length": 1})
    columns: tuple[str, ...] | None = field(default=None, metadata={"min_length": 1})

    def _check(self) -> None:
        if (self.table is None) == (self.query is None):
            raise SpecError(None, "give either table or query")

    def source(self, name: str, rows: tuple[FilterTerm, ...] = ()) -> Source:
        """What the planner reads for it.

        Args:
            name: Of the dataset.
            rows: What every row must fulfil.
        """
        if self.query is not None:
            return QuerySource(self.query, self.columns, name, rows)
        return TableSource(self.table or "", columns=self.columns, title=name, rows=rows)


class ConfiguredDatasets(Exposure):
    """Named datasets and nothing else."""

    def __init__(
        self, datasets: Mapping[str, Dataset], rows: Mapping[str, tuple[FilterTerm, ...]] | None = None
    ) -> None:
        """Set up.

        Args:
            datasets: By name.
            rows: By name, what every row must fulfil; all rows of those that are not in it may be read.
        """
        self.datasets: Mapping[str, Dataset] = dict(datasets)
        self._rows = dict(rows or {})

    def resolve(self, name: str) -> Source:
        """A configured name, exactly as it is written there."""
        dataset = self.datasets.get(name)
        if dataset is None:
            raise UnknownDataset("dataset", f"there is no dataset {name!r}")
        return dataset.source(name, self._rows.get(name, ()))


def load_datasets(document: Mapping[str, Any]) -> ConfiguredDatasets:
    """Read the ``[datasets.…]`` tables of a configuration.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: A dataset is wrong; the field says which one.
    """
    return ConfiguredDatasets(read_tables(document, "datasets", Dataset))
