"""Resolved parameters of one server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AUTHENTICATION_METHODS", "TLS_VERSIONS", "ServerParameters"]

AUTHENTICATION_METHODS = ("none", "password", "md5", "scram-sha-256")
"""What the workers can answer, by the words of ``require_auth``."""
TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")
"""What the workers can speak, oldest first, by the words of ``ssl_min_protocol_version``."""


@dataclass(frozen=True, slots=True, repr=False)
class ServerParameters:
    """Resolved parameters of one server; nothing is left to look up in the environment."""

    host: str
    """A name or address, or for a unix socket the directory that holds it (starts with ``/``, or with ``@`` in the
    abstract namespace)."""
    port: int
    user: str
    dbname: str
    password: str | None = None
    hostaddr: str | None = None
    sslmode: str = "prefer"
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslpassword: str | None = None
    sslcertmode: str = "allow"
    sslsni: bool = True
    tls_versions: tuple[str, ...] = TLS_VERSIONS
    """What ``ssl_min_protocol_version`` and ``ssl_max_protocol_version`` leave of :data:`TLS_VERSIONS`."""
    sslnegotiation: str = "postgres"
    channel_binding: str = "prefer"
    require_auth: tuple[str, ...] = AUTHENTICATION_METHODS
    """What ``require_auth`` leaves of :data:`AUTHENTICATION_METHODS`."""
    keepalives: bool = True
    keepalives_idle: int | None = None
    """Seconds; ``None`` leaves it to the system, as libpq's 0 does."""
    keepalives_interval: int | None = None
    keepalives_count: int | None = None
    tcp_user_timeout: int | None = None
    """Milliseconds."""
    connect_timeout: float | None = None
    """Seconds."""
    application_name: str = "polyglot"
    options: str | None = None

    def __repr__(self) -> str:
        """Without the passwords, so that no log or traceback holds them."""
        return f"ServerParameters(host={self.host!r}, port={self.port}, user={self.user!r}, dbname={self.dbname!r})"
