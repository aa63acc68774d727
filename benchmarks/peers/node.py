"""The usual pipeline in Node: pg-cursor, and csv-stringify or JSON.stringify.

``NODE_PATH``, or a folder ``node_modules`` below the working folder, has the packages: ``npm install pg pg-cursor
csv-stringify``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar

from benchmarks.peers.base import Job, Peer

__all__ = ["NodeReference"]

SCRIPT = Path(__file__).with_name("node.cjs")
PACKAGES = ("pg", "pg-cursor", "csv-stringify")
CHECK_SECONDS = 30


class NodeReference(Peer):
    """Rows as objects, 1,000 at a time."""

    name: ClassVar[str] = "Node (pg-cursor)"
    cases: ClassVar[tuple[str, ...]] = ("csv", "json", "csv.gz")

    def missing(self) -> str | None:
        """Node, and three packages of npm."""
        if shutil.which("node") is None:
            return "node is not on PATH"
        code = "; ".join(f"require.resolve('{name}', {{paths: [process.cwd(), ...module.paths]}})" for name in PACKAGES)
        done = subprocess.run(["node", "-e", code], capture_output=True, check=False, timeout=CHECK_SECONDS)
        return (
            None
            if done.returncode == 0
            else f"Node finds no {', '.join(PACKAGES)} (NODE_PATH, or node_modules in this folder)"
        )

    def command(self, job: Job) -> list[str]:
        """The script, which looks for its packages in the working folder."""
        return ["node", str(SCRIPT), os.getcwd(), job.case, job.name, job.path]  # noqa: PTH109
