"""The service's settings: environment variables, validated once; ``docs/reference/settings.md`` lists each one.

What may be exported and who may ask is not here but in the configuration file (``POLYGLOT_CONFIG``, ``polyglot.toml``).
Only ``polyglot serve`` imports this module: pydantic-settings is part of the ``serve`` extra.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from polyglot_export.errors import SpecError

__all__ = ["ServiceSettings", "parse_size"]

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"(\d+)\s*([kmg]?)i?b?", re.IGNORECASE)


def parse_size(value: object) -> object:
    """``256MB``, ``256MiB``, ``256m`` or ``268435456`` as bytes; units are powers of two, as PostgreSQL reads them."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("must be a number of bytes, or a number with kB, MB or GB")
    return int(match[1]) * _UNITS[match[2].lower()]


Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ServiceSettings(BaseSettings):
    """Everything that ``polyglot serve`` reads from its environment.

    The names of the reference system (``DATABASE_URL``, ``PORT``, ``DB_CURSOR_BATCH_SIZE``) are kept; all others start
    with ``POLYGLOT_``. An empty variable counts as not set. Keyword arguments use the field names and win.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        case_sensitive=True,
        env_ignore_empty=True,
        validate_by_name=True,
        validate_by_alias=True,
    )

    database_url: str | None = Field(None, validation_alias="DATABASE_URL", repr=False)
    """Connection URI or key=value string of the database; without it libpq's ``PG*`` variables decide."""
    host: str = Field("127.0.0.1", validation_alias="HOST", min_length=1)
    """Address or name to listen on. Without keys in the configuration only loopback addresses are accepted."""
    port: int = Field(8080, validation_alias="PORT", ge=0, le=65535)
    """TCP port to listen on; 0 takes a free one and prints it."""
    db_cursor_batch_size: str | None = Field(None, validation_alias="DB_CURSOR_BATCH_SIZE")
    """Read for compatibility and not used: no cursor is opened. A log line at the start says so."""
    config: Path | None = Field(None, validation_alias="POLYGLOT_CONFIG")
    """The configuration file: datasets and keys. Without it ``polyglot.toml`` in the current folder is read if it exists."""
    default_dataset: str = Field("records", validation_alias="POLYGLOT_DEFAULT_DATASET", min_length=1)
    """The dataset of a request that names none."""
    workers: int | None = Field(None, validation_alias="POLYGLOT_WORKERS", ge=1, le=64)
    """Connections and threads of one export; without it the number of CPUs that the process may use, at most four."""
    memory_limit: Size | None = Field(None, validation_alias="POLYGLOT_MEMORY_LIMIT")
    """Memory the whole process may use, in bytes or with kB, MB, GB; without it the limit of the cgroup, else 256 MB."""
    row_limit: Size = Field(16 << 20, validation_alias="POLYGLOT_ROW_LIMIT")
    """Largest row that is exported, in bytes or with kB, MB, GB; every running export reserves this much once."""
    queue_timeout: Seconds = Field(10.0, validation_alias="POLYGLOT_QUEUE_TIMEOUT")
    """Seconds that a download waits for its share of the memory before it is answered 503."""
    slow_client_timeout: Seconds = Field(45.0, validation_alias="POLYGLOT_SLOW_CLIENT_TIMEOUT")
    """Seconds without one byte of progress after which a client is cut off; it holds a snapshot of the database open."""
    shutdown_grace: Seconds = Field(10.0, validation_alias="POLYGLOT_SHUTDOWN_GRACE")
    """Seconds that running downloads get to end after SIGTERM before they are cut and marked as failed."""
    max_body: Size = Field(1 << 20, validation_alias="POLYGLOT_MAX_BODY")
    """Largest body of a request, in bytes or with kB, MB, GB."""
    job_retention: Seconds = Field(86_400.0, validation_alias="POLYGLOT_JOB_RETENTION")
    """Seconds after its last activity at which a job expires."""
    max_jobs: int = Field(1_000, validation_alias="POLYGLOT_MAX_JOBS", ge=1)
    """Jobs that are kept; beyond it the oldest that are not running are forgotten."""
    benchmark_rows: int = Field(1_000_000, validation_alias="POLYGLOT_BENCHMARK_ROWS", ge=1)
    """Most rows that one run of GET /exports/benchmark reads of the default dataset."""
    log_format: Literal["text", "json"] = Field("text", validation_alias="POLYGLOT_LOG_FORMAT")
    """``text`` writes key=value lines, ``json`` one object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="POLYGLOT_LOG_LEVEL")
    """The least important lines that are written."""

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the environment; ``overrides`` (field names, ``None`` means not given) win over it.

        Raises:
            SpecError: One sentence that names the first wrong variable and what is allowed.
        """
        try:
            return cls(**{name: value for name, value in overrides.items() if value is not None})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            name = _environment_name(cls, str(first["loc"][0])) if first["loc"] else "settings"
            message = str(first["msg"]).removeprefix("Value error, ")
            raise SpecError(f"{name}: {message}", field=name) from None


def _environment_name(settings: type[ServiceSettings], field: str) -> str:
    info = settings.model_fields.get(field)
    return str(info.validation_alias) if info is not None else field
