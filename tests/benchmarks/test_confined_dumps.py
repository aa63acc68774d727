"""The proof of dumps in a small size, inside real memory cgroups; where none can be made, the sentence that says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import confined_dumps
from benchmarks.confined_dumps import GROUP_BYTES, PEAK_LIMIT, Sizes, cases, prove, report
from polyglot_export.testing.postgres import EmbeddedServer
from tests.benchmarks.groups import no_group

MB = 1 << 20


def test_the_proof(capsys: pytest.CaptureFixture[str]) -> None:
    reason = no_group()
    if reason is not None:
        assert confined_dumps.main(["--rows", "1000"]) == confined_dumps.EXIT_NO_GROUP
        assert capsys.readouterr().err.strip() == reason
        return
    sizes = Sizes(rows=3_000, tables=5, large_rows=12, wide_rows=500, keyed_rows=2_000, part="8MiB")
    with EmbeddedServer() as server:
        rows = prove(server.dsn(), sizes, lambda _: None)
    assert [(row.case.name, row.problem) for row in rows if row.problem] == []
    assert [row.case for row in rows] == list(cases(sizes))
    for row in rows:
        assert 20 * MB < row.dump.group < GROUP_BYTES, row
        assert 20 * MB < row.dump.resident < PEAK_LIMIT, row
        assert (row.check is None) == row.case.stored
    assert "| all of it at one moment, Parquet | 9 | 5,762 |" in report(rows)
    assert report(rows).endswith("All are right.")
    bad = replace(rows[0], dump=replace(rows[0].dump, problem="it was not"))
    assert "**NO**: it was not" in report([bad, *rows[1:]])
    assert report([bad, *rows[1:]]).endswith(f"1 of {len(rows)} are not right.")
