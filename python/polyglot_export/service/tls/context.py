"""What is spoken: TLS 1.2 and 1.3, with forward secrecy and authenticated encryption alone.

As RFC 9325 (recommendations for TLS) has it; a test looks at it from outside as a scanner does.
"""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["server_context", "trust_clients"]

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
"""For TLS 1.2; all suites of TLS 1.3 are of that kind. Level 2 of OpenSSL refuses keys below 112 bits of security and
signatures with SHA-1."""
ALPN = ["http/1.1"]


def server_context() -> ssl.SSLContext:
    """A context without a certificate. Each has ticket keys of its own, so that no session outlives a reload."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(ALPN)
    return context


def trust_clients(context: ssl.SSLContext, authorities: Path, *, lists: bool, required: bool) -> None:
    """Ask clients for a certificate of these authorities.

    Args:
        context: Of the server.
        authorities: PEM file: certificates, of which each is trusted as it stands there, and lists of revoked ones.
        lists: Whether there are such lists (CRL); then each authority must have one.
        required: Whether a client without one is refused; else it is served like one where nobody asks.

    Raises:
        ssl.SSLError: OpenSSL does not take them.
    """
    context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    # An intermediate authority may be named without its root, so that only its clients are let in.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if lists:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    # By its path: of bytes, Python takes the certificates and leaves out the lists.
    context.load_verify_locations(cafile=authorities)
