"""What new connections speak, and how it changes while the service runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from polyglot_export.errors import SpecError
from polyglot_export.service.logs import event
from polyglot_export.service.tls.layer import Above, TlsLayer
from polyglot_export.service.tls.turns import Turns

if TYPE_CHECKING:
    from polyglot_export.service.tls.files import Material, TlsFiles

__all__ = ["LiveTls"]

WARNED_BEFORE = timedelta(days=14)
"""Time before its end at which a certificate is warned of."""

_log = logging.getLogger(__name__)


class LiveTls:
    """The certificate and the clients' authorities that hold now. Connections keep those that they began with."""

    def __init__(self, files: TlsFiles, retire: Callable[[], None]) -> None:
        """Read the files.

        Args:
            files: Where they are.
            retire: Ends the connections of clients that have shown a certificate.

        Raises:
            SpecError: They cannot be used.
        """
        self._files = files
        self._material = files.read()
        self._retire = retire
        self._turns = Turns()
        self._tell()

    @property
    def asks_clients(self) -> bool:
        """Whether clients may show a certificate."""
        return self._material.client_ca is not None

    @property
    def expires(self) -> datetime:
        """When the certificate does, or the first of its chain."""
        return self._material.expires

    def expiry(self) -> float:
        """The same in Unix time."""
        return self.expires.timestamp()

    def layer(self, above: Above, plain_answer: bytes, seconds: float) -> TlsLayer:
        """TLS for a new connection (:class:`TlsLayer`)."""
        return TlsLayer(self._material.context, above, self._turns, plain_answer, seconds)

    def read(self) -> Material:
        """Read the files anew, without any effect.

        Raises:
            SpecError: They cannot be used; or the certificate has expired, and the one before has not.
        """
        material = self._files.read()
        if material.expires <= datetime.now(UTC) < self.expires:
            raise SpecError("POLYGLOT_TLS_CERT", f"{self._files.cert} expired on {_day(material.expires)}")
        return material

    def apply(self, material: Material) -> None:
        """Use it for new connections. Where the clients' authorities are others, nobody goes on whom the former ones
        vouched for.
        """
        changed = material.client_ca != self._material.client_ca
        self._material = material
        self._tell()
        if changed:
            self._retire()

    def _tell(self) -> None:
        left = self.expires - datetime.now(UTC)
        if left <= timedelta(0):
            event(_log, logging.ERROR, "the certificate has expired", file=self._files.cert, on=_day(self.expires))
        elif left < WARNED_BEFORE:
            event(_log, logging.WARNING, "the certificate expires soon", file=self._files.cert, on=_day(self.expires))


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"
