"""What it costs to know who asks and to write it down: ``python -m benchmarks.callers``.

Services that differ in one thing each export four rows over HTTP, in turn and again and again: a request that makes the
export, and one that downloads it. Writes the processor time of the service into docs/performance.md.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.pages import write_into
from polyglot_export.access.keys import hash_key
from polyglot_export.testing.postgres import EmbeddedServer

__all__ = ["Kind", "cpu_seconds", "main", "measured"]

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
ISSUER, AUDIENCE = "https://id.example.com", "polyglot"
READY_SECONDS = 30.0


@dataclass(frozen=True)
class Kind:
    """A service, and how its caller is known."""

    name: str
    token: bool = False
    audit: bool = False
    fsync: bool = False


KINDS = (
    Kind("a key"),
    Kind("a token (RS256)", token=True),
    Kind("a key, audit log", audit=True),
    Kind("a token, audit log", token=True, audit=True),
    Kind("a token, audit log with fsync", token=True, audit=True, fsync=True),
)


@dataclass(frozen=True)
class Running:
    """A service that runs."""

    kind: Kind
    pid: int
    client: http.client.HTTPConnection
    credential: str

    def export(self, count: int) -> None:
        """So many exports, one after the other.

        Raises:
            SystemExit: One failed.
        """
        headers = {"Authorization": f"Bearer {self.credential}", "Content-Type": "application/json"}
        for _ in range(count):
            made = json.loads(self._asked("POST", "/exports", headers, b'{"format": "csv", "dataset": "four"}', 201))
            self._asked("GET", f"/exports/{made['exportId']}/download", headers, None, 200)

    def _asked(self, method: str, path: str, headers: dict[str, str], body: bytes | None, expected: int) -> bytes:
        self.client.request(method, path, body, headers)
        answer = self.client.getresponse()
        content = answer.read()
        if answer.status != expected:
            raise SystemExit(f"{self.kind.name}: {method} {path} is answered {answer.status}: {content.decode()}")
        return content


def cpu_seconds(pid: int) -> float:
    """Processor seconds of a process up to now, its own and the kernel's for it (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(kind: Kind, dsn: str, folder: Path) -> Iterator[Running]:
    """The service, on a port that it chooses."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    folder.mkdir()
    key = secrets.token_urlsafe(32)
    signer = RSAKey.generate_key(2048, {"kid": "one"})
    (folder / "jwks.json").write_text(json.dumps({"keys": [signer.as_dict(private=False)]}))
    known = f'[keys.app]\nhash = "{hash_key(key)}"\n'
    if kind.token:
        known = f'[issuers.company]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks = "{folder}/jwks.json"\n'
    (folder / "polyglot.toml").write_text(f'[datasets.four]\ntable = "public.four"\n{known}')
    at = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": at, "exp": at + 36_000}
    credential = jwt.encode({"alg": "RS256", "kid": "one"}, claims, signer) if kind.token else key
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("POLYGLOT_", "PG"))}
    variables = {**kept, "DATABASE_URL": dsn, "HOST": "127.0.0.1", "PORT": "0"}
    variables |= {"POLYGLOT_CONFIG": str(folder / "polyglot.toml"), "POLYGLOT_AUDIT_FSYNC": str(kind.fsync).lower()}
    if kind.audit:
        variables["POLYGLOT_AUDIT_LOG"] = str(folder / "audit.log")
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "polyglot_export", "serve"]
        process = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    try:
        port = _port(process, folder / "log")
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as client:
            yield Running(kind, process.pid, client, credential)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    ends = time.monotonic() + READY_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        found = re.search(r"service started.*?127\.0\.0\.1:(\d+)", log.read_text())
        if found is not None:
            return int(found[1])
        time.sleep(0.05)
    raise SystemExit(f"the service did not start: {log.read_text()}")


def measured(kinds: Sequence[Kind], rounds: int, exports: int) -> dict[Kind, list[float]]:
    """Processor seconds of an export, a figure for each round; the services have their turns in each of them."""
    found: dict[Kind, list[float]] = {kind: [] for kind in kinds}
    with ExitStack() as stack:
        server = stack.enter_context(EmbeddedServer())
        folder = Path(tempfile.mkdtemp())
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(
                "CREATE TABLE four AS SELECT g AS id, 'name ' || g AS name, now() AS at FROM generate_series(1, 4) AS g"
            )
        services = [
            stack.enter_context(running(kind, server.dsn(), folder / str(number))) for number, kind in enumerate(kinds)
        ]
        for service in services:
            service.export(10)
        for _ in range(rounds):
            for service in services:
                before = cpu_seconds(service.pid)
                service.export(exports)
                found[service.kind].append((cpu_seconds(service.pid) - before) / exports)
    return found


def table(found: dict[Kind, list[float]]) -> str:
    """What stands on the page: the median of each, and of its ratio to the first one in the same round."""
    (base, *_) = found
    lines = ["| the caller has | milliseconds | beside a key alone |", "| --- | --- | --- |"]
    for kind, seconds in found.items():
        ratio = statistics.median(each / alone for each, alone in zip(seconds, found[base], strict=True))
        lines.append(f"| {kind.name} | {statistics.median(seconds) * 1000:.2f} | {ratio:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each service (default 7)")
    parser.add_argument("--exports", type=int, default=200, help="of each turn (default 200)")
    given = parser.parse_args()
    text = table(measured(KINDS, given.rounds, given.exports))
    print(text)
    write_into(PAGE, "callers", text, "python -m benchmarks.callers")


if __name__ == "__main__":
    main()
