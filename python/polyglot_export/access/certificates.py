"""The certificates of clients: by which names their holders are known, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from polyglot_export.errors import SpecError

__all__ = ["ClientCertificate", "certificate_of", "read_certificate", "read_certificate_names"]

_KINDS = {"uri": "URI", "dns": "DNS", "email": "email"}
"""The alternative names that are taken, as ``openssl x509 -text`` writes them."""
_FURTHER_ATTRIBUTES = {
    "emailAddress": "1.2.840.113549.1.9.1",
    "serialNumber": "2.5.4.5",
    "SN": "2.5.4.4",
    "GN": "2.5.4.42",
    "title": "2.5.4.12",
}
"""Attributes that OpenSSL prints by names which RFC 4514 (section 3) does not have."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What is asked of a certificate that TLS has verified."""

    names: frozenset[str]
    """Its subject and its alternative names, as :func:`read_certificate_names` gives those of a configuration."""
    expires: datetime
    """From when on it is worth nothing, also on a connection that was made before."""


def read_certificate(encoded: bytes) -> ClientCertificate:
    """A certificate from its DER, which TLS has verified. One whose names cannot be read has none."""
    from cryptography import x509

    names: set[str] = set()
    expires = datetime.min.replace(tzinfo=UTC)
    with contextlib.suppress(ValueError, x509.DuplicateExtension):
        certificate = x509.load_der_x509_certificate(encoded)
        expires = certificate.not_valid_after_utc
        names = {certificate.subject.rfc4514_string()} - {""}
        with contextlib.suppress(x509.ExtensionNotFound):
            extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names |= {f"URI:{name}" for name in extension.get_values_for_type(x509.UniformResourceIdentifier)}
            names |= {f"DNS:{name.lower()}" for name in extension.get_values_for_type(x509.DNSName)}
            names |= {f"email:{name}" for name in extension.get_values_for_type(x509.RFC822Name)}
    return ClientCertificate(frozenset(names), expires)


def certificate_of(transport: asyncio.Transport) -> ClientCertificate | None:
    """What the client of a connection has shown; ``None`` where it has shown none, or there is no TLS."""
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    encoded = tls.getpeercert(binary_form=True) if tls is not None else None
    return read_certificate(encoded) if encoded is not None else None


def read_certificate_names(given: object) -> tuple[str, ...]:
    """Names of a configuration, each in the one way of writing it.

    Raises:
        SpecError: One is neither the text of a subject (RFC 4514) nor an alternative name.
    """
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        raise SpecError(
            None, 'must be a list of names such as "CN=reports,O=Example" or "URI:spiffe://example/reports"'
        )
    return tuple(dict.fromkeys(map(_name, given)))


def _name(text: str) -> str:
    kind, separator, value = text.partition(":")
    if separator and value and kind.lower() in _KINDS:
        return f"{_KINDS[kind.lower()]}:{value.lower() if kind.lower() == 'dns' else value}"
    try:
        from cryptography import x509
    except ModuleNotFoundError:
        raise SpecError(None, "need cryptography, which the extra serve brings") from None

    overrides = {name: x509.ObjectIdentifier(dotted) for name, dotted in _FURTHER_ATTRIBUTES.items()}
    try:
        found = x509.Name.from_rfc4514_string(text, overrides).rfc4514_string()
    except ValueError:
        found = ""
    if not found:
        raise SpecError(
            None,
            f"{text!r} is no name of a certificate: write its subject as RFC 4514 does, the most special part first, "
            'such as "CN=reports,O=Example", or an alternative name after URI:, DNS: or email:',
        )
    return found
