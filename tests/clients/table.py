"""The clients' part of ``docs/reference/faults.md``, made of what ``python -m tests.clients.measure`` has found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["MEASURED", "measured", "section"]

MEASURED = Path(__file__).parent / "measured.json"

_HEAD = """
## What clients see of a cut

Measured on {date} by `make clients`: each client downloads csv, csv.gz, json and Parquet, over a connection
that has carried an answer before, over a fresh one and, where it can ask for that, over one that it wants closed
(`Connection: close`); directly, without [TLS](../howto/tls.md) and with it, and behind {proxies}.
The backend of the export is terminated behind its first chunks.
"Seen" means that the client reports an error, in all of these downloads; every client also took each export that was
not cut for whole, and got all of it. The tests repeat a part of the table (`tests/clients`).

| client | version | {columns} |
| --- | --- | {rule} |
"""
_FOOT = """
- **The service never announces that it will close a stream's connection**, not even to a client that asks for it. On an
  answer with `Connection: close`, the `fetch` of Node.js 18 and 20 (undici) takes a reset for the end of the body,
  chunked or not: `arrayBuffer()` resolves with the part that came. Keep that header away where a proxy adds it to
  answers (nginx with `keepalive_timeout 0`, haproxy with `option httpclose`).
- **Nearly no client sees a cut behind caddy 2.6**, which ends the body as if it were whole; only some decoders of gzip
  notice. caddy 2.11 passes the cut on ([the proxies' table](../operations.md#a-proxy-in-front)). The same is true of
  every client that speaks HTTP/1.0; the service refuses it a stream with `426` where it can know.
- **Where a cut cannot be seen**, and where you do not know what is between the client and the service, download
  [prepared files](../howto/prepared-files.md): they have a `Content-Length`, and the job has their `sha256` to compare.
- .NET is not in the table: it was not at hand.
"""


def measured() -> Any:
    """What was found: ``date``, ``proxies`` (versions), and ``clients`` with ``version`` and ``ways``."""
    if MEASURED.exists():
        return json.loads(MEASURED.read_text(encoding="utf-8"))
    return {"date": "", "proxies": {}, "clients": {}}


def section() -> str:
    """The part of the page, in Markdown."""
    found = measured()
    ways = ["direct", "direct, TLS", *found["proxies"]]
    columns = ["direct", "with TLS", *(f"{name} {version}" for name, version in found["proxies"].items())]
    head = _HEAD.format(
        date=found["date"],
        proxies=", ".join(found["proxies"]),
        columns=" | ".join(columns),
        rule=" | ".join("---" for _ in columns),
    )
    rows = [
        f"| {name} | {row['version']} | {' | '.join(_cell(row['ways'], way) for way in ways)} |\n"
        for name, row in found["clients"].items()
    ]
    return head + "".join(rows) + _FOOT


def _cell(ways: Mapping[str, Any], way: str) -> str:
    if way not in ways:
        return "not measured"
    seen = ways[way]
    missed = len(seen["unseen"])
    if missed == 0:
        return f"seen, {seen['cuts']} of {seen['cuts']}"
    if missed == seen["cuts"]:
        return "**looks complete**"
    formats = sorted({label.split()[0] for label in seen["unseen"]})
    return f"{', '.join(formats)} **looks complete** ({missed} of {seen['cuts']})"
