"""The benchmark of dumps runs, so that it measures something when it is wanted."""

from __future__ import annotations

from pathlib import Path

from benchmarks.dumps import Bench, comparisons, fill, speeds
from polyglot_export.testing.postgres import EmbeddedServer


def test_one_pair_of_each(tmp_path: Path) -> None:
    with EmbeddedServer() as server:
        fill(server.dsn(), 1_000)
        bench = Bench(server, tmp_path, 1)
        rows = comparisons(bench)
        assert [row.name for row in rows][:2] == ["csv: export, dump", "csv: dump, in parts"]
        assert all(row.ratio > 0 for row in rows)
        assert [name for name, *_ in speeds(bench, 1)] == [
            "csv, one file",
            "csv, parts",
            "parquet, one file",
            "parquet, parts",
        ]
