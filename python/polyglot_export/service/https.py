"""Whether HTTPS is spoken: of the settings and the configuration, at the start and at each reload."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from polyglot_export.errors import SpecError
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import Configuration
from polyglot_export.service.tls.live import LiveTls

if TYPE_CHECKING:
    from polyglot_export.service.tls.files import Material, TlsFiles

__all__ = ["ReloadedTls", "open_tls"]

_NEED_A_CERTIFICATE = ("tls_key", "tls_key_password", "tls_client_ca", "tls_hsts")


def open_tls(settings: ServiceSettings, configuration: Configuration, retire: Callable[[], None]) -> LiveTls | None:
    """What the settings ask for; ``None`` for plain HTTP.

    Args:
        settings: Validated settings.
        configuration: What is offered, and to whom.
        retire: As :class:`LiveTls` takes it.

    Raises:
        SpecError: They do not fit together, or the files cannot be used.
    """
    tls = None
    if settings.tls_client_ca is None and settings.tls_client_auth == "required":
        raise SpecError("POLYGLOT_TLS_CLIENT_AUTH", "required needs POLYGLOT_TLS_CLIENT_CA")
    if settings.tls_cert is None:
        for field in _NEED_A_CERTIFICATE:
            if getattr(settings, field) is not None:
                raise SpecError(f"POLYGLOT_{field.upper()}", "is of no use without POLYGLOT_TLS_CERT")
    elif settings.tls_key is None:
        raise SpecError("POLYGLOT_TLS_KEY", "is missing; it names the file of the key of POLYGLOT_TLS_CERT")
    else:
        tls = LiveTls(_files(settings, settings.tls_cert, settings.tls_key), retire)
    _check_certificates(configuration, tls)
    return tls


class ReloadedTls:
    """The files, for :class:`~polyglot_export.service.reload.Reloader`."""

    def __init__(self, tls: LiveTls | None) -> None:
        self._tls = tls

    def read(self, configuration: Configuration) -> Material | None:
        """Read them anew.

        Raises:
            SpecError: They cannot be used, or the configuration names certificates that nobody is asked for.
        """
        _check_certificates(configuration, self._tls)
        return self._tls.read() if self._tls is not None else None

    def apply(self, read: Material | None) -> None:
        """Use them for new connections."""
        if self._tls is not None and read is not None:
            self._tls.apply(read)


def _check_certificates(configuration: Configuration, tls: LiveTls | None) -> None:
    if tls is not None and tls.asks_clients:
        return
    named = next((name for name, key in configuration.keys.items() if key.certificates), None)
    if named is not None:
        place = f"keys.{named}.certificates"
        raise SpecError(
            place if configuration.path is None else f"{configuration.path}: {place}",
            "no client is asked for a certificate without POLYGLOT_TLS_CLIENT_CA",
        )


def _files(settings: ServiceSettings, cert: Path, key: Path) -> TlsFiles:
    # Only now: cryptography takes memory that plain HTTP has for exports.
    from polyglot_export.service.tls.files import TlsFiles

    return TlsFiles(
        cert, key, settings.tls_key_password, settings.tls_client_ca, settings.tls_client_auth == "required"
    )
