"""The usual pipeline in Node: pg-cursor, and csv-stringify or JSON.stringify.

Its packages are those of ``install.sh``, or of ``NODE_PATH``: ``npm install pg pg-cursor csv-stringify``.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from benchmarks.peers.base import BUILD, CHECK_SECONDS, Job, Peer

__all__ = ["NodeReference"]

SCRIPT = Path(__file__).with_name("node.cjs")
PACKAGES = ("pg", "pg-cursor", "csv-stringify")
FOLDER = BUILD / "npm"


class NodeReference(Peer):
    """Rows as objects, 1,000 at a time."""

    name: ClassVar[str] = "Node (pg-cursor)"
    cases: ClassVar[tuple[str, ...]] = ("csv", "json", "csv.gz")
    package: ClassVar[str | None] = "node"

    def missing(self) -> str | None:
        """Node, and three packages of npm."""
        if shutil.which("node") is None:
            return "node is not on PATH"
        paths = f"{{paths: [{str(FOLDER)!r}, ...module.paths]}}"
        code = "; ".join(f"require.resolve('{name}', {paths})" for name in PACKAGES)
        done = subprocess.run(["node", "-e", code], capture_output=True, check=False, timeout=CHECK_SECONDS)
        return None if done.returncode == 0 else f"Node finds no {', '.join(PACKAGES)} (install.sh, or NODE_PATH)"

    def version(self) -> str | None:
        """That of Node."""
        done = subprocess.run(["node", "--version"], capture_output=True, check=True, text=True, timeout=CHECK_SECONDS)
        return done.stdout.strip().removeprefix("v")

    def command(self, job: Job) -> list[str]:
        """The script, which is told where its packages are."""
        return ["node", str(SCRIPT), str(FOLDER), job.case, job.name, job.path]
