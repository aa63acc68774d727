"""Resolved parameters of one server."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServerParameters"]


@dataclass(frozen=True, slots=True, repr=False)
class ServerParameters:
    """Resolved parameters of one server; nothing is left to look up in the environment."""

    host: str
    """A name or address, or for a unix socket the directory that holds it (starts with ``/``)."""
    port: int
    user: str
    dbname: str
    password: str | None = None
    hostaddr: str | None = None
    sslmode: str = "prefer"
    sslrootcert: str | None = None
    sslcert: str | None = None
    sslkey: str | None = None
    sslnegotiation: str = "postgres"
    channel_binding: str = "prefer"
    connect_timeout: float | None = None
    """Seconds."""
    application_name: str = "polyglot"
    options: str | None = None

    def __repr__(self) -> str:
        """Without the password, so that no log or traceback holds it."""
        return f"ServerParameters(host={self.host!r}, port={self.port}, user={self.user!r}, dbname={self.dbname!r})"
