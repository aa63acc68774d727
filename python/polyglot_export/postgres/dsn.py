"""Connection strings: what libpq understands, what other tools write, and what a person got wrong.

libpq reads a string without knowing what was meant. A password with an ``@`` in it becomes a part of the host, and the
error is about a host that nobody has. Here that is told as it is, and never with the password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict

from polyglot_export.errors import ConnectionFailed

__all__ = ["HIDDEN", "hide_passwords", "passwords_of", "read_dsn"]

HIDDEN = "***"
"""In place of a password, whatever its length."""

# Patterns are compiled when they are needed, which is for most of them after an error only; re keeps them then.
_DRIVER = r"(?i)^(?:jdbc:)?(postgres(?:ql)?)(?:\+\w+)?://"
"""The scheme as libpq writes it, and with what SQLAlchemy (``+psycopg2``) and JDBC (``jdbc:``) add to it."""
_SCHEME = r"([A-Za-z][\w+.-]*(?::[a-z]+)?)://"
# What libpq says about a connection string may quote any part of it, the password too; these sentences quote only
# names.
_QUOTES_ONLY_NAMES = r"invalid connection option|invalid URI query parameter: |extra key/value separator"
_PARAMETER = r'invalid URI query parameter: "([^"]*)"'
_IN_URL = r"(?<=://)([^:/?#@\s]*):([^/?#\s]*)@"
_IN_WORDS = r"(?i)\b(password|passwd|pwd|sslpassword)(\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&'\"]+)"

_SCHEMA = "leave it out, and name tables with their schema, as sales.orders"
_POOL = "leave it out; it is about another program's pool of connections"
_ADVICE: Mapping[str, str] = {
    # Prisma
    "schema": _SCHEMA,
    "connection_limit": _POOL,
    "pool_timeout": _POOL,
    "pgbouncer": _POOL,
    "socket_timeout": _POOL,
    "statement_cache_size": _POOL,
    "sslaccept": "write sslmode=require, or sslmode=verify-full to check the certificate",
    "sslidentity": "write sslcert=… and sslkey=…",
    # JDBC
    "currentschema": _SCHEMA,
    "applicationname": "leave it out; sessions are named polyglot",
    "logintimeout": "write connect_timeout=…",
    "sockettimeout": "leave it out",
    "preparethreshold": _POOL,
    # asyncpg and others
    "ssl": "write sslmode=require",
    "sslmod": "write sslmode=…",
}
"""What to write for a parameter that other tools put into a URL; names in lower case."""


def read_dsn(dsn: str | None) -> dict[str, str]:
    """The parameters of a connection string; none for ``None`` or the empty string.

    The URLs of SQLAlchemy (``postgresql+psycopg2://…``) and JDBC (``jdbc:postgresql://…``) mean what they mean there.

    Raises:
        ConnectionFailed: It cannot be read; the sentence says what to write, and quotes nothing that may be a password.
    """
    text = re.sub(_DRIVER, r"\1://", dsn or "", count=1)
    problem = _misread(text)
    if problem is not None:
        raise _wrong(problem)
    try:
        given = conninfo_to_dict(text)
    except UnicodeEncodeError:
        raise _wrong("it has characters that are not text") from None
    except psycopg.Error as error:
        raise _wrong(_reason(" ".join(str(error).split()))) from None
    return {name: str(value) for name, value in given.items() if value is not None}


def hide_passwords(text: str) -> str:
    """A text without what stands where a connection string has its password.

    Only the place tells: a password that is also the name of a user or a part of a word stays there, because a gap
    would show what the password is.
    """
    text = re.sub(_IN_URL, rf"\1:{HIDDEN}@", text)
    return re.sub(_IN_WORDS, rf"\1\2{HIDDEN}", text)


def passwords_of(text: str) -> set[str]:
    """What stands in a text where a connection string has its password."""
    words = {match[3].strip("'") for match in re.finditer(_IN_WORDS, text)}
    return words | {match[2] for match in re.finditer(_IN_URL, text)}


def _wrong(reason: str | None) -> ConnectionFailed:
    must = "it must be a postgresql:// URI or a list of key=value pairs"
    return ConnectionFailed(
        f"cannot read the connection string: {must}{'' if reason is None else f': {reason}'}", field="dsn"
    )


def _misread(text: str) -> str | None:
    """What libpq would read as something else than what was meant."""
    scheme = re.match(_SCHEME, text)
    if scheme is None:
        return None
    if scheme[1] not in {"postgres", "postgresql"}:
        return f"{scheme[1]}:// is not a URI of PostgreSQL"
    rest = text[scheme.end() :]
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    behind = rest[len(authority) :]
    # An @ behind the first one begins the host only where it names a socket (@name).
    user, at, host = authority.partition("@")
    if at and "@" in host[1:]:
        return "in the password (or the user) write @ as %40"
    port = user.partition(":")[2]
    if not at and "@" in behind.partition("?")[0] and port and not re.fullmatch(r"[\d,]*", port):
        return "in the password write / as %2F, ? as %3F and @ as %40"
    if at and re.search(r"%(?![0-9A-Fa-f]{2})", user):
        return "in the user or the password write % as %25"
    if at and any(letter.isspace() for letter in user):
        return "in the user or the password write a space as %20"
    return None


def _reason(text: str) -> str | None:
    """What libpq says, if it quotes no value; for a parameter of another tool, with what to write instead."""
    if not re.match(_QUOTES_ONLY_NAMES, text):
        return None
    parameter = re.match(_PARAMETER, text)
    advice = _ADVICE.get(parameter[1].lower()) if parameter is not None else None
    return text if advice is None else f"{text}: {advice}"
