"""``/exports/benchmark``: the formats measured, one client at a time, and nothing goes on for a client that has left."""

from __future__ import annotations

import socket

import psycopg

from tests.fixtures.process import Service, serve
from tests.service.client import call, create, wait_for


def test_benchmark(records: str) -> None:
    with serve(records, benchmark_rows=20_000) as bounded:
        body = call(bounded, "/exports/benchmark").json()
        assert body["datasetRowCount"] == 20_000
        assert [result["format"] for result in body["results"]] == ["csv", "json", "xml", "parquet"]
        with psycopg.connect(records) as connection:
            assert connection.execute("SELECT count(*) FROM records").fetchone() == (600_000,)
        csv_id = create(bounded, limit=20_000)
        assert body["results"][0]["fileSizeBytes"] == len(call(bounded, f"/exports/{csv_id}/download").body)
        for result in body["results"]:
            assert result["durationSeconds"] > 0
            assert 30 < result["peakMemoryMB"] < 300
        assert len(call(bounded, "/exports").json()["exports"]) == 1, "nothing is stored"


def test_one_at_a_time_and_a_client_that_leaves_makes_room(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as first:
        first.sendall(b"GET /exports/benchmark HTTP/1.1\r\nHost: localhost\r\n\r\n")

        def refused() -> bool:
            answer = call(service, "/exports/benchmark")
            return answer.status == 503 and "running already" in answer.json()["error"]

        wait_for(refused)
    wait_for(lambda: call(service, "/exports/benchmark").status == 200)
