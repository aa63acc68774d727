"""The measurement of keys, tokens and the audit log runs, and its services do what they are told."""

from __future__ import annotations

from benchmarks.callers import KINDS, measured, table


def test_every_kind_exports() -> None:
    found = measured(KINDS, rounds=1, exports=2)
    assert list(found) == list(KINDS)
    lines = table({kind: [0.5, 0.25, 0.25] for kind in KINDS}).splitlines()
    assert lines[2:] == [f"| {kind.name} | 250.00 | 1.00 |" for kind in KINDS]
