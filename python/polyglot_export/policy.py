"""What may be exported: the one place that turns a dataset's name into something the planner reads.

Three kinds of exposure:

* :data:`EVERYTHING`: library and command line. PostgreSQL's own rights of the login decide, and SQL queries are allowed.
* :meth:`ExposedTables.public`: a service without configuration offers the tables of one schema.
* :class:`ConfiguredDatasets`: ``polyglot.toml`` (``configured.py``) names each dataset with its table or query and its columns.

Names from a request never become SQL: :mod:`polyglot_export.planner.relation` finds the relation in the catalogue and
writes the catalogue's name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polyglot_export.errors import SpecError, UnknownDataset

if TYPE_CHECKING:
    from polyglot_export.configured import Dataset
    from polyglot_export.spec import ExportSpec

__all__ = [
    "EVERYTHING",
    "ConfiguredDatasets",
    "ExposedTables",
    "Exposure",
    "QuerySource",
    "TableSource",
]


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table, view, materialized view, partitioned or foreign table that may be read."""

    name: str
    """``table`` or ``schema.table``; how it is matched with the catalogue is told in ``planner/relation.py``."""
    schema: str | None = None
    """The only schema it may be in; ``name`` then is the bare name in it, taken literally."""
    columns: tuple[str, ...] | None = None
    """The only columns that may be read; ``None`` for all."""
    views: bool | None = True
    """Whether it may be a view. ``None``: only for a login without rights beyond its own tables, since the functions in
    a view that someone else wrote run with the rights of our login."""
    title: str = ""
    """The dataset's name for people and manifests; the relation's own where empty."""


@dataclass(frozen=True, slots=True)
class QuerySource:
    """One SQL query, written by whoever configured the service or runs the command."""

    query: str
    columns: tuple[str, ...] | None = None
    title: str = "query"


class Exposure(ABC):
    """What may be read."""

    allows_queries: bool = False
    """Whether a request may bring its own SQL."""

    @abstractmethod
    def resolve(self, name: str) -> TableSource | QuerySource:
        """The source that a dataset's name stands for.

        Raises:
            UnknownDataset: There is none, or it is not exposed; the two are not told apart.
        """

    def source_of(self, spec: ExportSpec) -> TableSource | QuerySource:
        """The source of an export.

        Raises:
            SpecError: Neither dataset nor query is given, or a query where none is allowed.
            UnknownDataset: As in :meth:`resolve`.
        """
        if spec.query is not None:
            if not self.allows_queries:
                raise SpecError("query: SQL is not taken here; name a dataset", field="query")
            return QuerySource(spec.query)
        if spec.dataset is None:
            raise SpecError("dataset: name the table, view or dataset to export", field="dataset")
        return self.resolve(spec.dataset)


class _Everything(Exposure):
    allows_queries = True

    def resolve(self, name: str) -> TableSource:
        return TableSource(name)


EVERYTHING: Exposure = _Everything()
"""All that the database login may read."""


@dataclass(frozen=True)
class ExposedTables(Exposure):
    """The relations of one schema."""

    schema: str
    views: bool | None = None
    """As in :attr:`TableSource.views`."""

    @classmethod
    def public(cls) -> ExposedTables:
        """Schema ``public``: tables, and views where the login is not a privileged one."""
        return cls("public")

    def resolve(self, name: str) -> TableSource:
        """A bare name, or one with the schema in front."""
        bare = name.removeprefix(f"{self.schema}.")
        return TableSource(bare, schema=self.schema, views=self.views, title=name)


class ConfiguredDatasets(Exposure):
    """Named datasets and nothing else."""

    def __init__(self, datasets: Mapping[str, Dataset]) -> None:
        self.datasets: Mapping[str, Dataset] = dict(datasets)

    def resolve(self, name: str) -> TableSource | QuerySource:
        """A configured name, exactly as it is written there."""
        dataset = self.datasets.get(name)
        if dataset is None:
            raise UnknownDataset(f"dataset: there is no dataset {name!r}", field="dataset")
        return dataset.source(name)
