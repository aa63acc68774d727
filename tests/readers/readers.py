"""The readers of the table: where each comes from, and how it is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

__all__ = ["BUILD", "READERS", "Reader"]

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / ".build" / "readers"
SECONDS = 600
"""For all files; Spark takes one or two minutes where the machine is busy."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A reader of Parquet."""

    title: str
    name: str
    """For ``programs/read.py``; empty where it has a program of its own."""
    environment: str = ""
    """The folder in ``.build/readers``; empty for those of ``.venv``, which the tests run."""
    package: str = ""
    """Whose version is shown."""

    @property
    def in_tests(self) -> bool:
        """Whether everybody has it who can run the tests."""
        return not self.environment

    @property
    def installed(self) -> bool:
        """Whether it is there."""
        return self.in_tests or ((BUILD / self.environment).exists() and Path(self._command()[0]).exists())

    def version(self) -> str:
        """As its package has it."""
        if self.in_tests:
            return version(self.package)
        if self.environment == "java":
            return _jar_version("parquet-hadoop")
        if self.environment == "go":
            return _go_version()
        return _package_version(self._command()[0], self.package)

    def read(self, paths: Sequence[Path]) -> list[dict[str, Any]]:
        """What it prints for each file. A reader that dies leaves out the files behind."""
        run = subprocess.run(
            [*self._command(), *map(str, paths)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS,
            check=False,
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "TZ": "UTC", "HOME": str(Path.home())},
        )
        answers = [json.loads(line) for line in run.stdout.decode().splitlines() if line.startswith("{")]
        if len(answers) != len(paths):
            raise RuntimeError(f"{self.title} answered for {len(answers)} of {len(paths)} files")
        return answers

    def _command(self) -> list[str]:
        if self.environment == "go":
            return [str(BUILD / "go" / "read")]
        if self.environment == "java":
            return ["/usr/bin/java", "-cp", f"{BUILD / 'java'}:{_jars()}/*", "ReadParquet"]
        python = sys.executable if self.in_tests else str(BUILD / self.environment / "bin" / "python")
        return [python, str(HERE / "programs" / "read.py"), self.name]


def _jars() -> Path:
    """Those that come with PySpark have parquet-java, too."""
    return next((BUILD / "spark4").glob("lib/python*/site-packages/pyspark/jars"))


def _jar_version(name: str) -> str:
    (jar,) = _jars().glob(f"{name}-*.jar")
    return jar.stem.removeprefix(f"{name}-")


def _go_version() -> str:
    found = re.search(r"parquet-go v(\S+)", (HERE / "programs" / "go" / "go.mod").read_text(encoding="utf-8"))
    return found[1] if found else ""


def _package_version(python: str, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, check=True, text=True).stdout.strip()


READERS = (
    Reader("pyarrow", "pyarrow", package="pyarrow"),
    Reader("pandas", "pandas", package="pandas"),
    Reader("polars", "polars", package="polars"),
    Reader("DuckDB", "duckdb", package="duckdb"),
    Reader("fastparquet", "fastparquet", package="fastparquet"),
    Reader("Spark", "spark", "spark35", "pyspark"),
    Reader("Spark", "spark", "spark4", "pyspark"),
    Reader("ClickHouse (chdb)", "chdb", "chdb", "chdb"),
    Reader("parquet-java", "", "java"),
    Reader("parquet-go", "", "go"),
    Reader("arrow-rs (DataFusion)", "datafusion", "datafusion", "datafusion"),
)
"""As columns, from left to right."""
