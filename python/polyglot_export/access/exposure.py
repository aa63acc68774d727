"""What may be exported: the one place that turns a dataset's name into something the planner reads.

Three kinds of exposure:

* :data:`EVERYTHING`: library and command line. PostgreSQL's own rights of the login decide, and SQL queries are
  allowed.
* :meth:`ExposedTables.public`: a service without configuration offers the tables of one schema.
* :class:`ConfiguredDatasets`: ``polyglot.toml`` (``access/configured.py``) names each dataset with its table or query
  and its columns.

Names from a request never become SQL: :mod:`polyglot_export.postgres.catalogue.relations` finds the relation in the
catalogue and writes the catalogue's name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from polyglot_export.errors import SpecError
from polyglot_export.request.spec import REST
from polyglot_export.request.sql_text import SqlText
from polyglot_export.sources.base import RelationName, Source
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyglot_export.access.parameters import Parameter
    from polyglot_export.request.spec import ExportSpec


__all__ = ["EVERYTHING", "Exposure"]


MEANING_DIGITS = 32
"""Hexadecimal, of a digest that is kept with what was exported: nobody makes two queries on purpose that share it."""


class Exposure(ABC):
    """What may be read."""

    allows_queries: bool = False
    """Whether a request may bring its own SQL."""
    has_parameters: bool = False
    """Whether what it offers may have parameters."""

    @abstractmethod
    def resolve(self, name: str) -> Source:
        """The source that a dataset's name stands for.

        Raises:
            UnknownDataset: There is none, or it is not exposed; the two are not told apart.
        """

    def source_of(self, spec: ExportSpec) -> Source:
        """The source of an export.

        Raises:
            SpecError: Neither dataset nor query is given, or SQL where none is allowed.
            UnknownDataset: As in :meth:`resolve`.
        """
        if spec.sql_where is not None and not self.allows_queries:
            raise SpecError("sqlWhere", "SQL is not taken here; give a filter")
        if isinstance(spec.split_values, SqlText) and not self.allows_queries:
            raise SpecError("splitValues", "SQL is not taken here; name a column")
        if spec.parameters and spec.query is None and not self.has_parameters:
            what = "a query" if self.allows_queries else "a configured dataset that has some"
            raise SpecError("parameters", f"are for {what}")
        if spec.query is not None:
            if not self.allows_queries:
                raise SpecError("query", "SQL is not taken here; name a dataset")
            return QuerySource(spec.query, condition=spec.sql_where)
        if spec.dataset is None:
            raise SpecError("dataset", "name the table, view or dataset to export")
        return self.resolve(spec.dataset)

    def parameters_of(self, name: str) -> Mapping[str, Parameter]:  # noqa: ARG002 - of those that have some
        """The parameters of a dataset, by name."""
        return {}

    def meaning_of(self, spec: ExportSpec) -> str:
        """A digest of what the dataset of an export stands for: its table, or its query with the values of its
        parameters. (Columns, rows and masks are compared by themselves.)

        Raises:
            SpecError: As in :meth:`source_of`.
        """
        # Only the service asks, and a command starts without libcrypto.
        import hashlib

        reads = self.source_of(spec).reads
        stands_for = (reads.schema, reads.name) if isinstance(reads, RelationName) else (reads.text, reads.parameters)
        return hashlib.sha256(repr(stands_for).encode()).hexdigest()[:MEANING_DIGITS]

    def covers(self, spec: ExportSpec, offered: tuple[str, ...] | None) -> bool:
        """Whether the file of an export that was made under another exposure may be read under this one.

        Args:
            spec: What was exported.
            offered: The columns that were offered then, which are in the file where the spec names none; ``None`` for
                all that the source had.
        """
        try:
            allowed = self.source_of(spec).columns
        except SpecError:
            return False
        if allowed is None:
            return True
        chosen = tuple(choice.source for choice in spec.columns) if spec.columns is not None else (REST,)
        exported: tuple[str, ...] | None = chosen
        if REST in chosen:
            exported = None if offered is None else (*offered, *(name for name in chosen if name != REST))
        told = {term.column for term in spec.filter} | {term.column for term in spec.order_by}
        # The order of the rows tells of it.
        told |= {spec.split_column} if spec.split_column is not None else set()
        return exported is not None and told.union(exported) <= set(allowed)


class _Everything(Exposure):
    allows_queries = True

    def resolve(self, name: str) -> TableSource:
        return TableSource(name)

    def source_of(self, spec: ExportSpec) -> Source:
        source = super().source_of(spec)
        if isinstance(source, TableSource):
            return source._replace(condition=spec.sql_where)
        if spec.parameters is None or not isinstance(source, QuerySource):
            return source
        from polyglot_export.access.parameters import bind_untyped

        bound = bind_untyped(source.query, spec.parameters)
        return source._replace(query=bound.text, parameters=bound.values, proof=bound.proof)


EVERYTHING: Exposure = _Everything()
"""All that the database login may read."""
