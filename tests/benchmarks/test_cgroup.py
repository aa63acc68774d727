"""The proof in a small size, inside a real memory cgroup; where none can be made, the sentence that says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from benchmarks import cgroup
from benchmarks.cgroup import CASES, GROUP_BYTES, Sizes, prove, report
from benchmarks.memory_group import MemoryGroup
from benchmarks.oracle import Digest, Oracle, Spec, WrongFile
from polyglot_export.testing.postgres import EmbeddedServer
from tests.benchmarks.groups import no_group

MB = 1 << 20


def test_the_proof(capsys: pytest.CaptureFixture[str]) -> None:
    reason = no_group()
    if reason is not None:
        assert cgroup.main(["--rows", "1000"]) == cgroup.EXIT_NO_GROUP
        assert capsys.readouterr().err.strip() == reason
        return
    with EmbeddedServer() as server:
        sizes = Sizes(rows=3_000, clients=8, slow_rows=300, large_rows=12, wide_rows=500, settle=0.1)
        rows, facts = prove(server.dsn(), sizes, lambda _: None)
    assert not [(row.scenario, row.wrong) for row in rows if row.wrong]
    assert sum(row.exports for row in rows) == 2 * (len(CASES) + 8) + 8 + 4 + 1
    for row in rows:
        assert 20 * MB < row.group_peak < GROUP_BYTES, row
        assert 40 * MB < row.resident_peak < GROUP_BYTES, row
        assert row.killed == 0
    assert facts["killed"] == 0
    assert not facts["grown"]
    assert "| csv.zstd | 1 | 3,000 |" in report(rows, facts)


def test_a_group_has_its_limit_and_counts_what_is_in_it() -> None:
    reason = no_group()
    if reason is not None:
        assert "no memory cgroup can be made here" in reason
        return
    with MemoryGroup.create(96 * MB) as group:
        fill = "block = bytearray({0} << 20)\nfor i in range(0, len(block), 4096): block[i] = 1"
        inside = subprocess.run(group.command([sys.executable, "-c", fill.format(40)]), check=False)
        assert inside.returncode == 0
        assert 40 * MB < group.usage().peak < 96 * MB
        assert group.usage().killed == 0
        group.reset_peak()
        beyond = subprocess.run(group.command([sys.executable, "-c", fill.format(400)]), check=False)
        assert beyond.returncode == -9, "the kernel ends what goes beyond the limit"
        assert group.usage().killed == 1
    assert not group.folder.exists()


def test_without_a_controller_there_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.memory_group._mounts", lambda: iter([("cgroup2", Path("/nowhere"), [])]))
    assert cgroup.main(["--rows", "10"]) == cgroup.EXIT_NO_GROUP
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no memory cgroup can be made here (the memory controller is mounted in neither version)" in captured.err


def test_the_oracle_knows_a_wrong_file(module_dsn: str) -> None:
    """A proof that compares nothing would always succeed."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (id int, name text)")
        connection.execute("INSERT INTO t SELECT n, 'ä' || n FROM generate_series(1, 50) AS n")
    oracle = Oracle(module_dsn)
    for format_ in ("csv", "json", "ndjson", "parquet"):
        spec = Spec(format_, None, "t")
        assert oracle.digest(spec) == oracle.digest(Spec(format_, "gzip" if format_ != "parquet" else None, "t"))
        if format_ != "parquet":
            assert oracle.digest(spec) != oracle.digest(Spec(format_, None, "t", below=49))
    with pytest.raises(WrongFile, match="id of t differs from the server"):
        oracle.digest(Spec("parquet", None, "t", below=49))
    digest = Digest(Spec("csv", "gzip", "t"))
    digest.take("", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
    with pytest.raises(WrongFile, match="one whole stream"):
        digest.finish()


def test_the_name_of_the_snapshot_does_not_count() -> None:
    def digest(*parts: bytes, snapshot: str) -> str:
        made = Digest(Spec("parquet"))
        for part in parts:
            made.take(snapshot, part)
        return made.finish()

    first = digest(b"aaSNAP-1bb", b"cc", snapshot="SNAP-1")
    assert first == digest(b"aaSNA", b"P-2b", b"bcc", snapshot="SNAP-2")
    assert first != digest(b"aaSNAP-3bb", b"cc", snapshot="SNAP-1")
