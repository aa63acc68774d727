"""The relations of one schema as datasets."""

from __future__ import annotations

from dataclasses import dataclass

from polyglot_export.access.exposure import Exposure
from polyglot_export.sources.table import TableSource

__all__ = ["ExposedTables"]


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
