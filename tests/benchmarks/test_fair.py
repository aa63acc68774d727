"""A modest caller beside two greedy ones: none of its exports is refused, and all are whole. How soon they begin is
measured by the proof, on a machine that does nothing else.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from pathlib import Path

from benchmarks.fair import MODEST, Seen, beside_greedy_ones, problems_of
from benchmarks.hostile.stage import configuration, fill
from benchmarks.oracle import Oracle
from tests.fixtures.process import serve

ROWS = 100_000
"""20 MB as csv, more than what is between the service and a client that reads slowly."""


def test_a_modest_caller_beside_greedy_ones(dsn: str, tmp_path: Path) -> None:
    fill(dsn, ROWS)
    expected = {spec: Oracle(dsn).digest(spec) for spec in MODEST}
    keys = {name: secrets.token_urlsafe(16) for name in ("greedy", "hungry", "modest")}
    config = tmp_path / "polyglot.toml"
    config.write_text(configuration(keys))
    one, two, modest = keys.values()
    with serve(dsn, config=config, workers=2, max_connections=4, spool_dir=tmp_path / "spool") as service:
        seen = asyncio.run(beside_greedy_ones(service.port, (one, two, modest), expected, 4.0, clients=6))
    assert seen.problems == {}
    assert seen.starts
    assert seen.files["taken"], "the greedy ones have had their share"


def test_what_is_wrong_is_told() -> None:
    assert problems_of(Seen(starts=[0.1] * 19 + [9.0])) == []
    assert problems_of(Seen()) == ["no modest export began"]
    late = problems_of(Seen(starts=[0.1] * 9 + [3.0]))
    assert late == ["modest exports begin after 3.00 s at the 95th percentile"]
    refused = problems_of(Seen(starts=[0.1], problems=Counter({"refused with 503": 2})), ended=True)
    assert refused == ["the process ended", "modest exports: refused with 503 (2)"]
