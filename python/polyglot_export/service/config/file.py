"""The configuration file of the service."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyglot_export.access.configured import ConfiguredDatasets, load_datasets
from polyglot_export.access.exposure import Exposure
from polyglot_export.access.schema import ExposedTables
from polyglot_export.errors import SpecError
from polyglot_export.service.http.auth import Key, Keys

__all__ = ["DEFAULT_CONFIG", "Configuration", "load_configuration"]

DEFAULT_CONFIG = Path("polyglot.toml")


_TABLES = frozenset({"datasets", "keys"})


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration file: who may read what."""

    exposure: Exposure
    keys: Keys
    path: Path | None = None


def load_configuration(path: Path | None) -> Configuration:
    """Read the configuration file.

    Args:
        path: The file; ``None`` means ``polyglot.toml`` in the current folder, if it exists.

    Returns:
        Its datasets and keys. Without a file, or with one that names neither, the tables of schema ``public``.

    Raises:
        SpecError: It cannot be read, or something in it is wrong; the sentence says where.
    """
    if path is None and not DEFAULT_CONFIG.exists():
        return Configuration(ExposedTables.public(), Keys(()))
    path = path or DEFAULT_CONFIG
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(None, f"{path}: {error}") from None
    try:
        return _configuration(document, path)
    except SpecError as error:
        raise SpecError(None, f"{path}: {error.message.removeprefix('configuration: ')}") from None


def _configuration(document: Mapping[str, Any], path: Path) -> Configuration:
    unknown = sorted(set(document) - _TABLES)
    if unknown:
        raise SpecError(None, f"unknown table {unknown[0]!r}; datasets and keys are allowed")
    keys = Keys.from_document(document)
    if not document:
        return Configuration(ExposedTables.public(), keys, path)
    # With keys nothing is offered that the file does not name.
    datasets = load_datasets(document)
    for key in keys:
        _check_scope(key, datasets)
    return Configuration(datasets, keys, path)


def _check_scope(key: Key, datasets: ConfiguredDatasets) -> None:
    """A key cannot read what is not offered: a name that is spelt wrong is said now, not at its first request."""
    where = f"keys.{key.name}"
    for name in sorted({*(key.datasets or ()), *key.columns}):
        if name not in datasets.datasets:
            raise SpecError(where, f"there is no dataset {name!r} in this file")
    for name, columns in key.columns.items():
        exposed = datasets.datasets[name].columns
        unknown = [column for column in columns if exposed is not None and column not in exposed]
        if unknown:
            raise SpecError(f"{where}.columns.{name}", f"the dataset does not offer the column {unknown[0]!r}")
