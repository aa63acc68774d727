"""What an export into an object store costs beside one into a file: ``python -m benchmarks.object_store``.

The store is ``null_store.py``, a process of its own that drops what it is sent, so that what is measured is our upload.
Each pair is a file and an upload, one after the other; the ratio is the median of theirs.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from polyglot_export.testing.postgres import EmbeddedServer
from polyglot_export.testing.records import fill_records
from polyglot_export.testing.usage import Usage, measure
from polyglot_export.text.tables import aligned

CASES = ("csv", "parquet", "csv.gz")
READY_SECONDS = 20.0


@contextlib.contextmanager
def null_store() -> Iterator[dict[str, str]]:
    """The server; gives the variables by which the program finds it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    with subprocess.Popen([sys.executable, "-m", "benchmarks.null_store", str(port)]) as process:
        try:
            deadline = time.monotonic() + READY_SECONDS
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.05)
            keys = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}
            yield {**keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_UNSIGNED_PAYLOAD": "true"}
        finally:
            process.terminate()


def exported(dsn: str, output: str, env: dict[str, str]) -> Usage:
    """What one export of ``records`` costs."""
    command = [str(Path(sys.executable).with_name("polyglot")), "export", "records", "--quiet", "-o", output]
    usage = measure([*command, "--dsn", dsn], env={**os.environ, **env})
    if usage.exit_code != 0:
        raise SystemExit(f"the export into {output} failed: {usage.errors}")
    return usage


def compared(dsn: str, pairs: int) -> list[tuple[str, ...]]:
    """A row for each case: the seconds of both, their ratio, and the memory of the upload."""
    rows = []
    with null_store() as env, tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            files = []
            uploads = []
            for _ in range(pairs):
                files.append(exported(dsn, f"{folder}/records.{case}", {}))
                uploads.append(exported(dsn, f"s3://null/records.{case}", env))
            ratio = statistics.median(
                upload.seconds / file.seconds for file, upload in zip(files, uploads, strict=True)
            )
            times = (f"{statistics.median(each.seconds for each in group):.2f}" for group in (files, uploads))
            peaks = (f"{max(each.peak for each in group) / 1e6:.0f}" for group in (files, uploads))
            rows.append((case, *times, f"{ratio:.2f}", *peaks))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    with EmbeddedServer() as server:
        fill_records(server.dsn(), given.rows, lambda _: None)
        rows = compared(server.dsn(), given.pairs)
    print(aligned(("FORMAT", "FILE s", "OBJECT s", "RATIO", "FILE MB", "OBJECT MB"), rows, right=(1, 2, 3, 4, 5)))


if __name__ == "__main__":
    main()
