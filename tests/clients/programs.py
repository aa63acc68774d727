"""The clients that are programs: those of ``programs/``, curl and wget."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tests.clients.outcome import Connection, Outcome, Task, Trust

__all__ = ["INSTALLED", "PROGRAMS", "Client", "CommandLine", "Program", "version_of"]

INSTALLED = Path(__file__).parents[2] / ".build" / "clients"
"""Where ``install.sh`` puts everything."""
PROGRAMS = Path(__file__).parent / "programs"
SECONDS = 60.0
"""Limit of one program; a download takes a fraction of a second."""
EVERY = tuple(Connection)
NEVER_CLOSING = (Connection.KEPT, Connection.FRESH)


class Client(Protocol):
    """One row of the table."""

    @property
    def name(self) -> str:
        """For the reader: program, library and what reads the body."""

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections that it can be told to use."""

    @property
    def text(self) -> bool:
        """Whether it gives characters: bytes that are none have been replaced."""

    def version(self) -> str:
        """Of the program and library, for the table's foot."""

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Download one after the other."""


@dataclass(frozen=True)
class Program:
    """A program that reads tasks from standard input.

    Attributes:
        name: For the reader.
        command: How it is started.
        version_command: What prints its version.
        connections: What it can do.
        text: Whether it gives characters.
    """

    name: str
    command: Sequence[str]
    version_command: Sequence[str] = field(repr=False)
    connections: tuple[Connection, ...] = EVERY
    text: bool = False

    def version(self) -> str:
        """Of the runtime or library."""
        return version_of(self.version_command)

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """A process for the tasks on fresh connections, where each takes its own, and one for the others."""
        found: dict[int, Outcome] = {}
        fresh = [n for n, task in enumerate(tasks) if task.connection is Connection.FRESH]
        for group in (fresh, [n for n in range(len(tasks)) if n not in fresh]):
            if group:
                found.update(zip(group, self._answers([tasks[n] for n in group]), strict=True))
        return [found[n] for n in range(len(tasks))]

    def _answers(self, tasks: Sequence[Task]) -> list[Outcome]:
        lines = "".join(json.dumps(task.line()) + "\n" for task in tasks)
        done = subprocess.run(
            list(self.command),
            input=lines.encode(),
            capture_output=True,
            cwd=INSTALLED / "npm",
            env=_environment(tasks[0].trust),
            timeout=SECONDS,
            check=False,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        if len(answers) != len(tasks):
            raise RuntimeError(f"{self.name} answered {len(answers)} of {len(tasks)}: {done.stderr.decode()[-2000:]}")
        return [
            Outcome(answer["error"])
            if "error" in answer
            else Outcome(None, answer["status"], answer["bytes"], answer["sha256"])
            for answer in answers
        ]


@dataclass(frozen=True)
class CommandLine:
    """curl or wget, which write a file and end with a code."""

    name: str
    program: str
    options: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    connections: tuple[Connection, ...] = EVERY
    text: bool = False

    def version(self) -> str:
        """The first line of ``--version``."""
        return version_of([self.program, "--version"])

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """A process each."""
        return [self._run(task) for task in tasks]

    def _run(self, task: Task) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="polyglot-client-") as folder:
            first, target = Path(folder, "first"), Path(folder, "target")
            warm = ["-o", str(first), task.warm] if task.connection is Connection.KEPT else []
            output = ["-o", str(target), task.url]
            if self.program == "wget":
                # It writes everything behind each other into one file.
                warm, output = ([task.warm] if warm else []), ["-O", str(target), task.url]
            closing = self.closing if task.connection is Connection.CLOSING else ()
            trusting = [f"--ca-certificate={task.trust.ca}"] if self.program == "wget" and task.trust else []
            done = subprocess.run(
                [self.program, *self.options, *trusting, *closing, *warm, *output],
                capture_output=True,
                env=_environment(task.trust),
                timeout=SECONDS,
                check=False,
            )
            if done.returncode != 0:
                return Outcome(f"exit {done.returncode}: {done.stderr.decode(errors='replace').strip()[-300:]}")
            body = target.read_bytes()
        if self.program == "wget" and warm:
            body = body.split(b"}", 1)[1] if body.startswith(b"{") else body
        return Outcome(None, 200, len(body), hashlib.sha256(body).hexdigest())


def version_of(command: Sequence[str]) -> str:
    """The first number with a dot that a command prints."""
    done = subprocess.run(
        list(command), capture_output=True, text=True, check=True, timeout=SECONDS, env=_environment(), cwd=INSTALLED
    )
    printed = done.stdout + done.stderr
    found = re.search(r"\d+(\.\d+)+", printed)
    if found is None:
        raise RuntimeError(f"no version in what {' '.join(command)} printed: {printed[:200]}")
    return found.group()


def _environment(trust: Trust | None = None) -> dict[str, str]:
    """Nothing that sends a client over somebody's proxy, and whom it trusts, in the words of each of them."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    # The last two are Deno's: it asks for a newer version otherwise.
    kept |= {"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1"}
    if trust is not None:
        kept |= dict.fromkeys(
            ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "DENO_CERT"), str(trust.ca)
        )
        kept["JAVA_TOOL_OPTIONS"] = f"-Djavax.net.ssl.trustStore={trust.java} -Djavax.net.ssl.trustStorePassword=trust"
    return kept
