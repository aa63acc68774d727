"""One attack as a process of its own, so that its work does not delay the honest clients that are measured.

    HOSTILE_KEY=... HOSTILE_DSN=... python -m benchmarks.hostile.program NAME --port PORT --seconds 20

Goes to 127.0.0.1 only, ends after its seconds, and prints what it saw as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import time

from benchmarks.hostile.registry import ATTACKS
from benchmarks.hostile.target import Target


def main() -> None:
    """Attack and print."""
    attacks = {attack.name: attack for attack in ATTACKS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=attacks)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    # Thousands of connections need as many descriptors here.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    target = Target(
        options.port, os.environ["HOSTILE_KEY"], os.environ["HOSTILE_DSN"], time.monotonic() + options.seconds
    )
    print(json.dumps(asyncio.run(attacks[options.name].run(target))))


if __name__ == "__main__":
    main()
