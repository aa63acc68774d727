"""The measurement of many cores: the server in front answers from memory, and what it answers is what was recorded."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import psycopg
import pytest

from benchmarks.cores import Cost, OpenServer, Replayed, cost_of, replay_program, serial_share, speed_up
from polyglot_export.testing.records import fill_records

ROWS = 60_000
"""Three segments of text."""


def test_segments_come_from_memory(tmp_path: Path) -> None:
    with OpenServer() as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        fill_records(server.dsn(), ROWS, lambda _: None)
        with connection.cursor().copy("COPY records TO STDOUT (FORMAT csv, HEADER)") as copy:
            expected = b"".join(copy)
        with Replayed.running(replay_program(), server.port, 200_000_000) as replayed:
            file = tmp_path / "records.csv"
            cost = cost_of(replayed.dsn, "csv", "records", 2, file)
            assert file.read_bytes() == expected
            assert 0 < cost.main < cost.cpu
            # Nothing but memory has the rows now; the file on disk keeps its size, and so the plan its segments.
            connection.execute("DELETE FROM records")
            for form, workers in (("csv", 3), ("csv.gz", 16)):
                file = tmp_path / f"again.{form}"
                cost_of(replayed.dsn, form, "records", workers, file, 1)
                content = file.read_bytes()
                assert (gzip.decompress(content) if form == "csv.gz" else content) == expected
            with pytest.raises(subprocess.CalledProcessError):
                cost_of(replayed.dsn, "csv", "nothing", 1, file)


def test_what_only_one_thread_does_bounds_what_cores_give() -> None:
    tiny = Cost(0.1, 0.2, 0.1, 10, 1)
    share = serial_share(Cost(2.0, 2.2, 0.2, 10, 1), tiny)
    assert share == pytest.approx(0.05)
    assert speed_up(share, 16) == pytest.approx(1 / (0.05 + 0.95 / 16))
    assert (speed_up(0, 16), speed_up(1, 16)) == (16, 1)
    assert serial_share(tiny, tiny) == 0
