"""The benchmark of dumps runs, so that it measures something when it is wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.dumps import Bench, beside, comparisons, fill, speeds, stored
from benchmarks.set_peers.base import SetPeer
from benchmarks.set_peers.registry import set_peers
from polyglot_export.testing.postgres import EmbeddedServer

ROWS = 1_000


def test_one_pair_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedServer() as server:
        fill(server.dsn(), ROWS)
        bench = Bench(server, tmp_path, 1)
        rows = comparisons(bench)
        assert [row.name for row in rows][:2] == ["csv: export, dump", "csv: export --manifest, dump"]
        assert all(row.ratio > 0 for row in rows)
        assert [row.name for row in stored(bench)] == [
            "csv, in parts: folder, store",
            "parquet, in parts: folder, store",
        ]
        assert [name for name, *_ in speeds(bench, 1)] == [
            "csv, one file",
            "csv, parts",
            "parquet, one file",
            "parquet, parts",
        ]
        # Those that are installed run; that the others cannot is said.
        compared, absent = beside(bench, ROWS)
        assert len(compared) + len(absent) == len(set_peers())
        assert all(absent.values()), "each says why"
        # Our own half of every comparison, whatever is installed.
        for peer in set_peers():
            bench.polyglot("dump", "-t", "records", "-o", str(bench.out), *peer.ours)
        monkeypatch.setattr("benchmarks.dumps.set_peers", lambda: (_Short(),))
        with pytest.raises(SystemExit, match=r"half a tool: 0 of 1,000 rows are in its files"):
            beside(bench, ROWS)


class _Short(SetPeer):
    """A tool that writes nothing."""

    name = "half a tool"
    ours = ("-f", "parquet")

    def missing(self) -> str | None:
        return None

    def command(self, job: object) -> list[str]:  # noqa: ARG002
        return ["true"]

    def rows(self, job: object) -> int | None:  # noqa: ARG002
        return 0
