"""The sample table ``taxi``: the 19 columns of New York's yellow taxi trips (the TLC's data dictionary), of which many
published figures are, with trips that are made up here.

The values have the shape of the real ones: few vendors, zones and ways to pay, amounts of two decimals as double
precision, times of whole seconds, and no passenger count, rate, flag, surcharge and fee in one trip of twenty. Each is
a function of the number of the row. Unlike the real ones no two trips begin at the same time, so that a row can be
found again.
"""

from __future__ import annotations

from typing import Final

from benchmarks.generated import Column, Generated
from polyglot_export.cli.bench.source import Sample

__all__ = ["TAXI"]

_PICKUP: Final = "timestamp '2023-01-01' + i * interval '3 seconds' + (h % 3) * interval '1 second'"
_DISTANCE: Final = "round(((h % 997) * (h % 31) / 900.0)::numeric, 2)"
_FARE: Final = f"(3 + round({_DISTANCE} * 2.5, 1))"
_TIP: Final = f"(CASE WHEN h % 3 = 0 THEN 0 ELSE round({_FARE} * (10 + h % 16) / 100, 2) END)"
_TOLLS: Final = "(CASE WHEN h % 23 = 0 THEN 6.55 ELSE 0 END)"
_UNKNOWN: Final = "h % 20 = 7"


def _known(value: str) -> str:
    return f"CASE WHEN NOT ({_UNKNOWN}) THEN {value} END"


TAXI: Final = Sample(
    "taxi",
    Generated(
        "taxi",
        (
            Column('"VendorID"', "int", "(1 + h % 2)::int"),
            Column("tpep_pickup_datetime", "timestamp", _PICKUP),
            Column("tpep_dropoff_datetime", "timestamp", f"{_PICKUP} + (120 + h % 3000) * interval '1 second'"),
            Column("passenger_count", "float8", _known("(h % 6 + 1)::float8")),
            Column("trip_distance", "float8", f"{_DISTANCE}::float8"),
            Column('"RatecodeID"', "float8", _known("(CASE WHEN h % 29 = 0 THEN 2 ELSE 1 END)::float8")),
            Column("store_and_fwd_flag", "text", _known("CASE WHEN h % 200 = 0 THEN 'Y' ELSE 'N' END")),
            Column('"PULocationID"', "int", "(1 + h % 265)::int"),
            Column('"DOLocationID"', "int", "(1 + (h / 265) % 265)::int"),
            Column("payment_type", "bigint", f"CASE WHEN {_UNKNOWN} THEN 0 ELSE 1 + h % 4 END"),
            Column("fare_amount", "float8", f"{_FARE}::float8"),
            Column("extra", "float8", "(ARRAY[0, 1, 2.5, 3.5])[1 + h % 4]::float8"),
            Column("mta_tax", "float8", "0.5::float8"),
            Column("tip_amount", "float8", f"{_TIP}::float8"),
            Column("tolls_amount", "float8", f"{_TOLLS}::float8"),
            Column("improvement_surcharge", "float8", "1::float8"),
            Column("total_amount", "float8", f"({_FARE} + {_TIP} + {_TOLLS} + 1.5)::float8"),
            Column("congestion_surcharge", "float8", _known("2.5::float8")),
            Column("airport_fee", "float8", _known("(CASE WHEN h % 11 = 0 THEN 1.25 ELSE 0 END)::float8")),
        ),
    ).fill,
)
"""Filled by the server."""
