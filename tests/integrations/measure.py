"""Runs the whole matrix of servers, applications and clients, and writes down what was seen.

    python -m tests.integrations.measure

It writes measured.json, of which ``python -m tests.integrations.table`` makes the page.
"""

from __future__ import annotations

import datetime as dt
import json

from polyglot_export.testing.postgres import EmbeddedServer
from tests.integrations.matrix import matrix, versions
from tests.integrations.table import MEASURED


def main() -> int:
    """Measure and write."""
    with EmbeddedServer() as server:
        found = matrix(server.dsn())
    document = {"date": dt.datetime.now(dt.UTC).date().isoformat(), "versions": versions(), "seen": found}
    MEASURED.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
