"""Where the clients download from: a real service and database, straight and behind real proxies.

An export is cut by its own view: one of its rows ends the backend that reads it. So it breaks at the same row each time,
after the client has got a part, and needs nobody who watches for the moment.
"""

from __future__ import annotations

import hashlib
import tempfile
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.reverse_proxies import PROXIES, ReverseProxy, running
from tests.clients.outcome import Connection, Outcome, Task, Trust
from tests.fixtures.certificates import Authority
from tests.fixtures.process import Service, serve
from tests.service.client import create, job, wait_for

__all__ = ["DIRECT", "FORMATS", "PATHS", "TLS", "Downloads", "Site", "fill", "opened", "way"]

FORMATS: Mapping[str, Mapping[str, str]] = {
    "csv": {"format": "csv"},
    "csv.gz": {"format": "csv", "compression": "gzip"},
    "json": {"format": "json"},
    "parquet": {"format": "parquet"},
}
"""What an export is asked for, by the name in the table."""
DIRECT = "direct"
TLS = "direct, TLS"
_BY_NAME = {proxy.name: proxy for proxy in PROXIES}
PATHS: Mapping[str, ReverseProxy | None] = {
    DIRECT: None,
    TLS: None,
    "nginx": _BY_NAME["nginx, 1.1, `Via` set"],
    "haproxy": _BY_NAME["haproxy, `mode http`"],
    "caddy": _BY_NAME["caddy, `reverse_proxy`"],
}
"""Ways to the service, the proxies with the settings of the operations guide."""
ROWS = {"small": 3_000, "large": 22_000}
"""Of what is downloaded whole; a row has about 1 kB."""
CUT_ROWS = {"small": 2_000, "large": 20_000}
"""After which an export is cut: several chunks, for Parquet more than a row group of 16 MB."""
_SOURCE = """
CREATE TABLE source AS SELECT n, (SELECT string_agg(md5((n * m)::text), '' ORDER BY m) FROM generate_series(1, 28) AS m) AS text,
    md5(n::text) AS last FROM generate_series(1, {rows}) AS n
"""
_VIEW = "CREATE VIEW {name} AS SELECT n, text, {last} AS last FROM source WHERE n <= {rows}"
_CUT = """
-- What has been read has time to get out: a client that gets nothing has nothing to take for whole.
CREATE FUNCTION cut_here() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT pg_sleep(0.15)::text || pg_terminate_backend(pg_backend_pid())::text
$$
"""


class Site:
    """A service on such a database, and one way to it.

    Args:
        service: The service, to make exports and look at jobs.
        origin: Scheme, host and port that the clients use.
        trust: Where they speak HTTPS.
    """

    def __init__(self, service: Service, origin: str, trust: Trust | None = None) -> None:
        self._service = service
        self._origin = origin
        self._trust = trust
        self._whole: dict[str, list[bytes]] = {}

    def task(self, format_name: str, connection: Connection, *, cut: bool) -> tuple[str, Task]:
        """A new export, and the download of it."""
        size = "large" if format_name == "parquet" else "small"
        dataset = f"{'cut' if cut else 'whole'}_{size}"
        export_id = create(self._service, dataset=dataset, **FORMATS[format_name])
        url = f"{self._origin}/exports/{export_id}/download"
        return export_id, Task(url, f"{self._origin}/health/live", connection, self._trust)

    def check_cut(self, export_id: str) -> None:
        """The export was cut, and not before its first bytes.

        Raises:
            RuntimeError: It was not: what the client said means nothing then.
        """
        wait_for(lambda: job(self._service, export_id)["status"] != "running")
        seen: Any = job(self._service, export_id)
        if seen["status"] != "failed" or seen["error"]["code"] != "database-lost" or not seen["bytes"]:
            raise RuntimeError(f"the export was not cut after its first bytes: {seen}")

    def is_whole(self, format_name: str, outcome: Outcome, *, exact: bool) -> bool:
        """Whether a client got every byte; not ``exact`` where it gives characters."""
        if outcome.error is not None or outcome.status != 200:
            return False
        if format_name not in self._whole:
            self._whole[format_name] = self._download(format_name)
        bodies = self._whole[format_name]
        if format_name == "parquet":
            # Its footer names the snapshot, which is another one in each export.
            return not exact or outcome.size == len(bodies[0])
        return outcome.sha256 in {hashlib.sha256(body).hexdigest() for body in bodies}

    def _download(self, format_name: str) -> list[bytes]:
        """The body as it is sent, and decoded."""
        export_id, _ = self.task(format_name, Connection.FRESH, cut=False)
        url = f"{self._service.url}/exports/{export_id}/download"
        with urllib.request.urlopen(url, context=self._service.context) as answer:
            sent = answer.read()
            encoded = answer.headers["Content-Encoding"] == "gzip"
        return [sent, zlib.decompress(sent, 31)] if encoded else [sent]


def fill(dsn: str) -> None:
    """Make the views that are exported."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(_CUT)
        connection.execute(_SOURCE.format(rows=max(ROWS.values())).encode())
        for size, rows in ROWS.items():
            cut = f"CASE WHEN n = {CUT_ROWS[size]} THEN cut_here() ELSE last END"
            connection.execute(_VIEW.format(name=f"whole_{size}", last="last", rows=rows).encode())
            connection.execute(_VIEW.format(name=f"cut_{size}", last=cut, rows=rows).encode())


@dataclass(frozen=True)
class Downloads:
    """A service, and what another one on the same database needs.

    Attributes:
        service: It.
        start: Starts another one.
        folder: For files.
    """

    service: Service
    start: Callable[..., AbstractContextManager[Service]]
    folder: Path


@contextmanager
def opened(dsn: str, folder: Path) -> Iterator[Downloads]:
    """A service on a database that :func:`fill` has filled."""
    config = folder / "polyglot.toml"
    names = [f"{kind}_{size}" for kind in ("whole", "cut") for size in ROWS]
    config.write_text("".join(f'[datasets.{name}]\ntable = "public.{name}"\n' for name in names))
    start = partial(serve, dsn, config=config, default_dataset=names[0], workers=1)
    with start() as service:
        yield Downloads(service, start, folder)


@contextmanager
def way(name: str, downloads: Downloads) -> Iterator[Site]:
    """One of :data:`PATHS` to a service."""
    service, proxy = downloads.service, PATHS[name]
    if name == TLS:
        authority = Authority(downloads.folder)
        pair = authority.server()
        with downloads.start(context=authority.context(), env=pair.env) as secure:
            yield Site(secure, secure.url, Trust(authority.root_file, authority.java_file, pair.spki))
        return
    if proxy is None:
        yield Site(service, service.url)
        return
    with (
        tempfile.TemporaryDirectory(prefix="polyglot-clients-") as folder,
        running(proxy, service.port, Path(folder)) as port,
    ):
        yield Site(service, f"http://127.0.0.1:{port}")
