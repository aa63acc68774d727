"""The ``[webhooks.…]`` tables of a configuration: receivers by their names.

A URL may hold a secret in its path, as those of chat services do, and a secret is one: neither is ever part of a
message, of a ``repr`` or of a line of the log. The name stands for both.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from polyglot_export.access.tables import read_tables
from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, camel, within
from polyglot_export.text.times import parse_seconds

__all__ = ["Webhook", "load_webhooks"]

SECRET_PREFIX = "whsec_"  # noqa: S105 - what stands before a secret
SECRET_BYTES = range(24, 65)
"""As Standard Webhooks asks for (specification, "Signature scheme"): from 192 to 512 bits."""
MAX_SECRETS = 4
"""The one in use and those that are being replaced; each adds a signature to the header."""
MAX_SECRET_FILE = 4096
"""Bytes of a file with secrets; four of the longest take a tenth of it."""
MAX_URL = 2048
TIMEOUT = 15.0
"""Seconds for an attempt from its connection to the answer; Standard Webhooks recommends 15 to 30."""
MAX_TIMEOUT = 60.0
"""An attempt takes one of a few places."""
RETRY_DELAYS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Seconds before the second attempt, the third and so on: a restart of the receiver, and an outage of an hour."""
MAX_RETRIES = 10
MAX_DELAY = 86_400.0
"""A day: exports are not kept for longer."""

_URL_CHARACTERS = re.compile(r"[!-~]+")


def _url(given: object) -> SplitResult:
    """A URL to send to, split; without the given text in what is said of a wrong one."""
    if not isinstance(given, str) or not _URL_CHARACTERS.fullmatch(given) or len(given) > MAX_URL:
        raise SpecError(None, f"must be an http or https URL of at most {MAX_URL} visible ASCII characters")
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise SpecError(None, "is not a URL") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise SpecError(None, "must be an http or https URL with a host")
    if parts.username is not None or parts.password is not None:
        raise SpecError(None, "must not have a user name or password; messages are signed with the secret")
    if parts.fragment:
        raise SpecError(None, "must not have a fragment, which is never sent")
    return parts


def _secret(given: object) -> str | tuple[str, ...] | None:
    """A text or a list of texts; anything else is wrong and not shown."""
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, list | tuple) and given and all(isinstance(each, str) for each in given):
        return tuple(given)
    raise SpecError(None, "must be a string, or a list of strings that is not empty")


def _seconds(given: object) -> float:
    try:
        seconds = parse_seconds(given)
    except ValueError as error:
        raise SpecError(None, f"{error}") from None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds <= 0:
        raise SpecError(None, "must be a time above zero, such as 15 or '15s'")
    return float(seconds)


def _timeout(given: object) -> float:
    seconds = _seconds(given)
    if seconds > MAX_TIMEOUT:
        raise SpecError(None, f"must be at most {MAX_TIMEOUT:g} seconds")
    return seconds


def _delays(given: object) -> tuple[float, ...]:
    if not isinstance(given, list | tuple) or len(given) > MAX_RETRIES:
        raise SpecError(None, f"must be a list of at most {MAX_RETRIES} times")
    delays = []
    for index, each in enumerate(given):
        with within(str(index)):
            delays.append(_seconds(each))
            if delays[-1] > MAX_DELAY:
                raise SpecError(None, f"must be at most {MAX_DELAY:g} seconds")
    return tuple(delays)


@dataclass(frozen=True, slots=True)
class Webhook(Record):
    """One ``[webhooks.NAME]`` table: where messages go, and how they are signed."""

    url: SplitResult = field(repr=False, metadata={"read": _url})
    secret: str | tuple[str, ...] | None = field(default=None, repr=False, metadata={"read": _secret})
    """``whsec_`` and Base64, or several of them while one is replaced: the receiver takes a signature of any."""
    secret_env: str | None = field(default=None, metadata={"min_length": 1})
    """The environment variable that has the secret instead, or several with spaces between."""
    secret_file: str | None = field(default=None, metadata={"min_length": 1})
    """The file that has it, such as a mounted secret."""
    timeout: float = field(default=TIMEOUT, metadata={"read": _timeout})
    """Seconds for an attempt."""
    retry_delays: tuple[float, ...] = field(default=RETRY_DELAYS, metadata={"read": _delays})
    """Seconds before each further attempt; their number is that of the retries."""
    insecure: bool = False
    """Whether ``http://`` may lead off this machine, where others can read and change what is sent."""
    keys: tuple[bytes, ...] = field(
        default=(), init=False, repr=False, compare=False, metadata={"read": lambda given: given}
    )
    """What the messages are signed with, in the order of the secrets."""

    def __post_init__(self) -> None:
        try:
            Record.__post_init__(self)
        except SpecError as error:
            # The file has the names of Python; a reader looks for the name that is written there.
            first, separator, rest = (error.field or "").partition(".")
            first = next((name for name in self.members() if camel(name) == first), first)
            raise SpecError(f"{first}{separator}{rest}" or None, error.reason) from None

    @classmethod
    def _expand(cls, given: object) -> object:
        # What stands there instead of a table may be a secret, and is not shown.
        if not isinstance(given, Mapping):
            raise SpecError(None, "must be a table with the members url and secret")
        return given

    @classmethod
    def members(cls) -> dict[str, str]:
        """As written in the file, which has snake_case."""
        names = ("url", "secret", "secret_env", "secret_file", "timeout", "retry_delays", "insecure")
        return {name: name for name in names}

    def _check(self) -> None:
        if self.url.scheme == "http" and not self.insecure and not _is_loopback(self.url.hostname or ""):
            raise SpecError("url", "must be https, or http to this machine; insecure = true allows http to any")
        given = [name for name in ("secret", "secret_env", "secret_file") if getattr(self, name) is not None]
        if len(given) != 1:
            raise SpecError(None, "give one of secret, secret_env and secret_file")
        with within(given[0]):
            object.__setattr__(self, "keys", _keys(self._secrets()))

    def _secrets(self) -> tuple[str, ...]:
        if self.secret is not None:
            return (self.secret,) if isinstance(self.secret, str) else self.secret
        if self.secret_env is not None:
            if not os.environ.get(self.secret_env):
                raise SpecError(None, f"there is no environment variable {self.secret_env!r}")
            return tuple(os.environ[self.secret_env].split())
        try:
            with Path(self.secret_file or "").open("rb") as file:
                return tuple(file.read(MAX_SECRET_FILE).decode("ascii").split())
        except OSError as error:
            raise SpecError(None, f"cannot be read: {error.strerror or type(error).__name__}") from None
        except ValueError:
            raise SpecError(None, "is not a file of text") from None


def _keys(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    if not 1 <= len(secrets) <= MAX_SECRETS:
        raise SpecError(None, f"must have from 1 to {MAX_SECRETS} secrets (got {len(secrets)})")
    return tuple(_key(secret) for secret in secrets)


def _key(secret: str) -> bytes:
    expected = f"must be {SECRET_PREFIX} and the Base64 of {SECRET_BYTES[0]} to {SECRET_BYTES[-1]} bytes"
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SECRET_PREFIX) or len(key) not in SECRET_BYTES:
        raise SpecError(None, expected)
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def load_webhooks(document: Mapping[str, Any]) -> Mapping[str, Webhook]:
    """Read the ``[webhooks.…]`` tables of a configuration, and the variables and files that they name.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: An entry is wrong; the field says which one, and the sentence shows neither URL nor secret.
    """
    return read_tables(document, "webhooks", Webhook)
