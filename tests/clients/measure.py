"""Runs clients, and says which of them saw a cut.

    tests/clients/install.sh all
    python -m tests.clients.measure                        everything, about half an hour
    python -m tests.clients.measure --client curl          some; the other rows stay as they are

It writes measured.json, of which ``python -m tests.faults.table`` makes the page.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from polyglot_export.testing.postgres import EmbeddedServer
from tests.clients.catalog import CLIENTS
from tests.clients.outcome import Connection
from tests.clients.programs import Client, version_of
from tests.clients.site import FORMATS, PATHS, Site, fill, opened, way
from tests.clients.table import MEASURED, measured

__all__ = ["PARALLEL", "Seen", "trials"]


PARALLEL = 3
"""Clients that run at the same time; most of the time they wait."""


@dataclass
class Seen:
    """What one client made of one way to the service.

    Attributes:
        cuts: Number of exports that were cut.
        unseen: Those that the client took for whole, as "format connection".
        wholes: Number of exports that were not cut.
        refused: Those that the client reported as broken, or did not get byte for byte.
    """

    cuts: int = 0
    unseen: list[str] = field(default_factory=list)
    wholes: int = 0
    refused: list[str] = field(default_factory=list)


def trials(
    client: Client,
    site: Site,
    formats: Sequence[str] = tuple(FORMATS),
    connections: Sequence[Connection] = tuple(Connection),
) -> Seen:
    """Let a client download exports that are cut and exports that are whole."""
    kinds = _kinds(formats, [connection for connection in connections if connection in client.connections])
    made = [site.task(name, connection, cut=cut) for name, connection, cut in kinds]
    outcomes = client.run([task for _, task in made])
    seen = Seen()
    for (name, connection, cut), (export_id, _), outcome in zip(kinds, made, outcomes, strict=True):
        label = f"{name} {connection.value}"
        if cut:
            site.check_cut(export_id)
            seen.cuts += 1
            if outcome.error is None:
                seen.unseen.append(label)
        else:
            seen.wholes += 1
            if not site.is_whole(name, outcome, exact=not client.text):
                seen.refused.append(label)
    return seen


def _kinds(formats: Sequence[str], connections: Sequence[Connection]) -> list[tuple[str, Connection, bool]]:
    """Format, connection, and whether it is cut.

    A cut takes the connection with it, so that the next download needs a fresh one: those on fresh connections are all
    cut, and at the end is one that is whole.
    """
    kinds = [(name, connection, True) for connection in connections for name in formats]
    if Connection.KEPT in connections:
        kinds += [(name, Connection.KEPT, False) for name in formats]
    return kinds + [(formats[0], connection, False) for connection in connections if connection is not Connection.KEPT]


@contextmanager
def _sites(ways: Sequence[str]) -> Iterator[dict[str, Site]]:
    with (
        EmbeddedServer() as server,
        tempfile.TemporaryDirectory(prefix="polyglot-clients-") as folder,
        ExitStack() as stack,
    ):
        fill(server.dsn())
        downloads = stack.enter_context(opened(server.dsn(), Path(folder)))
        yield {name: stack.enter_context(way(name, downloads)) for name in ways}


def _all(clients: Sequence[Client], ways: Sequence[str]) -> None:
    """Measure, and write each row as soon as it is known."""
    lock = threading.Lock()

    def row(client: Client) -> None:
        found = {name: trials(client, site) for name, site in sites.items()}
        version = client.version()
        with lock:
            print(f"{client.name} {version}: {_words(found)}", file=sys.stderr, flush=True)
            _keep(client.name, version, found)

    with _sites(ways) as sites, ThreadPoolExecutor(PARALLEL) as pool:
        for _ in pool.map(row, clients):
            pass


def _keep(name: str, version: str, found: dict[str, Seen]) -> None:
    document = measured()
    row = document["clients"].setdefault(name, {"ways": {}})
    row["version"] = version
    row["ways"] |= {where: vars(seen) for where, seen in found.items()}
    order = [client.name for client in CLIENTS]
    document["clients"] = {known: document["clients"][known] for known in order if known in document["clients"]}
    document["proxies"] |= {
        where: version_of([proxy.path, "version" if where == "caddy" else "-v"])
        for where in found
        if (proxy := PATHS[where]) is not None and proxy.path is not None
    }
    document["date"] = dt.datetime.now(dt.UTC).date().isoformat()
    MEASURED.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _words(found: dict[str, Seen]) -> str:
    return "; ".join(
        f"{name} {seen.cuts - len(seen.unseen)}/{seen.cuts}" + (f" broken {seen.refused}" if seen.refused else "")
        for name, seen in found.items()
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.clients.measure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--client", help="only those whose name has this")
    parser.add_argument("--path", choices=list(PATHS), action="append", help="only this way to the service")
    options = parser.parse_args(arguments)
    clients = [client for client in CLIENTS if options.client is None or options.client in client.name]
    _all(clients, options.path or list(PATHS))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
