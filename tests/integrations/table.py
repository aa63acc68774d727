"""``docs/reference/web-servers.md``, made of what ``python -m tests.integrations.measure`` has found.

``python -m tests.integrations.table`` writes the page; lint compares the two.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tests.integrations.matrix import COMPLETE
from tools.generated import keep

__all__ = ["MEASURED", "page"]

MEASURED = Path(__file__).parent / "measured.json"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "web-servers.md"
CLIENTS = ("curl", "curl, HTTP/2", "Node", "Chromium")
_WORDS = {
    "plain": "FastAPI",
    "between": "FastAPI with a middleware",
    "guarded": "FastAPI, `CutBroken`",
    "guarded_between": "FastAPI with a middleware, `CutBroken`",
    "django": "Django, ASGI",
    "guarded_django": "Django, ASGI, `CutBroken`",
    "wsgi": "Django, WSGI",
}
_HEAD = """\
# Which web server shows a cut

Written by `python -m tests.integrations.table`. Do not edit it by hand.

{what}

| server | application | {clients} |
| --- | --- | {rule} |
"""
_WHAT = """\
An export that fails in its middle must not look like a finished file. This is what clients saw of an
[`ExportResponse`](../howto/web-applications.md) whose database backend was terminated when most of the file was sent;
measured on {date} by `python -m tests.integrations.measure` with {versions}. "Seen" means that the client reported an
error; every client also got each export that was not cut, byte for byte. "Hangs" means that after twenty seconds the
answer neither went on nor ended. "With a middleware" is one made with `@app.middleware("http")`. The tests repeat the
rows that say `CutBroken` or WSGI.
"""
_FOOT = """
- **Wrap every ASGI application with `CutBroken`.** Without it a middleware of that kind ends the body in good order
  behind every server, daphne does not end it at all, and hypercorn's HTTP/2 leaves the client waiting until the
  connection has been idle for five seconds.
- **`fetch` of Node.js 18 and 20 does not see a cut behind gunicorn's `sync` workers and `runserver`.** Both announce
  `Connection: close`, and with that header undici takes whatever ends the connection for the end of the body. Use
  `gthread` workers.
- A proxy in between has its own way with a broken body: [the proxies' table](../operations.md#a-proxy-in-front).
- HTTP/1.0 has no way to show a cut; it is answered `426` behind each of these servers.
- **daphne keeps what it has not sent in memory, without a limit**: a client that reads slowly there makes the process
  grow by the size of its file. All others wait for the client.
"""


def page() -> str:
    """The page as it must be."""
    found = json.loads(MEASURED.read_text(encoding="utf-8"))
    what = _WHAT.format(date=found["date"], versions=_listed(found["versions"]))
    head = _HEAD.format(
        what=textwrap.fill(what, 120, break_long_words=False, break_on_hyphens=False),
        clients=" | ".join(CLIENTS),
        rule=" | ".join("---" for _ in CLIENTS),
    )
    rows = [
        f"| {server} | {_WORDS[shape]} | {' | '.join(_cell(cells.get(client)) for client in CLIENTS)} |\n"
        for server, shapes in found["seen"].items()
        for shape, cells in shapes.items()
    ]
    return head + "".join(rows) + _FOOT


def _listed(versions: Mapping[str, str]) -> str:
    """Each program once; several rows are of one server."""
    programs = {name.partition(" (")[0]: number for name, number in versions.items()}
    return ", ".join(f"{name} {number}" for name, number in programs.items())


def _cell(seen: str | None) -> str:
    if seen is None:
        return "–"
    return f"**{seen}**" if seen == COMPLETE else seen


def main() -> int:
    """Write or check; gives the exit code."""
    return keep(PAGE, page(), "tests.integrations.table")


if __name__ == "__main__":
    raise SystemExit(main())
