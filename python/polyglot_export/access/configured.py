"""The ``[datasets.…]`` tables of a configuration: names with their table or query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polyglot_export.access.exposure import Exposure
from polyglot_export.access.parameters import Parameter, bind, check_names, read_parameters
from polyglot_export.access.row_condition import RowCondition
from polyglot_export.access.tables import read_tables
from polyglot_export.errors import InternalError, SpecError, UnknownDataset
from polyglot_export.fields import Record
from polyglot_export.sources.base import Source
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec, FilterTerm
    from polyglot_export.request.sql_text import SqlText

__all__ = ["ConfiguredDatasets", "Dataset", "load_datasets"]


@dataclass(frozen=True, slots=True)
class Dataset(Record):
    """One ``[datasets.NAME]`` table: ``table`` or ``query``, and optionally the ``columns`` that may be read."""

    table: str | None = field(default=None, metadata={"min_length": 1})
    """A table or view, with its schema."""
    query: str | None = field(default=None, metadata={"min_length": 1})
    """SQL that runs as it is written here; ``:name`` stands for a parameter, where there are any."""
    columns: tuple[str, ...] | None = field(default=None, metadata={"min_length": 1})
    """The only columns that are offered, in this order."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict, metadata={"read": read_parameters})
    """By name, what a request gives for the ``:name`` of the query: the type, or type, default, nullable, comment."""

    def _check(self) -> None:
        if (self.table is None) == (self.query is None):
            raise SpecError(None, "give either table or query")
        if self.parameters and self.query is None:
            raise SpecError("parameters", "are for a query")
        check_names(self.query or "", self.parameters)

    def source(
        self,
        name: str,
        rows: tuple[FilterTerm | RowCondition, ...] = (),
        given: Mapping[str, Any] | None = None,
        masks: Mapping[str, str] | None = None,
    ) -> Source:
        """What the planner reads for it.

        Args:
            name: Of the dataset.
            rows: What every row must fulfil.
            given: Values of its parameters; ``None`` to leave all of them null, for a look at its columns.
            masks: By column, what stands in its place.

        Raises:
            SpecError: The values do not fit the parameters.
            InternalError: A parameter of a condition has no value.
        """
        terms = tuple(each for each in rows if not isinstance(each, RowCondition))
        condition = _condition([each for each in rows if isinstance(each, RowCondition)])
        masked = tuple((masks or {}).items())
        if self.query is not None:
            if not self.parameters and not given:
                return QuerySource(self.query, self.columns, name, terms, condition, masks=masked)
            bound = bind(self.query, self.parameters, given)
            return QuerySource(
                bound.text,
                self.columns,
                name,
                terms,
                condition,
                parameters=bound.values,
                casts=bound.casts,
                proof=bound.proof,
                masks=masked,
            )
        if given:
            bind("", {}, given)
        return TableSource(
            self.table or "", columns=self.columns, title=name, rows=terms, condition=condition, masks=masked
        )


def _condition(conditions: Sequence[RowCondition]) -> SqlText | None:
    """There is at most one of a dataset."""
    try:
        return conditions[0].composed() if conditions else None
    except SpecError as error:
        raise InternalError(f"the rows that a caller may read: {error}") from None


class ConfiguredDatasets(Exposure):
    """Named datasets and nothing else."""

    has_parameters = True

    def __init__(
        self,
        datasets: Mapping[str, Dataset],
        rows: Mapping[str, tuple[FilterTerm | RowCondition, ...]] | None = None,
        masks: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Set up.

        Args:
            datasets: By name.
            rows: By name, what every row must fulfil; all rows of those that are not in it may be read.
            masks: By name and column, what stands in the place of a column.
        """
        self.datasets: Mapping[str, Dataset] = dict(datasets)
        self._rows = dict(rows or {})
        self._masks = dict(masks or {})

    def resolve(self, name: str) -> Source:
        """A configured name, exactly as it is written there."""
        return self._read(name)

    def source_of(self, spec: ExportSpec) -> Source:
        """A configured name, with the values of the spec for its parameters."""
        source = super().source_of(spec)
        name = spec.dataset or ""
        dataset = self._named(name)
        if not dataset.parameters and not spec.parameters:
            return source
        return self._read(name, spec.parameters or {})

    def parameters_of(self, name: str) -> Mapping[str, Parameter]:
        """The parameters of a dataset."""
        return self._named(name).parameters

    def _read(self, name: str, given: Mapping[str, Any] | None = None) -> Source:
        """With the rows and the masks of whoever reads: there is no other way to a source."""
        return self._named(name).source(name, self._rows.get(name, ()), given, self._masks.get(name))

    def _named(self, name: str) -> Dataset:
        dataset = self.datasets.get(name)
        if dataset is None:
            raise UnknownDataset("dataset", f"there is no dataset {name!r}")
        return dataset


def load_datasets(document: Mapping[str, Any]) -> ConfiguredDatasets:
    """Read the ``[datasets.…]`` tables of a configuration.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: A dataset is wrong; the field says which one.
    """
    return ConfiguredDatasets(read_tables(document, "datasets", Dataset))
