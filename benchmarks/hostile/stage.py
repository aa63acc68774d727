"""What attacks are run against: the service with keys, and tables that are large, locked or slow to read."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.confined import ConfinedService, confined_service
from benchmarks.hostile.redis import redis_server
from benchmarks.hostile.target import Attack
from polyglot_export.access.keys import hash_key
from polyglot_export.testing.records import fill_records

__all__ = ["GROUP_BYTES", "ROWS", "Stage", "add_tables", "configuration", "fill", "staged"]

ROWS = 200_000
"""Of ``records``: 40 MB as csv, more than the buffers between the service and a client that does not read."""
GROUP_BYTES = 256 << 20
CONFIGURATION = """
[datasets.records]
table = "public.records"

[datasets.locked]
table = "public.locked"

[datasets.slow]
query = "select id, name, pg_sleep(0.05)::text as slept from records"
"""


@dataclass(frozen=True)
class Stage:
    """What an attack is run against.

    Attributes:
        service: The one that is attacked, and that the honest clients use.
        others: Further replicas.
        dsn: The database.
        keys: Of two honest clients.
        attacker: The attacker's key.
    """

    service: ConfinedService
    others: tuple[ConfinedService, ...]
    dsn: str
    keys: tuple[str, str]
    attacker: str

    @property
    def services(self) -> tuple[ConfinedService, ...]:
        """All processes."""
        return (self.service, *self.others)


def fill(dsn: str, rows: int = ROWS) -> None:
    """The tables that the attacks are about."""
    fill_records(dsn, rows, lambda _: None)
    add_tables(dsn)


def add_tables(dsn: str) -> None:
    """Those beside ``records``, which is there."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE locked AS SELECT * FROM records WHERE id <= 1000")
        connection.execute("ANALYZE locked")


def configuration(keys: Mapping[str, str]) -> str:
    """The configuration file of a service under attack, with these keys by their names."""
    return CONFIGURATION + "".join(f'\n[keys.{name}]\nhash = "{hash_key(key)}"\n' for name, key in keys.items())


@contextmanager
def staged(dsn: str, attack: Attack) -> Iterator[Stage]:
    """The services for an attack.

    Raises:
        NoGroup: No group can be made.
        NoRedis: There is no Redis.
        RuntimeError: The service did not start or stop.
    """
    names = ("one", "two", "attacker")
    keys = {name: secrets.token_urlsafe(16) for name in names}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="polyglot-hostile-")))
        config = folder / "polyglot.toml"
        config.write_text(configuration(keys))
        settings: dict[str, object] = {"config": config}
        if attack.redis:
            settings |= {"redis_url": stack.enter_context(redis_server()), "spool_dir": folder / "spool"}
        services = [
            stack.enter_context(confined_service(dsn, GROUP_BYTES, settings, attack.descriptors))
            for _ in range(2 if attack.redis else 1)
        ]
        yield Stage(services[0], tuple(services[1:]), dsn, (keys["one"], keys["two"]), keys["attacker"])
