"""Alive is not ready: what an orchestrator is told when the database, Redis or the service itself is on its way out."""

from __future__ import annotations

import signal
import time

import psycopg
import pytest

from tests.fixtures.process import Service, serve
from tests.fixtures.proxy import Proxy
from tests.fixtures.redis import RedisServer
from tests.service.client import PATIENCE, RawDownload, assert_problem, call, create, post, wait_for


def status(service: object, path: str) -> int:
    return call(service, path).status  # type: ignore[arg-type]  # a Service


def test_redis_away_is_not_ready_and_heals_by_itself(records: str, redis_server: RedisServer) -> None:
    with serve(records, redis_url=redis_server.url) as service:
        assert status(service, "/health/ready") == 200
        redis_server.stop()
        assert_problem(call(service, "/health/ready"), 503, "store-away")
        assert (status(service, "/health/live"), status(service, "/health")) == (200, 200)
        redis_server.start()
        wait_for(lambda: status(service, "/health/ready") == 200)


def test_redis_that_hangs_is_not_waited_for(records: str, redis_server: RedisServer) -> None:
    with serve(records, redis_url=redis_server.url) as service:
        redis_server.freeze()
        began = time.monotonic()
        assert status(service, "/health/ready") == 503
        assert time.monotonic() - began < 30
        redis_server.thaw()
        wait_for(lambda: status(service, "/health/ready") == 200)


def test_a_database_that_hangs_is_not_waited_for(proxy: Proxy) -> None:
    with serve(proxy.dsn) as service:
        wait_for(lambda: status(service, "/health/ready") == 200)
        proxy.stall_after(0)
        # The last answer is used again for a second.
        began = time.monotonic()
        wait_for(lambda: status(service, "/health/ready") == 503)
        assert time.monotonic() - began < 30
        assert_problem(call(service, "/health/ready"), 503, "database-away")
        assert status(service, "/health/live") == 200
        proxy.heal()
        wait_for(lambda: status(service, "/health/ready") == 200)


def refuses(service: Service, path: str) -> bool:
    """Whether the port is closed."""
    try:
        call(service, path)
    except OSError as error:
        return "refused" in str(error)
    return False


@pytest.mark.parametrize("path", ["/health/ready", "/metrics"])
def test_while_it_drains_it_takes_no_new_connection(records: str, path: str) -> None:
    """The port is closed with the first signal, which every balancer takes for not ready."""
    with serve(records, workers=1, shutdown_grace=60) as service:
        with RawDownload(service, create(service, dataset="records")) as download:
            download.read_some(1000)
            service.process.send_signal(signal.SIGTERM)
            # A connection that was made just before the port was closed is reset.
            wait_for(lambda: refuses(service, path))
        assert service.process.wait(timeout=PATIENCE) == 0


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health(service: Service, path: str) -> None:
    assert call(service, path).json() == {"status": "healthy"}
    assert call(service, path, method="HEAD").status == 200


def test_without_the_database(records: str) -> None:
    dsn = psycopg.conninfo.make_conninfo(records, port="1", password="hush")
    with serve(dsn) as lonely:
        for path in ("/health", "/health/ready", "/datasets", "/exports/benchmark"):
            answer = call(lonely, path)
            assert_problem(answer, 503, "database-away", "cannot be reached")
            assert answer.headers["retry-after"]
        assert_problem(post(lonely, {"format": "csv"}), 503, "database-away")
        assert call(lonely, "/health/live").status == 200
        wait_for(lambda: "database out of reach" in lonely.log())
        assert "hush" not in lonely.log()
