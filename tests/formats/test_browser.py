"""Chromium's decoders read a download whole, and tell a broken one from a whole one."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.fixtures.process import Serve, Service
from tests.fixtures.proxy import Proxy
from tests.fixtures.server import Database
from tests.formats.browser import fetch, page_origin
from tests.library.helpers import copied, ndjson
from tests.service.client import create

ROWS = 60_000
"""About 20 MB in several segments that hardly compress: a cut hits the middle of any encoding."""
CUT_BYTES = 14 << 20
"""Bytes that come from the database before it is gone: more than the first chunk needs in every encoding (zstd takes
some MB before it gives any), less than all."""
ENCODINGS = (None, "gzip", "zstd")


@pytest.fixture(scope="module")
def shared(server: Database) -> Iterator[tuple[str, psycopg.Connection]]:
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        texts = " || ',\"é😀' || ".join(["gen_random_uuid()"] * 8)
        conn.execute(f"CREATE TABLE t AS SELECT g AS id, {texts} AS text FROM generate_series(1, {ROWS}) AS g".encode())
        yield dsn, conn


def _downloads(service: Service) -> dict[str, str]:
    return {
        f"{format_} {compression}": f"{service.url}/exports/{create(service, dataset='t', format=format_, compression=compression)}/download"
        for format_ in ("csv", "ndjson")
        for compression in ENCODINGS
    }


def test_a_browser_decodes_a_download(serve: Serve, shared: tuple[str, psycopg.Connection]) -> None:
    dsn, conn = shared
    expected = {"csv": copied(conn, "SELECT * FROM t"), "ndjson": ndjson(conn, "SELECT * FROM t")}
    port, origin = page_origin()
    with serve(dsn, workers=2, cors_origins=origin) as service:
        found = fetch(_downloads(service), port)
    assert len(found) == 2 * len(ENCODINGS)
    for name, fetched in found.items():
        assert (fetched.error, fetched.status) == (None, 200), name
        wanted = expected[name.split()[0]]
        assert len(fetched.body) == len(wanted), name
        assert fetched.body == wanted, name


def test_a_browser_sees_that_a_download_is_broken(serve: Serve, shared: tuple[str, psycopg.Connection]) -> None:
    """The status has been sent when the database goes; what was decoded up to there is not handed out as the file."""
    dsn, _ = shared
    port, origin = page_origin()
    with Proxy.to(dsn) as proxy, serve(proxy.dsn, workers=1, cors_origins=origin) as service:
        for compression in ENCODINGS:
            export_id = create(service, dataset="t", compression=compression)
            proxy.cut_after(CUT_BYTES)
            fetched = fetch({"cut": f"{service.url}/exports/{export_id}/download"}, port)["cut"]
            proxy.heal()
            assert fetched.status == 200, compression
            assert fetched.error is not None, compression
            assert fetched.error.startswith("TypeError"), compression
