"""The tables of the benchmark."""

from __future__ import annotations

from typing import Final

from benchmarks.lineitem import LINEITEM
from benchmarks.taxi import TAXI
from benchmarks.wide import WIDE
from polyglot_export.cli.bench.source import RECORDS

__all__ = ["KEYS", "SAMPLES"]

SAMPLES: Final = {sample.name: sample for sample in (RECORDS, WIDE, LINEITEM, TAXI)}
KEYS: Final = {
    "records": ("id",),
    "wide": ("b0",),
    "lineitem": ("l_orderkey", "l_linenumber"),
    "taxi": ("tpep_pickup_datetime",),
}
"""The columns by which a row of a sample is found again; their values are unique."""
