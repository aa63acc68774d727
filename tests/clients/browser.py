"""Chromium as a client, driven over its debugging pipe: ``fetch`` on a page of the service, and ``<a download>``.

The pipe has JSON messages that end with a NUL (DevTools Protocol, ``--remote-debugging-pipe``: descriptors 3 and 4).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.clients.outcome import Connection, Outcome, Task
from tests.clients.programs import NEVER_CLOSING, version_of

__all__ = ["Browser", "Chromium", "browser_program"]

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser")
SECONDS = 60.0
_FETCH = """(async () => {
    try {
        const answer = await fetch(%s, {cache: "no-store"});
        const body = new Uint8Array(await (%s)(answer));
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
        const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
        return {status: answer.status, bytes: body.length, sha256};
    } catch (error) {
        return {error: String(error)};
    }
})()"""
_BODIES = {
    "fetch.arrayBuffer": "(answer) => answer.arrayBuffer()",
    "fetch.text": "async (answer) => new TextEncoder().encode(await answer.text())",
    "fetch.reader": """async (answer) => {
        const reader = answer.body.getReader(), pieces = [];
        for (let read = await reader.read(); !read.done; read = await reader.read()) pieces.push(read.value);
        return new Blob(pieces).arrayBuffer();
    }""",
}
_CLICK = """(() => {
    const link = document.createElement("a");
    link.href = %s;
    link.download = "";
    document.body.append(link);
    link.click();
})()"""


def browser_program() -> str:
    """The installed Chromium.

    Raises:
        RuntimeError: There is none.
    """
    for name in PROGRAMS:
        if (found := shutil.which(name)) is not None:
            return found
    raise RuntimeError("Chromium is missing; tools/system-packages.sh installs it")


@dataclass(frozen=True)
class Chromium:
    """One way to download: ``fetch.…`` or ``download``."""

    name: str
    way: str
    connections: tuple[Connection, ...] = NEVER_CLOSING
    text: bool = False

    def version(self) -> str:
        """Of the browser."""
        return version_of([browser_program(), "--version"])

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """One browser for all."""
        with Browser(tasks[0].trust.spki if tasks[0].trust else None) as browser:
            return [self._download(browser, task) for task in tasks]

    def _download(self, browser: Browser, task: Task) -> Outcome:
        # The page is one of the service itself. Its connection is the one that is kept.
        browser.open(task.warm)
        if task.connection is Connection.FRESH:
            browser.close_connections()
        if self.way == "download":
            return browser.click(task.url)
        answer = browser.evaluate(_FETCH % (json.dumps(task.url), _BODIES[self.way]))
        if "error" in answer:
            return Outcome(answer["error"])
        return Outcome(None, answer["status"], answer["bytes"], answer["sha256"])


class Browser:
    """A fresh headless browser with one page."""

    def __init__(self, spki: str | None = None) -> None:
        """Set up.

        Args:
            spki: The digest of the only key whose certificate is taken without an authority.
        """
        self._trusted = [f"--ignore-certificate-errors-spki-list={spki}"] if spki is not None else []
        self._folder = Path(tempfile.mkdtemp(prefix="polyglot-browser-"))
        self._buffer = b""
        self._messages = 0
        self._session: str | None = None
        self._events: list[Any] = []

    def __enter__(self) -> Self:
        theirs_in, self._out = _pipe(0)
        theirs_out, self._in = _pipe(1)
        command = [
            browser_program(), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={self._folder / 'profile'}",
            *self._trusted,
        ]  # fmt: skip
        place = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", place, "bash", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs_in, theirs_out),
                start_new_session=True,
            )
        os.close(theirs_in)
        os.close(theirs_out)
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=SECONDS)
        os.close(self._in)
        os.close(self._out)
        shutil.rmtree(self._folder, ignore_errors=True)

    def open(self, url: str) -> None:
        """Show a page."""
        self._events.clear()
        self._call("Page.navigate", url=url)
        self._wait(lambda event: event["method"] == "Page.loadEventFired")

    def close_connections(self) -> None:
        """What the page's own connections were."""
        self._call("Network.enable")
        self._call(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
        self._call(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    def evaluate(self, expression: str) -> Any:
        """The value of a promise on the page."""
        answer = self._call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        return answer["result"]["value"]

    def click(self, url: str) -> Outcome:
        """Click a link with the attribute ``download`` and wait for the end of the download."""
        target = self._folder / "downloads"
        target.mkdir(exist_ok=True)
        self._call("Browser.setDownloadBehavior", behavior="allowAndName", downloadPath=str(target), eventsEnabled=True)
        self._events.clear()
        self._call("Runtime.evaluate", expression=_CLICK % json.dumps(url))
        ended = self._wait(
            lambda event: (
                event["method"].endswith(".downloadProgress") and event["params"]["state"] in {"completed", "canceled"}
            )
        )
        if ended["params"]["state"] != "completed":
            return Outcome(f"the download is shown as failed ({ended['params']['state']})")
        body = (target / ended["params"]["guid"]).read_bytes()
        return Outcome(None, 200, len(body), hashlib.sha256(body).hexdigest())

    def _call(self, method: str, **parameters: object) -> Any:
        self._messages += 1
        number = self._messages
        message: dict[str, object] = {"id": number, "method": method, "params": parameters}
        if self._session is not None and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer = self._next(lambda found: found.get("id") == number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _wait(self, wanted: Callable[[Any], bool]) -> Any:
        for event in self._events:
            if wanted(event):
                return event
        return self._next(lambda found: "method" in found and wanted(found))

    def _next(self, wanted: Callable[[Any], bool]) -> Any:
        """The next message that is wanted; events before it are kept."""
        deadline = time.monotonic() + SECONDS
        while True:
            while b"\0" in self._buffer:
                text, self._buffer = self._buffer.split(b"\0", 1)
                found = json.loads(text)
                if "method" in found:
                    self._events.append(found)
                if wanted(found):
                    return found
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._in, 1 << 20) if ready else b""
            if not piece:
                log = (self._folder / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the browser said nothing more: {log}")
            self._buffer += piece


def _pipe(theirs: int) -> tuple[int, int]:
    """A pipe; gives the browser's end, which is the first (0) or second (1) of it, and ours.

    The browser's end becomes its descriptor 3 or 4, so its number here must be neither.
    """
    ends = os.pipe()
    high = fcntl.fcntl(ends[theirs], fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(ends[theirs])
    return high, ends[1 - theirs]
