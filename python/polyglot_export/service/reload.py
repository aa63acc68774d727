"""Reading the configuration file again while the service runs: who may ask, what is offered, who is told."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from polyglot_export.errors import SpecError
from polyglot_export.service.audit.events import ConfigurationRefused, ConfigurationReloaded
from polyglot_export.service.audit.log import AuditLog
from polyglot_export.service.callers import Callers
from polyglot_export.service.checks import ConfigurationCheck
from polyglot_export.service.config.file import DEFAULT_CONFIG, Configuration, load_configuration
from polyglot_export.service.logs import event
from polyglot_export.service.role_logins import check_roles
from polyglot_export.service.sockets import check_binding
from polyglot_export.service.webhooks.receivers import Receivers

__all__ = ["Reloaded", "Reloader"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

ARRIVAL_SECONDS = 300.0
"""How long a replica waits for the file that another one has read: kubelet looks at ConfigMaps about once a minute."""
LOOK_SECONDS = 1.0
"""Between two looks at the file meanwhile."""


class Part(Protocol[T]):
    """Something that is read again beside the configuration file."""

    def read(self, configuration: Configuration) -> T:
        """Read it, without any effect.

        Args:
            configuration: That is to hold from then on.

        Raises:
            SpecError: It is wrong; then nothing at all is applied.
        """

    def apply(self, read: T) -> None:
        """Take what was read."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of it."""

    begun: float
    """When the file was begun to be read, by ``time.monotonic``."""
    reason: str | None
    """Why the configuration before stays in force; ``None`` where the new one is."""
    keys: int = 0
    """How many the new one has."""
    path: Path | None = None
    """The file that was read."""


class Reloader:
    """Applies a changed configuration file to the running service, or leaves everything as it is."""

    def __init__(
        self,
        callers: Callers,
        receivers: Receivers,
        first: Configuration,
        host: str,
        check: ConfigurationCheck,
        audit: AuditLog,
    ) -> None:
        """Set up.

        Args:
            callers: Who is told.
            receivers: The webhooks, which are told too.
            first: What was read at the start. A file that was there then is never taken for missing later, which would
                offer everything; and the memory was counted with the stores and the issuers that it names.
            host: Where the service listens: without keys that must be this machine alone.
            check: Looks at what is applied, and tells what of it cannot run.
            audit: Opened anew at each reload, and told what came of it.
        """
        self._audit = audit
        self._callers = callers
        self._receivers = receivers
        self._path: Path | None = first.path
        self._schemes = first.destinations.schemes()
        self._tokens = bool(first.issuers)
        self._host = host
        self._check = check
        self._turn = asyncio.Lock()
        self._digest = ""
        """Of the file when it was read again last, right or wrong."""
        self._awaited = ""
        """That of the file that another replica has read last."""
        self._parts: list[Part[Any]] = []
        self.on_reload: list[Callable[[Reloaded], None]] = []
        """Told of each time, as soon as the configuration is in force or refused."""

    def add(self, part: Part[Any]) -> None:
        """Let something else be read again too. All is applied, or nothing is."""
        self._parts.append(part)

    async def reload(self, announce: Callable[[str], None] | None = None) -> None:
        """Read the file. Exports that run go on with the rights that they began with; all later calls have the new
        ones. A file that is wrong changes nothing, and the log says why.

        Args:
            announce: Lets the other replicas follow; it gets the digest of the file.
        """
        configuration = await self._take()
        if announce is not None:
            announce(self._digest)
        if configuration is not None:
            await self._check.run(configuration)

    async def follow(self, digest: str) -> None:
        """Read the file, since another replica has read its own. Where the one that is seen here is still another (a
        ConfigMap reaches one node after the other), it is waited for.

        Args:
            digest: Of the file of the other replica.
        """
        self._awaited = digest
        end = time.monotonic() + ARRIVAL_SECONDS
        async with asyncio.TaskGroup() as checks:
            await self._take_and_check(checks)
            if self._digest != digest:
                event(_log, logging.WARNING, "another replica has read another configuration", config=self._path)
            while self._digest != digest == self._awaited and time.monotonic() < end:
                await asyncio.sleep(LOOK_SECONDS)
                if await asyncio.to_thread(self._digest_of_file) != self._digest:
                    await self._take_and_check(checks)

    async def _take_and_check(self, checks: asyncio.TaskGroup) -> None:
        if (configuration := await self._take()) is not None:
            checks.create_task(self._check.run(configuration))

    async def _take(self) -> Configuration | None:
        """Read the file and apply it; ``None`` where it is wrong."""
        self._audit.reopen()
        async with self._turn:
            begun = time.monotonic()
            try:
                # Before the file is read: what comes between is read again.
                self._digest = await asyncio.to_thread(self._digest_of_file)
                configuration, read = await asyncio.to_thread(self._read)
            except SpecError as error:
                event(_log, logging.ERROR, "configuration not reloaded, the one before stays", reason=str(error))
                await self._audit.tell(ConfigurationRefused(reason=str(error)))
                self._tell(Reloaded(begun, str(error)))
                return None
            self._path = self._path or configuration.path
            self._callers.apply(
                configuration.keys,
                configuration.exposure,
                configuration.destinations,
                configuration.webhooks,
                configuration.issuers,
            )
            self._receivers.apply(configuration.webhooks)
            for part, found in zip(self._parts, read, strict=True):
                part.apply(found)
            event(_log, logging.INFO, "configuration reloaded", keys=len(configuration.keys), config=configuration.path)
            await self._audit.tell(
                ConfigurationReloaded(keys=tuple(configuration.keys), issuers=tuple(configuration.issuers))
            )
            self._tell(Reloaded(begun, None, len(configuration.keys), configuration.path))
            return configuration

    def _digest_of_file(self) -> str:
        try:
            return hashlib.sha256((self._path or DEFAULT_CONFIG).read_bytes()).hexdigest()
        except OSError:
            return ""

    def _tell(self, reloaded: Reloaded) -> None:
        for told in self.on_reload:
            told(reloaded)

    def _read(self) -> tuple[Configuration, list[Any]]:
        configuration = load_configuration(self._path)
        check_binding(self._host, guarded=configuration.guarded)
        check_roles(configuration, self._check.dsn)
        if new := sorted(configuration.destinations.schemes() - self._schemes):
            reason = f"the first one of {new[0]}:// needs a restart: what it works with is not in the memory yet"
            raise SpecError("destinations", reason)
        if configuration.issuers and not self._tokens:
            raise SpecError("issuers", "the first one needs a restart: what verifies tokens is not in the memory yet")
        return configuration, [part.read(configuration) for part in self._parts]
