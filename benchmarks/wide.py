"""The sample table ``wide``: 30 columns of numbers, dates and short texts, and no documents, whose text the server
would have to make.
"""

from __future__ import annotations

from typing import Final

from benchmarks.generated import Column, Generated
from polyglot_export.cli.bench.source import Sample

__all__ = ["WIDE"]

_COLUMNS: Final = (
    *(Column(f"i{n}", "int", f"((h + {n * 7919}) % 2000000 - 1000000)::int") for n in range(6)),
    *(Column(f"b{n}", "bigint", f"h * {n + 3} - 4000000000") for n in range(4)),
    *(Column(f"n{n}", "numeric(12,2)", f"((h * {n + 5}) % 1000000000)::numeric * 0.01") for n in range(6)),
    *(Column(f"f{n}", "float8", f"((h + {n}) % 1000003)::float8 / {n + 7}") for n in range(4)),
    *(Column(f"d{n}", "date", f"date '1990-01-01' + ((h + {n * 101}) % 15000)::int") for n in range(3)),
    *(
        Column(
            f"t{n}",
            "timestamptz",
            f"timestamptz '2001-01-01 00:00:00+00' + (h % 800000000) * interval '{n + 1} microseconds'",
        )
        for n in range(2)
    ),
    *(Column(f"s{n}", "text", f"'item ' || (h + {n}) % 99991") for n in range(5)),
)

WIDE: Final = Sample("wide", Generated("wide", _COLUMNS).fill)
