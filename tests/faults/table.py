"""What is promised for each fault: one row a fault, checked by the tests beside this file and printed in
``docs/reference/faults.md``.

``python -m tests.faults.table`` writes the page; lint compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.clients.table import section
from tools.generated import keep

__all__ = ["CUT", "FAULTS", "WHOLE", "Fault", "page"]

WHOLE = "the whole file"
CUT = "a reset connection"
GONE = "–"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"


@dataclass(frozen=True)
class Fault:
    """One row.

    Attributes:
        key: The name by which a test finds it.
        what: What happens.
        client: What the client of the download sees: :data:`WHOLE`, :data:`CUT`, or a status before the first byte.
        job: What the job says: a state, and after a colon the code of its error.
        database: What is left in the database.
    """

    key: str
    what: str
    client: str
    job: str
    database: str = "nothing"


_ROWS = (
    Fault(
        "worker-ahead", "the backend of a worker ends before a byte of its segment was handed out", WHOLE, "completed"
    ),
    Fault(
        "worker-head",
        "the backend of a worker ends after bytes of its segment were handed out",
        CUT,
        "failed: database-lost",
    ),
    Fault("leader", "the backend of the leader ends", CUT, "failed: database-lost"),
    Fault("all-backends", "all backends of the export end", CUT, "failed: database-lost"),
    Fault("database-crash", "the database is shut down at once and started again", CUT, "failed: database-lost"),
    Fault(
        "database-away", "the database is away when the download begins", "503 database-away", "failed: database-away"
    ),
    Fault("short-stall", "the network to the database stalls for less than the time limit", WHOLE, "completed"),
    Fault(
        "long-stall",
        "the network to the database stalls for longer than `POLYGLOT_MAX_DURATION`",
        CUT,
        "failed: took-too-long",
    ),
    Fault("network-cut", "the network to the database is cut", CUT, "failed: database-lost"),
    Fault(
        "flipped",
        "a byte of a length or type is changed on the way from the database (TLS off)",
        CUT,
        "failed: malformed-data",
    ),
    Fault("flipped-length", "… so that more is awaited than the database sends", CUT, "failed: took-too-long"),
    Fault(
        "slow-query",
        "the database works longer on a statement than `POLYGLOT_STATEMENT_TIMEOUT`",
        "504 database-timeout",
        "failed: database-timeout",
    ),
    Fault(
        "slow-export",
        "the first row takes longer than `POLYGLOT_MAX_DURATION`",
        "504 took-too-long",
        "failed: took-too-long",
    ),
    Fault("client-reset", "the client resets its connection", GONE, "cancelled: client-gone"),
    Fault("client-half-close", "the client closes its half of the connection", CUT, "cancelled: client-gone"),
    Fault("client-stall", "the client takes nothing for `POLYGLOT_SLOW_CLIENT_TIMEOUT`", CUT, "failed: slow-client"),
    Fault("client-trickle", "the client reads a byte a second", CUT, "failed: slow-client"),
    Fault("deleted", "the export's owner deletes it while it runs", CUT, "cancelled: cancelled"),
    Fault("drain", "SIGTERM, and the download ends within `POLYGLOT_SHUTDOWN_GRACE`", WHOLE, "completed"),
    Fault("drain-cut", "SIGTERM, and the download takes longer", CUT, "failed: stopping"),
    Fault(
        "killed",
        "SIGKILL of the service",
        CUT,
        "gone with the process; with Redis `failed: replica-lost`",
        "nothing after 10 s",
    ),
    Fault("clock-jump", "the clock jumps forward or back by hours", WHOLE, "completed"),
)
FAULTS = {fault.key: fault for fault in _ROWS}

_HEAD = """# Faults

What happens when something breaks in the middle of a download. Each row is checked by a test with real kills, a real
database and a proxy between the two (`tests/faults`); this page is written by `python -m tests.faults.table`.
At its end is what real clients see.

"A reset connection" means that the client gets an error and never the end of the body: a file that arrives whole is
whole. "Nothing" in the last column means that no backend of the export is left a moment later, and within ten seconds
on any machine.

| fault | the client sees | the job says | left in the database |
| --- | --- | --- | --- |
"""
_FOOT = """
A byte that is changed inside a value cannot be seen without TLS: the protocol has no checksum. Use `sslmode=require` or
better where the network is not trusted to be whole.
"""


def page() -> str:
    """The page as it must be."""
    rows = "".join(f"| {fault.what} | {fault.client} | {_code(fault.job)} | {fault.database} |\n" for fault in _ROWS)
    return _HEAD + rows + _FOOT + section()


def _code(job: str) -> str:
    return job if "`" in job else " ".join(f"`{word}`" for word in job.split(": "))


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(PAGE, page(), "tests.faults.table")


if __name__ == "__main__":
    raise SystemExit(main())
