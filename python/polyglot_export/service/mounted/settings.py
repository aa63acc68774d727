"""Which settings of the service an app may give, and where its datasets come from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.errors import SpecError
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import Configuration, load_configuration, read_configuration

__all__ = ["Config", "offered_by", "read_config", "read_settings"]

Config = str | os.PathLike[str] | Mapping[str, Any] | None
"""The path of a configuration file, or what would be in it."""

OF_THE_SERVER = (
    "host",
    "port",
    "root_path",
    "tls_cert",
    "tls_key",
    "tls_key_password",
    "tls_client_ca",
    "tls_client_auth",
    "tls_hsts",
    "cors_origins",
    "max_clients",
    "request_memory",
    "db_cursor_batch_size",
    "log_format",
    "log_level",
    "end_revoked",
    "pid_file",
)
"""Settings of ``polyglot serve`` alone: an app has a server, a log, a login and rules for browsers of its own."""


def read_settings(given: Mapping[str, Any]) -> ServiceSettings:
    """The settings: keywords, then the environment.

    Raises:
        SpecError: A value is wrong; or the setting is unknown, or only for ``polyglot serve``.
    """
    for name in given:
        if name in OF_THE_SERVER:
            raise SpecError(
                name,
                "is for polyglot serve; in an app it is a matter of its server, middleware, log and login",
            )
        if name not in ServiceSettings.model_fields or name == "config":
            allowed = sorted(set(ServiceSettings.model_fields) - {*OF_THE_SERVER, "config"})
            raise SpecError(name, f"there is no such setting; allowed are {', '.join(allowed)}")
    # Where the app lies is told by each request.
    return ServiceSettings.load(**given, root_path="")


def read_config(config: Config, settings: ServiceSettings) -> Configuration:
    """What is offered.

    Raises:
        SpecError: It cannot be read, or something in it is wrong.
    """
    if isinstance(config, Mapping):
        return read_configuration(config)
    return load_configuration(Path(config) if config is not None else settings.config)


def offered_by(configuration: Configuration) -> ConfiguredDatasets:
    """The datasets, which must be named: what a caller may read is told by their names.

    Raises:
        SpecError: There are none.
    """
    exposure = configuration.exposure
    if not isinstance(exposure, ConfiguredDatasets):
        where = "config" if configuration.path is None else str(configuration.path)
        raise SpecError(where, 'has no datasets; offer some, such as [datasets.orders] with table = "public.orders"')
    return exposure
