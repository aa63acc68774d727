"""Exports whose plan needs more than there is: they wait without a connection, in turn, and leave nothing when they
go.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from tests.fixtures.process import Service, serve
from tests.service.client import (
    PATIENCE,
    Answer,
    RawDownload,
    assert_problem,
    backends,
    call,
    create,
    job,
    wait_for,
    wait_for_status,
)

ROWS = 40
"""Rows of 1 MB each: several times what an export holds."""


@pytest.fixture(scope="module")
def large(module_dsn: str) -> str:
    """A database with a table of large values and one without; gives its DSN."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE large (id int, payload text STORAGE EXTERNAL)")
        connection.execute(
            "INSERT INTO large SELECT n, repeat(md5(n::text), 32768) FROM generate_series(1, %s) AS n", [ROWS]
        )
        connection.execute("CREATE TABLE small (id int); INSERT INTO small VALUES (1)")
    return module_dsn


@pytest.fixture
def narrow(large: str) -> Iterator[Service]:
    """A service with memory for one export with rows of up to 16 MB, and for several without."""
    with serve(large, memory_limit="132MB", queue_timeout=PATIENCE, workers=2) as running:
        yield running


def _reserved(service: Service) -> float:
    return _gauge(service, "polyglot_memory_reserved_bytes")


def _waiting(service: Service) -> float:
    return _gauge(service, "polyglot_queue_length")


def _gauge(service: Service, name: str) -> float:
    lines = call(service, "/metrics").body.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_a_second_one_waits_without_a_connection_and_then_runs(large: str, narrow: Service) -> None:
    first, second = (create(narrow, dataset="large") for _ in range(2))
    answers: list[Answer] = []
    with RawDownload(narrow, first) as held:
        held.read_some(1000)
        assert len(backends(large, first)) >= 2
        waiting = threading.Thread(target=lambda: answers.append(call(narrow, f"/exports/{second}/download")))
        waiting.start()
        wait_for(lambda: _waiting(narrow) == 1)
        # Its plan was made on a connection; it holds no snapshot while it waits.
        wait_for(lambda: not backends(large, second))
        assert job(narrow, second)["status"] == "running"
        assert not answers
    waiting.join(PATIENCE)
    assert [answer.status for answer in answers] == [200]
    assert answers[0].body.count(b"\n") == ROWS + 1
    wait_for(lambda: _reserved(narrow) == 0)


def test_those_who_wait_too_long_are_told(large: str) -> None:
    with serve(large, memory_limit="132MB", queue_timeout=1.5, workers=2) as narrow:
        first, second = (create(narrow, dataset="large") for _ in range(2))
        with RawDownload(narrow, first) as held:
            held.read_some(1000)
            before = _reserved(narrow)
            assert_problem(call(narrow, f"/exports/{second}/download"), 503, "busy", "no memory", "1.5 seconds")
            assert _reserved(narrow) == before
        wait_for(lambda: _reserved(narrow) == 0)
        assert call(narrow, f"/exports/{second}/download").status == 200


def test_those_who_leave_are_forgotten(large: str, narrow: Service) -> None:
    first, second = (create(narrow, dataset="large") for _ in range(2))
    with RawDownload(narrow, first) as held:
        held.read_some(1000)
        before = _reserved(narrow)
        with RawDownload(narrow, second):
            wait_for(lambda: _waiting(narrow) == 1)
        wait_for_status(narrow, second, "cancelled")
        assert job(narrow, second)["runs"][0]["error"]["code"] == "client-gone"
        assert (_reserved(narrow), _waiting(narrow)) == (before, 0)
        wait_for(lambda: not backends(large, second))
    wait_for(lambda: _reserved(narrow) == 0)


def test_what_needs_little_runs_beside_it(narrow: Service) -> None:
    with ExitStack() as clients:
        clients.enter_context(RawDownload(narrow, create(narrow, dataset="large"))).read_some(1000)
        for _ in range(3):
            assert call(narrow, f"/exports/{create(narrow, dataset='small')}/download").status == 200


def test_what_can_never_fit_is_refused_at_once(large: str) -> None:
    with serve(large, memory_limit="110MB", queue_timeout=120) as tiny:
        began = time.monotonic()
        answer = call(tiny, f"/exports/{create(tiny, dataset='large', format='parquet')}/download")
        assert_problem(answer, 503, "busy", "this export needs", "POLYGLOT_MEMORY_LIMIT")
        assert time.monotonic() - began < 60
        assert call(tiny, f"/exports/{create(tiny, dataset='small', format='parquet')}/download").status == 200
