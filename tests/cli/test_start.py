"""What a start of the command costs, as far as it can be counted without a clock: what is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import ITEMS
from tests.fixtures.process import environment

PROGRAM = "import sys; sys.argv[0] = 'polyglot'; from polyglot_export.cli.main import main; main()"
SLOW = {
    *("pydantic", "pydantic_core", "rich", "typer", "hmac", "tomllib", "importlib.metadata", "email.parser"),
    *("obstore", "botocore", "google.auth"),
}
"""What an export from the command line has no use for, whatever it asks for."""


@pytest.mark.parametrize(
    "arguments",
    [
        ["items", "-f", "csv"],
        ["items", "-o", "x.parquet", "--columns", "id", "--where", "id < 3", "--order-by", "id", "-O", "arrays=json"],
    ],
)
def test_an_export_imports_nothing_slow(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, arguments: list[str]
) -> None:
    conn.execute(ITEMS)
    command = [sys.executable, "-X", "importtime", "-c", PROGRAM, "export", *arguments, "--dsn", dsn, "--quiet"]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "psycopg" in imported
    assert not imported & SLOW


QUICK = """
import sys
from polyglot_export.cli.quick import import_psycopg
{before}
import_psycopg()
import psycopg, psycopg_binary
print("importlib.metadata" in sys.modules)
from importlib import metadata
assert metadata.distribution("psycopg").version == psycopg.__version__
assert metadata.version("psycopg-binary") == psycopg_binary.__version__
print(psycopg.pq.__impl__)
"""


@pytest.mark.parametrize(
    ("before", "loaded"),
    [("", False), ("from pathlib import Path; Path.glob = lambda *_: ()", True), ("import importlib.metadata", True)],
)
def test_psycopg_knows_its_version(before: str, loaded: bool) -> None:
    """Also where the installer's folder is not found, as in a program that is one file."""
    command = [sys.executable, "-c", QUICK.format(before=before)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == [str(loaded), psycopg.pq.__impl__]
