"""The files that TLS needs, read and checked as a whole: what is wrong with one of them is a sentence that names it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from polyglot_export.errors import SpecError
from polyglot_export.service.tls.context import server_context, trust_clients

__all__ = ["Material", "TlsFiles"]

T = TypeVar("T")

CERT, KEY, PASSWORD, CLIENT_CA = (
    "POLYGLOT_TLS_CERT",
    "POLYGLOT_TLS_KEY",
    "POLYGLOT_TLS_KEY_PASSWORD",
    "POLYGLOT_TLS_CLIENT_CA",
)
MOST_BYTES = 4 << 20
"""Of one file: a bundle of all public authorities has a quarter of it."""


@dataclass(frozen=True, slots=True)
class Material:
    """What was read, ready for new connections."""

    context: ssl.SSLContext
    expires: datetime
    """When the first certificate of the chain does."""
    client_ca: bytes | None
    """The file of the clients' authorities; ``None`` where clients are not asked for certificates."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the files are; they may be replaced while the service runs, and are read again when it reloads."""

    cert: Path
    key: Path
    password: str | None = field(default=None, repr=False)
    client_ca: Path | None = None
    client_required: bool = False

    def read(self) -> Material:
        """Read all of them.

        Raises:
            SpecError: One cannot be read or is not what it must be, or they do not belong together.
        """
        chain = self._chain()
        self._check_pair(chain[0])
        context = server_context()
        try:
            context.load_cert_chain(self.cert, self.key, lambda: self.password or "")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise SpecError(CERT, f"{self.cert} cannot be used with {self.key}: {reason}") from None
        authorities = None
        if self.client_ca is not None:
            authorities = _read(CLIENT_CA, self.client_ca)
            _parsed(CLIENT_CA, self.client_ca, "certificates", lambda: x509.load_pem_x509_certificates(authorities))
            try:
                lists = b"-----BEGIN X509 CRL-----" in authorities
                trust_clients(context, self.client_ca, lists=lists, required=self.client_required)
            except (OSError, ValueError) as error:
                raise SpecError(CLIENT_CA, f"{self.client_ca} cannot be used: {error}") from None
        return Material(context, min(each.not_valid_after_utc for each in chain), authorities)

    def _chain(self) -> list[x509.Certificate]:
        pem = _read(CERT, self.cert)
        chain = _parsed(CERT, self.cert, "certificates", lambda: x509.load_pem_x509_certificates(pem))
        begins = chain[0].not_valid_before_utc
        if begins > datetime.now(UTC):
            raise SpecError(CERT, f"the certificate in {self.cert} holds from {begins:%Y-%m-%d %H:%M} UTC on, not yet")
        return chain

    def _check_pair(self, leaf: x509.Certificate) -> None:
        pem = _read(KEY, self.key)
        if b"ENCRYPTED" in pem and self.password is None:
            raise SpecError(KEY, f"{self.key} is encrypted; {PASSWORD} has its password")
        # A password for a key that has none is no mistake: it may be left over from the key before.
        password = self.password.encode() if self.password is not None and b"ENCRYPTED" in pem else None
        try:
            key = _parsed(KEY, self.key, "private key", lambda: load_pem_private_key(pem, password))
        except SpecError:
            if password is not None:
                raise SpecError(PASSWORD, f"is not the password of {self.key}, or that is damaged") from None
            raise
        if _public(key) != _public(leaf):
            raise SpecError(KEY, f"{self.key} is not the key of the first certificate in {self.cert}")


def _read(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SpecError(name, f"{path} cannot be read: {error.strerror or error}") from None
    if len(found) > MOST_BYTES:
        raise SpecError(name, f"{path} has more than {MOST_BYTES >> 20} MB")
    return found


def _parsed(name: str, path: Path, what: str, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SpecError(name, f"{path} has no {what} in PEM, or they are damaged") from None


def _public(owner: x509.Certificate | PrivateKeyTypes) -> bytes:
    key: PublicKeyTypes = owner.public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
