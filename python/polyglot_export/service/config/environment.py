"""The service's settings: environment variables, validated once; ``docs/reference/settings.md`` lists each one.

What may be exported and who may ask is not here but in the configuration file (``POLYGLOT_CONFIG``, ``polyglot.toml``).
Only ``polyglot serve`` imports this module: pydantic-settings is part of the ``serve`` extra.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from polyglot_export.errors import SpecError
from polyglot_export.limits import DATABASE_SECONDS
from polyglot_export.service.validation import reason_of
from polyglot_export.text.networks import Network, read_networks
from polyglot_export.text.sizes import parse_size
from polyglot_export.text.times import parse_seconds

__all__ = ["ServiceSettings", "parse_size"]

Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(gt=0, allow_inf_nan=False)]
DatabaseSeconds = Annotated[Seconds, Field(le=DATABASE_SECONDS)]


LINK_SECRET_LENGTH = 32
"""Characters: 128 bits, where they are hexadecimal digits."""


def _root_path(given: object) -> object:
    if isinstance(given, str) and given and not re.fullmatch(r"(/[\w.~%-]+)+/?", given, re.ASCII):
        raise ValueError("must be a path that begins with /, such as /reports")
    return given.rstrip("/") if isinstance(given, str) else given


def _origins(given: object) -> object:
    if not isinstance(given, str):
        return given
    origins = given.replace(",", " ").lower().split()
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?", origin, re.ASCII):
            raise ValueError(f"must be origins such as https://app.example.com, without a path, or * (got {origin!r})")
    if "*" in origins and len(origins) > 1:
        raise ValueError("must be either * or origins; * has all of them")
    return " ".join(dict.fromkeys(_without_default_port(origin) for origin in origins))


def _public_url(given: object) -> object:
    if isinstance(given, str) and not re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w.~%-]+)*/?", given, re.ASCII):
        raise ValueError("must be an address such as https://exports.example.com, without a query")
    return given.rstrip("/") if isinstance(given, str) else given


def _link_secret(given: object) -> object:
    if isinstance(given, str) and any(len(each) < LINK_SECRET_LENGTH for each in given.split() or ("",)):
        raise ValueError(
            f"must be one or two secrets of {LINK_SECRET_LENGTH} characters at least, such as those of "
            "openssl rand -hex 32, with a space between"
        )
    return given


def _without_default_port(origin: str) -> str:
    """As browsers write it (RFC 6454, section 6.1)."""
    default = ":443" if origin.startswith("https:") else ":80"
    return origin.removesuffix(default)


SIZES = (
    "database_url",
    "workers",
    "max_connections",
    "max_clients",
    "request_memory",
    "memory_limit",
    "row_limit",
    "rate_limit",
    "spool_limit",
)
"""What a service for one person takes from the environment: the database, and how large things may get."""


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
    tls_cert: Path | None = Field(None, validation_alias="POLYGLOT_TLS_CERT")
    """PEM file of the certificate and the chain above it: HTTPS is spoken and nothing else. Read again on reload."""
    tls_key: Path | None = Field(None, validation_alias="POLYGLOT_TLS_KEY")
    """PEM file of its private key."""
    tls_key_password: str | None = Field(None, validation_alias="POLYGLOT_TLS_KEY_PASSWORD", repr=False)
    """The password of that file, if it is encrypted."""
    tls_client_ca: Path | None = Field(None, validation_alias="POLYGLOT_TLS_CLIENT_CA")
    """PEM file of the authorities whose certificates clients may show in place of a key, and of lists of revoked ones;
    without it no client is asked for one. Read again on reload."""
    tls_client_auth: Literal["optional", "required"] = Field("optional", validation_alias="POLYGLOT_TLS_CLIENT_AUTH")
    """``required`` refuses the connection of a client without such a certificate, probes included."""
    tls_hsts: Seconds | None = Field(None, validation_alias="POLYGLOT_TLS_HSTS")
    """Seconds for which browsers use nothing but HTTPS for this host (``Strict-Transport-Security``); without it they
    are not told."""
    cors_origins: Annotated[str, BeforeValidator(_origins)] = Field("", validation_alias="POLYGLOT_CORS_ORIGINS")
    """Origins of web pages whose scripts may use the service, such as ``https://app.example.com``, with a comma or
    space between; ``*`` is every page that has a key."""
    root_path: Annotated[str, BeforeValidator(_root_path)] = Field("", validation_alias="POLYGLOT_ROOT_PATH")
    """The path that a proxy in front takes off, such as ``/reports``: ``Location`` and the API description have it in
    front of theirs."""
    page: Literal["on", "off"] = Field("on", validation_alias="POLYGLOT_PAGE")
    """Whether ``/`` is the page on which people choose, preview and take exports."""
    public_url: Annotated[str | None, BeforeValidator(_public_url)] = Field(
        None, validation_alias="POLYGLOT_PUBLIC_URL"
    )
    """What clients call the service, such as ``https://exports.example.com/reports``: links begin with it. Without it
    they are paths on the host that was asked."""
    link_secret: Annotated[str | None, BeforeValidator(_link_secret)] = Field(
        None, validation_alias="POLYGLOT_LINK_SECRET", repr=False
    )
    """What links are signed with, 32 characters at least, the same for all replicas. Of two with a space between the
    first one signs and both hold. Without it a service that is alone makes up one for each start."""
    db_cursor_batch_size: str | None = Field(None, validation_alias="DB_CURSOR_BATCH_SIZE")
    """Read for compatibility and not used: no cursor is opened. A log line at the start says so."""
    config: Path | None = Field(None, validation_alias="POLYGLOT_CONFIG")
    """The configuration file: datasets and keys. Without it ``polyglot.toml`` in the current folder is read if it
    exists."""
    default_dataset: str = Field("records", validation_alias="POLYGLOT_DEFAULT_DATASET", min_length=1)
    """The dataset of a request that names none."""
    workers: int | None = Field(None, validation_alias="POLYGLOT_WORKERS", ge=1, le=64)
    """Connections and threads of one export; without it the number of CPUs that the process may use, at most four."""
    max_connections: int = Field(10, validation_alias="POLYGLOT_MAX_CONNECTIONS", ge=1)
    """Connections that the workers of all running exports may have together; each export has one more for its leader. A
    quarter of what the server allows its users is never exceeded."""
    max_clients: int | None = Field(None, validation_alias="POLYGLOT_MAX_CLIENTS", ge=1)
    """Connections that clients may have open; without it one for each 256 kB of the memory, and fewer than the
    descriptors of the process."""
    request_memory: Size | None = Field(None, validation_alias="POLYGLOT_REQUEST_MEMORY")
    """Bytes, or with kB, MB, GB, that the requests of all clients may hold together, beside what exports reserve;
    without it one part in 32 of the memory."""
    rate_limit: Size | None = Field(None, validation_alias="POLYGLOT_RATE_LIMIT")
    """Bytes a second, or with kB, MB, GB, that one export is read at most; without it there is no limit."""
    memory_limit: Size | None = Field(None, validation_alias="POLYGLOT_MEMORY_LIMIT")
    """Memory the whole process may use, in bytes or with kB, MB, GB; without it the limit of the cgroup, else 256
    MB."""
    row_limit: Size = Field(16 << 20, validation_alias="POLYGLOT_ROW_LIMIT")
    """Largest row that is exported, in bytes or with kB, MB, GB; an export of a source that may hold such rows reserves
    room for one."""
    queue_timeout: Seconds = Field(10.0, validation_alias="POLYGLOT_QUEUE_TIMEOUT")
    """Seconds that a download waits for its share of the memory before it is answered 503."""
    slow_client_timeout: Seconds = Field(45.0, validation_alias="POLYGLOT_SLOW_CLIENT_TIMEOUT")
    """Seconds over which a client's rate is measured; one that is below the least rate holds a snapshot of the database
    open for too long and is cut off."""
    min_rate: Annotated[int, BeforeValidator(parse_size), Field(ge=0)] = Field(
        1 << 10, validation_alias="POLYGLOT_MIN_RATE"
    )
    """Bytes a second, or with kB, MB, GB, that a client must take on average while an export waits for it; with 0 any
    byte will do."""
    max_duration: Seconds = Field(86_400.0, validation_alias="POLYGLOT_MAX_DURATION")
    """Seconds that a run may take from its request to its last byte, the time in the queue included."""
    statement_timeout: DatabaseSeconds | None = Field(None, validation_alias="POLYGLOT_STATEMENT_TIMEOUT")
    """Seconds that the database may work on one statement of an export (one segment, or a whole query); without it
    there is no limit."""
    lock_timeout: DatabaseSeconds = Field(30.0, validation_alias="POLYGLOT_LOCK_TIMEOUT")
    """Seconds that an export waits for a table that another session has locked before it is answered 504."""
    shutdown_grace: Seconds = Field(10.0, validation_alias="POLYGLOT_SHUTDOWN_GRACE")
    """Seconds that running downloads get to end after SIGTERM before they are cut and marked as failed."""
    max_body: Size = Field(1 << 20, validation_alias="POLYGLOT_MAX_BODY")
    """Largest body of a request, in bytes or with kB, MB, GB."""
    job_retention: Seconds = Field(86_400.0, validation_alias="POLYGLOT_JOB_RETENTION")
    """Seconds after its last activity at which a job expires."""
    max_jobs: int = Field(1_000, validation_alias="POLYGLOT_MAX_JOBS", ge=1)
    """Jobs that are kept; beyond it the oldest that are not running are forgotten."""
    spool_dir: Path | None = Field(None, validation_alias="POLYGLOT_SPOOL_DIR")
    """Directory of prepared files, which the replicas of a service share; without it a private one below the system's
    temporary directory."""
    spool_limit: Size = Field(10 << 30, validation_alias="POLYGLOT_SPOOL_LIMIT")
    """Bytes that prepared files may take together, those being written included; in bytes or with kB, MB, GB."""
    file_attempts: int = Field(3, validation_alias="POLYGLOT_FILE_ATTEMPTS", ge=1)
    """Times that a file is begun to be prepared, when replicas that did it went away before the end."""
    file_queue: int = Field(100, validation_alias="POLYGLOT_FILE_QUEUE", ge=1)
    """Files that may wait to be prepared; with several keys one of them has at most half of it. A request beyond it is
    answered 503."""
    redis_url: str | None = Field(None, validation_alias="POLYGLOT_REDIS_URL", repr=False)
    """Redis or Valkey (6.2 or later) that keeps the jobs for several replicas: ``redis://``, ``rediss://`` or
    ``unix://``; without it they are kept in the memory of this process."""
    redis_prefix: str = Field("polyglot:", validation_alias="POLYGLOT_REDIS_PREFIX")
    """Before the name of every key in Redis; the replicas of one service have the same, different services different
    ones."""
    benchmark_rows: int = Field(1_000_000, validation_alias="POLYGLOT_BENCHMARK_ROWS", ge=1)
    """Most rows that one run of GET /exports/benchmark reads of the default dataset."""
    metrics_public: bool = Field(False, validation_alias="POLYGLOT_METRICS_PUBLIC")
    """Whether ``GET /metrics`` is answered without a key where keys are configured."""
    audit_log: str | None = Field(None, validation_alias="POLYGLOT_AUDIT_LOG", min_length=1)
    """The audit log: a file, or ``-`` for standard output. Without it there is none."""
    audit_values: bool = Field(False, validation_alias="POLYGLOT_AUDIT_VALUES")
    """Whether the audit log has the values of filters, and not only of which kind they are."""
    audit_fsync: bool = Field(False, validation_alias="POLYGLOT_AUDIT_FSYNC")
    """Whether a line of the audit log counts as written only when the disk has it."""
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(read_networks)] = Field(
        (), validation_alias="POLYGLOT_TRUSTED_PROXIES"
    )
    """Networks of proxies whose ``X-Forwarded-For`` is believed, with commas: ``10.0.0.0/8,::1``."""
    end_revoked: bool = Field(False, validation_alias="POLYGLOT_END_REVOKED")
    """Whether what runs of a caller is ended when its key is revoked or expires: downloads, streams of events, and what
    runs in the background. Otherwise it goes on to its end."""
    pid_file: Path | None = Field(None, validation_alias="POLYGLOT_PID_FILE")
    """A file for the number of the process, by which ``polyglot reload`` finds it; without it there is none."""
    log_format: Literal["text", "json"] = Field("text", validation_alias="POLYGLOT_LOG_FORMAT")
    """``text`` writes key=value lines, ``json`` one object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", validation_alias="POLYGLOT_LOG_LEVEL")
    """The least important lines that are written."""

    @classmethod
    def for_one(cls, **overrides: Any) -> ServiceSettings:
        """Those of a service for one person on its own machine: of the environment nothing but :data:`SIZES`, since the
        rest may be meant for a service that others use.

        Raises:
            SpecError: As :meth:`load`.
        """
        variables = {name: os.environ.get(str(cls.model_fields[name].validation_alias)) or None for name in SIZES}
        return _Given.load(**variables | {name: value for name, value in overrides.items() if value is not None})

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
            raise SpecError(name, reason_of(first)) from None


class _Given(ServiceSettings):
    """Those that are given, and no environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings calls it so
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the keyword arguments."""
        return (init_settings,)


def _environment_name(settings: type[ServiceSettings], field: str) -> str:
    info = settings.model_fields.get(field)
    return str(info.validation_alias) if info is not None else field
