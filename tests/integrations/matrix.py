"""What clients see when a backend is terminated in the middle of an export, behind each server and application."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import psycopg

from tests.clients.browser import Browser
from tests.integrations.servers import ASGI_SHAPES, SERVERS, WSGI_SHAPES, Server, running

__all__ = ["COMPLETE", "HANGS", "SEEN", "TABLES", "matrix", "versions"]

TABLES = """
CREATE TABLE orders AS SELECT g AS id, repeat(md5(g::text), 32) AS note FROM generate_series(1, 3000) AS g;
CREATE VIEW broken AS
SELECT id, note, CASE WHEN id = 2500 THEN pg_terminate_backend(pg_backend_pid()) END AS ended FROM orders
"""
"""3 MB, and a view whose reader is terminated when most of it is read."""
SEEN, COMPLETE, HANGS = "seen", "looks complete", "hangs"
SECONDS = 20
"""Time after which a client gives up an answer that neither goes on nor ends; a download takes a tenth of one second on an idle machine."""

_FETCH = """async (url) => {
    try {
        const answer = await fetch(url, {cache: "no-store", signal: AbortSignal.timeout(%d)});
        return (await answer.arrayBuffer()).byteLength;
    } catch (error) {
        return error.name === "TimeoutError" ? "hangs" : "seen";
    }
}"""
_FETCHES = f"""(async (urls) => {{
    const found = [];
    for (const url of urls) found.push(await ({_FETCH % (SECONDS * 1000)})(url));
    return found;
}})"""
_NODE = f"Promise.all(JSON.parse(process.argv[1]).map({_FETCHES})).then((found) => console.log(JSON.stringify(found)))"

Cells = dict[str, str]


def matrix(dsn: str, shapes: Sequence[str] = (*ASGI_SHAPES, *WSGI_SHAPES)) -> dict[str, dict[str, Cells]]:
    """By server, application and client: whether the client saw the cut. Each of them also gets a whole file.

    Args:
        dsn: A database without the tables.
        shapes: The applications.
    """
    servers = [replace(each, shapes=tuple(shape for shape in each.shapes if shape in shapes)) for each in SERVERS]
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(TABLES)
        with connection.cursor().copy("COPY orders TO STDOUT (FORMAT csv, HEADER)") as copy:
            size = sum(len(piece) for piece in copy)
    with _all_running(servers, dsn) as urls:
        found: dict[str, dict[str, Cells]] = {each.name: {shape: {} for shape in each.shapes} for each in servers}
        with ThreadPoolExecutor(3) as pool:
            curls = pool.submit(_curls, servers, urls)
            fetches = pool.submit(_node, servers, urls)
            browser = pool.submit(_browser, servers, urls)
            answers = {"curl": curls.result(), "Node": fetches.result(), "Chromium": browser.result()}
    for client, sizes in answers.items():
        for (name, shape, kind), answer in sizes.items():
            if kind == "orders":
                assert answer == size, f"{client} got {answer} of {size} bytes of {shape} from {name}"
            else:
                label = client if kind == "broken" else f"{client}, HTTP/2"
                found[name][shape][label] = answer if isinstance(answer, str) else COMPLETE
    return found


def versions() -> dict[str, str]:
    """Of servers and clients."""
    found = {server.name: server.version for server in SERVERS}
    for client, command in (("curl", "curl"), ("Node", "node"), ("Chromium", "chromium-headless-shell")):
        found[client] = _version_of(command)
    return found


def _version_of(command: str) -> str:
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    number = re.search(r"\d+(\.\d+)+", done.stdout)
    assert number is not None, done.stdout
    return number.group()


Answers = dict[tuple[str, str, str], int | str]
Key = tuple[Server, str, str]


@contextmanager
def _all_running(servers: Sequence[Server], dsn: str) -> Iterator[Mapping[str, str]]:
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        contexts = [running(server, dsn) for server in servers]
        for context in contexts:
            stack.push(context.__exit__)
        yield dict(
            zip([server.name for server in servers], pool.map(lambda each: each.__enter__(), contexts), strict=True)
        )


def _curls(servers: Sequence[Server], urls: Mapping[str, str]) -> Answers:
    """One after the other at each server, as the other clients do: an application has room for a few."""
    with ThreadPoolExecutor(len(servers)) as pool:
        done = pool.map(lambda server: {key: _curl(key, urls) for key in _keys(server, http2=server.http2)}, servers)
        return {(server.name, shape, kind): size for each in done for (server, shape, kind), size in each.items()}


def _keys(server: Server, *, http2: bool = False) -> list[Key]:
    kinds = ("orders", "broken", "http2") if http2 else ("orders", "broken")
    return [(server, shape, kind) for shape in server.shapes for kind in kinds]


def _curl(task: Key, urls: Mapping[str, str]) -> int | str:
    server, shape, kind = task
    options = ["--http2-prior-knowledge"] if kind == "http2" else []
    url = urls[server.name] + server.path(shape, f"export/{'orders' if kind == 'orders' else 'broken'}")
    done = subprocess.run(
        [
            "curl",
            "-sS",
            "-f",
            "--noproxy",
            "*",
            "-m",
            str(SECONDS),
            "-w",
            "%{size_download}",
            "-o",
            "/dev/null",
            *options,
            url,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 28:
        return HANGS
    if done.returncode == 0:
        return int(done.stdout)
    return SEEN if kind != "orders" else f"{SEEN}: {done.stderr}"


def _node(servers: Sequence[Server], urls: Mapping[str, str]) -> Answers:
    keys = [_keys(server) for server in servers]
    addresses = [[urls[each.name] + each.path(shape, f"export/{kind}") for each, shape, kind in some] for some in keys]
    done = subprocess.run(
        ["node", "-e", _NODE, json.dumps(addresses)], capture_output=True, text=True, check=True, timeout=60
    )
    return _named([key for some in keys for key in some], [size for some in json.loads(done.stdout) for size in some])


def _browser(servers: Sequence[Server], urls: Mapping[str, str]) -> Answers:
    found: Answers = {}
    with Browser() as browser:
        for server in servers:
            keys = _keys(server)
            browser.open(urls[server.name] + server.path(server.shapes[0], ""))
            paths = [server.path(shape, f"export/{kind}") for _, shape, kind in keys]
            found |= _named(keys, browser.evaluate(f"{_FETCHES}({json.dumps(paths)})"))
    return found


def _named(keys: Sequence[Key], answers: Sequence[Any]) -> Answers:
    return {(server.name, shape, kind): answer for (server, shape, kind), answer in zip(keys, answers, strict=True)}
