"""The ``[datasets.…]`` tables of ``polyglot.toml``: names with their table or query."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from polyglot_export.access.exposure import Exposure
from polyglot_export.errors import SpecError, UnknownDataset
from polyglot_export.sources.query import QuerySource
from polyglot_export.sources.table import TableSource

__all__ = ["ConfiguredDatasets", "Dataset", "load_datasets"]


class Dataset(BaseModel):
    """One ``[datasets.NAME]`` table of ``polyglot.toml``: ``table`` or ``query``, and optionally its ``columns``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Annotated[str, Field(min_length=1)] | None = None
    query: Annotated[str, Field(min_length=1)] | None = None
    columns: Annotated[tuple[str, ...], Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Dataset:
        if (self.table is None) == (self.query is None):
            raise ValueError("give either table or query")
        return self

    def source(self, name: str) -> TableSource | QuerySource:
        """What the planner reads for it."""
        if self.query is not None:
            return QuerySource(self.query, self.columns, name)
        return TableSource(self.table or "", columns=self.columns, title=name)


_DATASETS = TypeAdapter(dict[Annotated[str, Field(min_length=1)], Dataset])


def load_datasets(source: Path | Mapping[str, Any]) -> ConfiguredDatasets:
    """Read the ``[datasets.…]`` tables of a configuration.

    Args:
        source: The path of ``polyglot.toml``, or its content already parsed. Other tables of it are not looked at.

    Raises:
        SpecError: The file cannot be read, is not TOML, or a dataset in it is wrong; the sentence says where.
    """
    where = str(source) if isinstance(source, Path) else "configuration"
    if isinstance(source, Path):
        try:
            content: Mapping[str, Any] = tomllib.loads(source.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SpecError(None, f"{where}: {error}") from None
    else:
        content = source
    try:
        return ConfiguredDatasets(_DATASETS.validate_python(content.get("datasets", {})))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(["datasets", *(str(part) for part in first["loc"])])
        raise SpecError(None, f"{where}: {path}: {str(first['msg']).removeprefix('Value error, ')}") from None


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
