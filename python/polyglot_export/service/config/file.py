"""The configuration file of the service: what is offered, to whom, and who is told."""

from __future__ import annotations

import tomllib
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from polyglot_export.access.configured import load_datasets
from polyglot_export.access.exposure import Exposure
from polyglot_export.access.issuers import Issuer, load_issuers
from polyglot_export.access.keys import Keys, load_keys
from polyglot_export.access.rights import Rights
from polyglot_export.access.schema import ExposedTables
from polyglot_export.errors import SpecError
from polyglot_export.fields import within
from polyglot_export.service.config.destinations import Destinations, load_destinations
from polyglot_export.service.webhooks.configured import Webhook, load_webhooks
from polyglot_export.text.install import install_hint

__all__ = ["DEFAULT_CONFIG", "Configuration", "load_configuration", "read_configuration"]

DEFAULT_CONFIG = Path("polyglot.toml")
_TABLES = ("datasets", "keys", "issuers", "destinations", "webhooks")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What may be read, by whom, and where the service may send files and messages."""

    exposure: Exposure
    keys: Keys
    destinations: Destinations = field(default_factory=Destinations)
    path: Path | None = None
    """The file that says so; ``None`` where there is none."""
    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    """Who may be told of the ends of runs."""
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    """Whose tokens are taken."""

    @property
    def guarded(self) -> bool:
        """Whether callers are asked who they are."""
        return bool(self.keys or self.issuers)

    def holders(self) -> dict[str, Rights]:
        """By its place in the file, what each caller may do; of tokens, what is the same for all."""
        found = {f"keys.{name}": key.rights for name, key in self.keys.items()}
        return found | {f"issuers.{name}": issuer.known_rights() for name, issuer in self.issuers.items()}


def load_configuration(path: Path | None) -> Configuration:
    """Read the configuration file.

    Args:
        path: The file; ``None`` means ``polyglot.toml`` in the current folder, if it exists.

    Returns:
        Its datasets, keys and webhooks. Without a file, or with one that has neither datasets nor keys, the tables of
        schema ``public``.

    Raises:
        SpecError: It cannot be read, or something in it is wrong; the field is the file and the place in it.
    """
    if path is None and not DEFAULT_CONFIG.exists():
        return Configuration(ExposedTables.public(), Keys())
    path = path or DEFAULT_CONFIG
    document = _read_toml(path)
    try:
        return read_configuration(document, path)
    except SpecError as error:
        where = str(path) if error.field is None else f"{path}: {error.field}"
        raise SpecError(where, error.reason) from None


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(str(path), f"cannot be read: {error.strerror or error}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(str(path), f"is not TOML: {error}") from None


def read_configuration(document: Mapping[str, Any], path: Path | None = None) -> Configuration:
    """A configuration from what a file has.

    Args:
        document: The file, parsed.
        path: The file, if there is one.

    Raises:
        SpecError: Something in it is wrong; the field is the place in it.
    """
    for name in sorted(set(document) - set(_TABLES)):
        raise SpecError(None, f"unknown table {name!r}; allowed are {', '.join(_TABLES)}")
    keys, issuers = load_keys(document), load_issuers(document)
    destinations, webhooks = load_destinations(document), load_webhooks(document)
    _check_modules(issuers)
    if not document.keys() & {"datasets", "keys", "issuers"}:
        return Configuration(ExposedTables.public(), keys, destinations, path, webhooks)
    # With keys nothing is offered that the file does not name.
    datasets = load_datasets(document)
    configuration = Configuration(datasets, keys, destinations, path, webhooks, issuers)
    for place, rights in configuration.holders().items():
        with within(place):
            rights.check(datasets)
            _check_names("destinations", rights.destinations, destinations)
            _check_names("webhooks", rights.webhooks, webhooks)
    for name in keys:
        # The exports of the holders of its tokens belong to such names.
        if name.partition(":")[0] in issuers and ":" in name:
            raise SpecError(f"keys.{name}", f"begins as the callers of issuers.{name.partition(':')[0]} do")
    return configuration


def _check_modules(issuers: Mapping[str, Issuer]) -> None:
    if issuers and find_spec("joserfc") is None:
        raise SpecError("issuers", f"tokens need the package joserfc; {install_hint('jwt')}")


def _check_names(field: str, given: tuple[str, ...], known: Container[str]) -> None:
    """A name that is misspelt is an error now, not at the first request."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise SpecError(field, f"there is no {field.removesuffix('s')} {unknown!r} in this file")
