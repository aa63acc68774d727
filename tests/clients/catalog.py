"""The clients of the table, in its order."""

from __future__ import annotations

from collections.abc import Iterator

from tests.clients.browser import Chromium
from tests.clients.outcome import Connection
from tests.clients.programs import EVERY, INSTALLED, NEVER_CLOSING, PROGRAMS, Client, CommandLine, Program

__all__ = ["CLIENTS", "QUICK"]

_JAVASCRIPT = str(INSTALLED / "npm" / "client.mjs")
_MODULES = INSTALLED / "npm" / "node_modules"
_NODE = str(INSTALLED / "node")
"""That of the wheel, which brings npm: version 24."""
_NODES = {
    "18": str(_MODULES / "node18" / "bin" / "node"),
    "20": str(_MODULES / "node20" / "bin" / "node"),
    "22": str(_MODULES / "node22" / "bin" / "node"),
    "24": _NODE,
    "26": str(_MODULES / "node26" / "bin" / "node"),
}
_FETCH_BODIES = {
    "arrayBuffer": "`arrayBuffer()`",
    "text": "`text()`",
    "reader": "`body.getReader()`",
    "pipeline": "`stream/promises`",
}
_LIBRARIES = {
    "undici.request": "`request()`",
    "undici.stream": "`stream()`",
    "undici.fetch": "`fetch()`",
    "axios.buffer": "`arraybuffer`",
    "axios.stream": "`stream`",
    "axios.fetch": "adapter `fetch`",
    "got.buffer": "`buffer()`",
    "got.stream": "`stream()`",
}
_PYTHON = str(INSTALLED / "venv" / "bin" / "python")
_PYTHON_WAYS = {
    "requests.content": "`content`",
    "requests.stream": "`iter_content()`",
    "httpx.content": "`content`",
    "httpx.stream": "`iter_bytes()`",
    "aiohttp.content": "`read()`",
    "aiohttp.stream": "`iter_chunked()`",
    "urllib.read": "`read()`",
    "urllib.copyfileobj": "`shutil.copyfileobj`",
    "http.client": "`read()`",
}


def _fetches(runtime: str, command: list[str], version: list[str]) -> Iterator[Program]:
    for way, words in _FETCH_BODIES.items():
        yield Program(f"{runtime}, `fetch`, {words}", [*command, f"fetch.{way}"], version, NEVER_CLOSING, way == "text")


def _nodes() -> Iterator[Program]:
    for number, node in _NODES.items():
        yield from _fetches(f"Node.js {number}", [node, _JAVASCRIPT], [node, "--version"])
        yield Program(f"Node.js {number}, `node:http`", [node, _JAVASCRIPT, "http.get"], [node, "--version"])


def _libraries() -> Iterator[Program]:
    for way, words in _LIBRARIES.items():
        library = way.split(".")[0]
        installed = ["grep", '"version"', str(_MODULES / library / "package.json")]
        connections = NEVER_CLOSING if way == "axios.fetch" else EVERY
        yield Program(f"{library}, {words}", [_NODE, _JAVASCRIPT, way], installed, connections)


def _runtimes() -> Iterator[Program]:
    bun = str(_MODULES / "@oven" / "bun-linux-x64" / "bin" / "bun")
    deno = str(_MODULES / "@deno" / "linux-x64-glibc" / "deno")
    yield from _fetches("Bun", [bun, "run", _JAVASCRIPT], [bun, "--version"])
    yield from _fetches("Deno", [deno, "run", "-A", "--no-lock", _JAVASCRIPT], [deno, "--version"])


def _python() -> Iterator[Program]:
    for way, words in _PYTHON_WAYS.items():
        library = way.split(".")[0]
        version = [_PYTHON, "--version"]
        if library in {"requests", "httpx", "aiohttp"}:
            version = [_PYTHON, "-c", f"import {library}; print({library}.__version__)"]
        name = "http.client" if library == "http" else library
        connections = (Connection.CLOSING,) if library == "urllib" else EVERY
        yield Program(f"Python, {name}, {words}", [_PYTHON, str(PROGRAMS / "client.py"), way], version, connections)


def _others() -> Iterator[Client]:
    yield CommandLine("curl", "curl", ("-sS",), ("-H", "Connection: close"))
    # Its second try asks for a range, which the service refuses; tests/service/test_cut.py has that.
    yield CommandLine("wget", "wget", ("-nv", "--tries=1"), ("--no-http-keep-alive",))
    go = str(INSTALLED / "go-client")
    for way in ("ReadAll", "Copy"):
        yield Program(f"Go, net/http, `io.{way}`", [go, way], ["go", "version"])
    source = str(PROGRAMS / "Client.java")
    for way in ("HttpClient.ofByteArray", "HttpClient.ofFile", "HttpURLConnection"):
        closing = EVERY if way == "HttpURLConnection" else NEVER_CLOSING
        yield Program(f"Java, `{way}`", ["java", source, way], ["java", "-version"], closing)
    yield Chromium("Chromium, `fetch`, `arrayBuffer()`", "fetch.arrayBuffer")
    yield Chromium("Chromium, `fetch`, `text()`", "fetch.text", text=True)
    yield Chromium("Chromium, `fetch`, `body.getReader()`", "fetch.reader")
    yield Chromium("Chromium, `<a download>`", "download")


CLIENTS: tuple[Client, ...] = (*_nodes(), *_libraries(), *_runtimes(), *_python(), *_others())
_SECOND_WAYS = ("`iter_", "`stream()`", "`stream`", "copyfileobj", "http.client", "`fetch`, `text()`", "`fetch`, `body")
_QUICK = ("Node.js 20", "Node.js 24, `fetch`, `stream", "undici", "axios", "got", "Python", "curl", "wget", "Chromium")
QUICK: tuple[Client, ...] = tuple(
    client
    for client in CLIENTS
    if client.name.startswith(_QUICK) and not any(words in client.name for words in _SECOND_WAYS)
)
"""What the tests run each time, each library once or twice: what ``install.sh`` installs without ``all``, and
Debian's programs."""
