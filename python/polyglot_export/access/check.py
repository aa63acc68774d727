"""Whether what a configuration offers is there: every dataset, every column, every key's part of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import psycopg

from polyglot_export.access.catalog import Dataset, describe_dataset, list_datasets
from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.exposure import Exposure
from polyglot_export.access.keys import Keys
from polyglot_export.errors import ConnectionLost, PolyglotError
from polyglot_export.text.sizes import counted

__all__ = ["Finding", "check_exposure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found about one thing."""

    about: str
    """``dataset``, ``key`` and the like."""
    name: str | None
    """Which one; ``None`` where there is only one."""
    problem: str | None
    """Why it cannot run, in one sentence; ``None`` where it can."""
    note: str = ""
    """What is worth to know of one that can."""

    def __str__(self) -> str:
        subject = f"{self.about} {self.name}" if self.name is not None else self.about
        text = self.problem or self.note
        return f"{subject}: {text}" if text else subject


def check_exposure(connection: psycopg.Connection, exposure: Exposure, keys: Keys) -> Iterator[Finding]:
    """Compare a configuration with the database. No table is read, and no lock is waited for.

    Args:
        connection: In autocommit mode.
        exposure: What is offered.
        keys: Who may read which part of it.

    Raises:
        ConnectionLost: The database went away meanwhile.
    """
    if not isinstance(exposure, ConfiguredDatasets):
        found = list_datasets(connection, exposure)
        yield Finding("datasets", None, None, f"{counted(len(found), 'table')} and views of the schema")
        return
    described: dict[str, Dataset | None] = {}
    for name in exposure.datasets:
        finding, described[name] = _dataset(connection, exposure, name)
        yield finding
    for name, key in keys.items():
        offered = key.datasets if key.datasets is not None else tuple(exposure.datasets)
        problems = [
            f"of dataset {dataset!r} it names the column {column!r}, which does not exist; there are {_names(known)}"
            for dataset, columns in key.columns.items()
            if (known := described.get(dataset)) is not None
            for column in columns
            if column not in {each.name for each in known.columns}
        ]
        yield Finding("key", name, problems[0] if problems else None, counted(len(offered), "dataset"))


def _dataset(connection: psycopg.Connection, exposure: ConfiguredDatasets, name: str) -> tuple[Finding, Dataset | None]:
    """What is found about a dataset, and the dataset with every column that it could offer."""
    configured = exposure.datasets[name]
    whole = ConfiguredDatasets({name: replace(configured, columns=None)})
    try:
        dataset = describe_dataset(connection, whole, name)
    except ConnectionLost:
        raise
    except PolyglotError as error:
        place = "query" if configured.query is not None else f"table {configured.table!r}"
        return Finding("dataset", name, f"{place}: {getattr(error, 'reason', error.message)}"), None
    names = {column.name for column in dataset.columns}
    missing = next((column for column in configured.columns or () if column not in names), None)
    if missing is not None:
        return Finding("dataset", name, f"there is no column {missing!r}; there are {_names(dataset)}"), dataset
    offered = configured.columns if configured.columns is not None else names
    return Finding("dataset", name, None, f"{dataset.kind} with {counted(len(offered), 'column')}"), dataset


def _names(dataset: Dataset) -> str:
    return ", ".join(column.name for column in dataset.columns)
