"""libpq's connection parameters as the workers keep them: each is honoured, or refused by name.

libpq makes the leader's connection and obeys every parameter; the workers have a protocol of their own. What they
cannot obey is an error: a parameter that guards a connection must not guard only one of two. The whole list is in
``docs/reference/connection.md``.
"""

from __future__ import annotations

from collections.abc import Mapping

from polyglot_export.errors import ConnectionFailed
from polyglot_export.postgres.parameters import AUTHENTICATION_METHODS, TLS_VERSIONS

__all__ = ["HONOURED", "REFUSED", "accepted_methods", "accepted_tls_versions", "refuse_unsupported"]

HONOURED = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "user", "password", "passfile", "service", "options"),
        *("connect_timeout", "target_session_attrs", "load_balance_hosts", "max_protocol_version"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"),
        *("sslmode", "sslnegotiation", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcertmode", "sslsni"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding", "require_auth"),
        # Without an effect in psql too (sslcompression), or always ours: the name in pg_stat_activity, and UTF8.
        *("sslcompression", "application_name", "fallback_application_name", "client_encoding"),
    }
)
"""What leader and workers obey."""

_GSSAPI = "GSSAPI is not supported"
_OAUTH = "OAuth is not supported"
_OFF = frozenset({"0", "false", "off", "no"})
REFUSED: Mapping[str, tuple[frozenset[str], str]] = {
    "replication": (_OFF, "rows are read by ordinary connections"),
    "requirepeer": (frozenset(), "the owner of a server's socket is not checked"),
    "sslcrl": (frozenset(), "lists of revoked certificates are not read"),
    "sslcrldir": (frozenset(), "lists of revoked certificates are not read"),
    "sslkeylogfile": (frozenset(), "keys of TLS are not written down"),
    "min_protocol_version": (frozenset({"3.0"}), "version 3.0 of the protocol is spoken"),
    "gssencmode": (frozenset({"disable", "prefer"}), _GSSAPI),
    "krbsrvname": (frozenset({"postgres"}), _GSSAPI),
    "gsslib": (frozenset(), _GSSAPI),
    "gssdelegation": (frozenset({"0"}), _GSSAPI),
    "scram_client_key": (frozenset(), "SCRAM needs the password"),
    "scram_server_key": (frozenset(), "SCRAM needs the password"),
    "oauth_issuer": (frozenset(), _OAUTH),
    "oauth_client_id": (frozenset(), _OAUTH),
    "oauth_client_secret": (frozenset(), _OAUTH),
    "oauth_scope": (frozenset(), _OAUTH),
}
"""What the workers cannot obey: the values that ask for nothing, and why any other is refused."""


def refuse_unsupported(values: Mapping[str, str]) -> None:
    """See that the workers can obey.

    Args:
        values: The parameters that are set, by libpq's names.

    Raises:
        ConnectionFailed: One cannot be obeyed; the message has its name and never its value.
    """
    for name, (harmless, reason) in REFUSED.items():
        value = values.get(name)
        if value and value not in harmless:
            raise ConnectionFailed(f"the connection parameter {name} cannot be obeyed: {reason}", field="dsn")


def accepted_methods(require_auth: str | None) -> tuple[str, ...]:
    """The methods that ``require_auth`` accepts, of those that the workers know.

    libpq's rule: a list of methods, or a list of ``!method`` that accepts all others (PostgreSQL manual, "Parameter Key
    Words"). libpq has refused anything else before.
    """
    words = [word.strip() for word in (require_auth or "").split(",") if word.strip()]
    if not words:
        return AUTHENTICATION_METHODS
    if words[0].startswith("!"):
        return tuple(method for method in AUTHENTICATION_METHODS if f"!{method}" not in words)
    return tuple(method for method in AUTHENTICATION_METHODS if method in words)


def accepted_tls_versions(least: str | None, most: str | None) -> tuple[str, ...]:
    """The versions between two of libpq's names for them (``TLSv1`` to ``TLSv1.3``, in any case)."""

    def number(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.lower().removeprefix("tlsv").split("."))

    def within(version: str) -> bool:
        return (not least or number(version) >= number(least)) and (not most or number(version) <= number(most))

    found = tuple(version for version in TLS_VERSIONS if within(version))
    if not found:
        known = " and ".join(TLS_VERSIONS)
        raise ConnectionFailed(
            f"no version of TLS from {least or 'the oldest'} to {most or 'the newest'} can be spoken; {known} can",
            field="dsn",
        )
    return found
