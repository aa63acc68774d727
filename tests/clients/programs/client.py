"""Python's clients, in the environment of ``tests/clients/requirements.txt``; the argument names one.

Lines of standard input and output as in ``client.mjs``.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable

Get = Callable[[str, bool], tuple[int, bytes]]
"""From an address, and whether to ask for ``Connection: close``, to status and body."""


def _headers(close: bool) -> dict[str, str]:
    return {"Connection": "close"} if close else {}


def _requests(way: str) -> Get:
    import requests

    session = requests.Session()

    def get(url: str, close: bool) -> tuple[int, bytes]:
        if way == "stream":
            with session.get(url, headers=_headers(close), stream=True) as answer:
                return answer.status_code, b"".join(answer.iter_content(65536))
        answer = session.get(url, headers=_headers(close))
        return answer.status_code, answer.content

    return get


def _httpx(way: str) -> Get:
    import httpx

    client = httpx.Client()

    def get(url: str, close: bool) -> tuple[int, bytes]:
        if way == "stream":
            with client.stream("GET", url, headers=_headers(close)) as answer:
                return answer.status_code, b"".join(answer.iter_bytes())
        answer = client.get(url, headers=_headers(close))
        return answer.status_code, answer.content

    return get


def _aiohttp(way: str) -> Get:
    import aiohttp

    loop = asyncio.new_event_loop()

    async def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    opened = loop.run_until_complete(session())

    async def fetch(url: str, close: bool) -> tuple[int, bytes]:
        async with opened.get(url, headers=_headers(close)) as answer:
            if way == "stream":
                return answer.status, b"".join([piece async for piece in answer.content.iter_chunked(65536)])
            return answer.status, await answer.read()

    return lambda url, close: loop.run_until_complete(fetch(url, close))


def _urllib(way: str) -> Get:
    """It has no pool: every request says ``Connection: close``."""

    def get(url: str, _: bool) -> tuple[int, bytes]:
        with urllib.request.urlopen(url) as answer:
            if way == "copyfileobj":
                with tempfile.TemporaryFile() as target:
                    shutil.copyfileobj(answer, target)
                    target.seek(0)
                    return answer.status, target.read()
            return answer.status, answer.read()

    return get


def _http_client(_: str) -> Get:
    kept: dict[str, http.client.HTTPConnection] = {}

    def get(url: str, close: bool) -> tuple[int, bytes]:
        scheme, _, host, path = url.split("/", 3)
        make = http.client.HTTPSConnection if scheme == "https:" else http.client.HTTPConnection
        connection = kept.pop(host, None) or make(host)
        connection.request("GET", f"/{path}", headers=_headers(close))
        answer = connection.getresponse()
        body = answer.read()
        kept[host] = connection
        return answer.status, body

    return get


CLIENTS = {
    "requests": _requests,
    "httpx": _httpx,
    "aiohttp": _aiohttp,
    "urllib": _urllib,
    "http": _http_client,
}


def main() -> None:
    """Answer each line of standard input."""
    library, way = sys.argv[1].split(".")
    get = CLIENTS[library](way)
    for line in sys.stdin:
        job = json.loads(line)
        try:
            if job["warm"]:
                get(job["warm"], False)
            status, body = get(job["url"], job["close"])
            found = {"status": status, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        # Whatever a library raises is an error that its user gets.
        except Exception as error:  # noqa: BLE001
            found = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
