"""The sample table ``lineitem`` of TPC-H, whose rows ``tpchgen-cli`` makes: the same on every machine.

The scale factor is the smallest that has the rows; at 1 there are 6,001,215. ``benchmarks/peers/install.sh`` installs
the generator.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import IO, Final

import psycopg

from benchmarks.peers.base import found_program, missing_programs
from polyglot_export.cli.bench.source import Sample
from polyglot_export.errors import PolyglotError

__all__ = ["LINEITEM"]

GENERATOR: Final = "tpchgen-cli"
ROWS_OF_SCALE: Final = 5_900_000
"""A little less than scale factor 1 has, since each order has one to seven of them by chance."""
LEAST_SCALE: Final = 0.01
BATCH_ROWS: Final = 10_000

_CREATE: Final = """
CREATE TABLE lineitem (
    l_orderkey bigint NOT NULL,
    l_partkey bigint NOT NULL,
    l_suppkey bigint NOT NULL,
    l_linenumber int NOT NULL,
    l_quantity numeric(15,2) NOT NULL,
    l_extendedprice numeric(15,2) NOT NULL,
    l_discount numeric(15,2) NOT NULL,
    l_tax numeric(15,2) NOT NULL,
    l_returnflag char(1) NOT NULL,
    l_linestatus char(1) NOT NULL,
    l_shipdate date NOT NULL,
    l_commitdate date NOT NULL,
    l_receiptdate date NOT NULL,
    l_shipinstruct char(25) NOT NULL,
    l_shipmode char(10) NOT NULL,
    l_comment varchar(44) NOT NULL
)
"""
"""As section 1.4 of the specification has it; a decimal of 15 digits, two of them after the point."""


def _fill(dsn: str, rows: int, on_progress: Callable[[int], None]) -> None:
    """Create the table and copy the rows into it in one transaction.

    Raises:
        PolyglotError: The generator is not there, or made fewer rows.
    """
    absent = missing_programs(GENERATOR, home="tpchgen")
    if absent is not None:
        raise PolyglotError(f"the table lineitem is made by {GENERATOR}: {absent}")
    copied = 0
    with closing(psycopg.connect(dsn)) as connection:
        connection.execute(_CREATE)
        with connection.cursor().copy("COPY lineitem FROM STDIN (FORMAT csv)") as copy:
            for lines in _lines(rows):
                copy.write(b"".join(lines))
                copied += len(lines)
                on_progress(copied)
        if copied != rows:
            raise PolyglotError(f"{GENERATOR} made {copied:,} rows instead of {rows:,}")
        connection.commit()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) lineitem")


def _lines(rows: int) -> Iterator[list[bytes]]:
    """The first rows as csv, without the header. No value of the table has a line break."""
    scale = max(LEAST_SCALE, rows / ROWS_OF_SCALE)
    program = found_program(GENERATOR, "tpchgen") or GENERATOR
    command = [program, "csv", "-s", f"{scale:.4f}", "-T", "lineitem", "--stdout", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as generator:
        output: IO[bytes] | None = generator.stdout
        if output is None:
            raise AssertionError("its output is a pipe")
        wanted = itertools.islice(output, 1, rows + 1)
        while lines := list(itertools.islice(wanted, BATCH_ROWS)):
            yield lines
        # What is not wanted is not made.
        generator.kill()


LINEITEM: Final = Sample("lineitem", _fill)
