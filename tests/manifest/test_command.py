"""``polyglot verify``: a line for each fault, and an exit code that says whether all of it holds."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from polyglot_export.cli import main
from tests.manifest.sets import made, paths


@pytest.fixture(scope="module")
def dsn(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE orders AS SELECT g AS id FROM generate_series(1, 100) g")
    return module_dsn


class Ran:
    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.code = main._run(["verify", *arguments])
        self.out, self.err = capsys.readouterr()


def test_all_of_it_holds(dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made(dsn, tmp_path, ["orders"])
    ran = Ran(capsys, str(tmp_path), "--workers", "2")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith("polyglot: 2 files, ")
    assert ran.err.endswith(" s: all of it holds\n")
    assert ", 200 rows in " in ran.err
    quiet = Ran(capsys, str(tmp_path), "--quiet")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


def test_a_line_for_each_fault(dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = made(dsn, tmp_path, ["orders"])
    first, second = paths(manifest)
    (tmp_path / first).unlink()
    (tmp_path / second).write_bytes(b"id\n" + b"\n" * ((tmp_path / second).stat().st_size - 3))
    (tmp_path / "new\nline").write_bytes(b"")
    ran = Ran(capsys, str(tmp_path))
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "extra     new; line: the manifest does not name it",
        f"missing   {first}: it is not there",
        f"changed   {second}: its bytes are not those that were written (SHA-256 differs)",
    ]
    assert ran.err.endswith(": 3 faults\n")
    assert Ran(capsys, str(tmp_path), "--quiet").out == ran.out


def test_no_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, str(tmp_path))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"polyglot: there is no manifest.json in {tmp_path}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [((), "DEST"), (("x", "--workers", "0"), "--workers"), (("ftp://x",), "ftp://x"), (("x", "--fast"), "options are")],
)
def test_wrong_use(arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran = Ran(capsys, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1
