"""What a load is, and what came of it: plain records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

__all__ = ["Figures", "Load"]


@dataclass(frozen=True)
class Load:
    """What is driven.

    Attributes:
        seconds: How long clients arrive.
        rows: Of the table.
        clients: At one time, at most.
        arrivals: Clients in a second, on average.
        seed: Of the random choices.
        hostile: Whether one attacker after another is there as well.
    """

    seconds: float
    rows: int
    clients: int
    arrivals: float
    seed: int
    hostile: bool = True


@dataclass
class Figures:
    """What came of it.

    Attributes:
        arrived: Clients that came.
        not_started: Arrivals that found the most clients there, and were left out.
        outcomes: How downloads ended.
        refusals: The codes of refusals.
        failures: The codes that the jobs of broken downloads have.
        kills: Backends that were killed.
        attacks: What attackers did, and how often.
        live_seconds: Of ``/health/live``: median, and of 99 in 100 probes.
        most_clients: The most at one time.
        bytes: Of all files.
        first_seconds: To the first byte, of all that had one: median and 95th percentile.
        total_seconds: The same to the end, of fast clients' complete files.
        group_peak: Bytes.
        resident_peak: Bytes.
        resident: Bytes at the start, median of each third of the run, and at rest after it.
        killed: Processes that the kernel killed.
        left: What is left when all clients have gone.
        problems: What is wrong, and how often; empty when all is right.
        log: The end of the service's log, where something is wrong.
    """

    arrived: int = 0
    not_started: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    attacks: Counter[str] = field(default_factory=Counter)
    live_seconds: tuple[float, float] = (0.0, 0.0)
    most_clients: int = 0
    bytes: int = 0
    first_seconds: tuple[float, float] = (0.0, 0.0)
    total_seconds: tuple[float, float] = (0.0, 0.0)
    group_peak: int = 0
    resident_peak: int = 0
    resident: dict[str, int] = field(default_factory=dict)
    killed: int = 0
    left: dict[str, int] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)
    log: str = ""
