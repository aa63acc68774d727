"""One source that a Python caller brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polyglot_export.access.exposure import Exposure
from polyglot_export.errors import UnknownDataset
from polyglot_export.sources.base import Source

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec
    from polyglot_export.sources.query import QuerySource
    from polyglot_export.sources.table import TableSource

__all__ = ["GivenSource"]


class GivenSource(Exposure):
    """It and nothing else, whatever a spec names."""

    allows_queries = True

    def __init__(self, source: TableSource | QuerySource) -> None:
        """Set up with the source; it has no condition where a spec has one."""
        self._source = source

    def resolve(self, name: str) -> Source:
        """None: there are no names."""
        raise UnknownDataset("dataset", f"there is no dataset {name!r}")

    def source_of(self, spec: ExportSpec) -> Source:
        """The source, with the condition of the spec."""
        return self._source if spec.sql_where is None else self._source._replace(condition=spec.sql_where)
