"""Wrong use: exit code 2, one line, and what is allowed. No database is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from polyglot_export.cli import commands
from polyglot_export.cli.commands import command_names, find_command
from polyglot_export.cli.main import app
from polyglot_export.errors import PolyglotError, SpecError
from tests.cli.helpers import complaint, succeeded
from tests.fixtures.process import Cli, environment
from tools import cli_reference

HEAVY = {"psycopg", "pydantic", "pydantic_core", "rich", "fastapi", "starlette", "uvicorn", "polyglot_export._core"}


def subclasses(kind: type[PolyglotError]) -> set[type[PolyglotError]]:
    """A class and all below it."""
    return {kind}.union(*(subclasses(each) for each in kind.__subclasses__()))


def test_every_error_has_an_exit_code() -> None:
    from polyglot_export.cli.main import exit_code

    codes = {
        kind: exit_code(kind("dataset", "x") if issubclass(kind, SpecError) else kind("x"))
        for kind in subclasses(PolyglotError)
    }
    assert set(codes.values()) == {1, 2}
    assert {kind for kind, code in codes.items() if code == 2} == subclasses(SpecError)


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), *((command, "--help") for command in command_names())])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    program = "import sys; sys.argv[0] = 'polyglot'; from polyglot_export.cli.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", program, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("Usage: polyglot")
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "click" in imported
    assert not imported & HEAVY


def test_no_arguments_show_the_help(cli: Cli) -> None:
    done = cli()
    assert done.returncode == 2
    assert done.stdout == succeeded(cli("--help"))


def test_version(cli: Cli) -> None:
    from polyglot_export import _core

    assert succeeded(cli("--version")).decode() == f"polyglot {_core.version}\n"


def test_a_file_in_the_folder_is_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing else names the commands: help, complaints and the reference follow the folder."""
    (tmp_path / "wave.py").write_text(
        "import click\nHELP_POSITION = 0\n@click.command('wave')\ndef wave_command(): 'Wave a hand.'\n"
    )
    (tmp_path / "_shared.py").write_text("raise AssertionError('is no command')\n")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    assert command_names()[:2] == ["wave", "export"]
    page = cli_reference.page(command_names())
    assert "## polyglot wave" in page
    assert "## polyglot export" in page
    help_lines = CliRunner().invoke(app, ["--help"]).output.splitlines()
    assert next(line.split() for line in help_lines if "wave" in line) == ["wave", "Wave", "a", "hand."]
    assert find_command("_shared") is None
    assert find_command("nonsense") is None


def test_one_command_imports_no_other() -> None:
    program = (
        "import sys; from polyglot_export.cli.commands import find_command; find_command('keys'); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=True
    )
    imported = {name for name in done.stdout.split() if name.startswith("polyglot_export.cli.commands.")}
    assert imported == {"polyglot_export.cli.commands.keys"}


def test_the_reference_is_fresh() -> None:
    assert cli_reference.PAGE.read_text(encoding="utf-8") == cli_reference.page(command_names()), (
        "run python -m tools.cli_reference"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nonsense",), "No such command 'nonsense'; commands are export, "),
        (("--nonsense",), "No such option '--nonsense'; options are --version, "),
        (("export",), "name a table or view, or give --query"),
        (("export", "t", "--query", "select 1"), "give SOURCE or --query, not both"),
        (("export", "t", "u"), "export: Got unexpected extra argument (u)"),
        (("export", "t", "--nonsense"), "export: No such option '--nonsense'; options are --query, --query-file, "),
        (("export", "t", "--format"), "Option '--format' requires an argument"),
        (("export", "t", "-f", "xls"), "'xls' is not one of 'csv', 'tsv', "),
        (("export", "t", "--compression", "bzip2"), "'bzip2' is not one of 'gzip', 'zstd'"),
        (("export", "t", "--limit", "-1"), "'--limit'"),
        (("export", "t", "--limit", "many"), "'--limit'"),
        (("export", "t", "--workers", "0"), "'--workers'"),
        (("export", "t", "--columns", ""), "--columns '': a name is missing"),
        (("export", "t", "--columns", "a,a"), "columns: two columns have the target 'a'"),
        (("export", "t", "--columns", "a=x,b=x"), "columns: two columns have the target 'x'"),
        (("export", "t", "--where", "id ~ 1"), "--where 'id ~ 1': after the column comes one of the operators"),
        (("export", "t", "--order-by", "id:down"), "the direction of 'id' is asc or desc"),
        (("export", "t", "--option", "colour=red"), "csv has no such option; allowed are timeZone, "),
        (("export", "t", "--option", "delimiter=ab"), "--option delimiter: must be exactly one single-byte character"),
        (("export", "t", "--option", "header=perhaps"), "--option header: "),
        (
            ("export", "t", "-f", "parquet", "--option", "compression=brotli"),
            "'snappy', 'zstd', 'lz4_raw', 'gzip' or 'none'",
        ),
        (("export", "t", "-f", "parquet", "--compression", "gzip"), "is for text formats"),
        (("export", "t", "-o", "x.json", "-f", "csv"), "the name x.json says json, but --format says csv"),
        (("export", "t", "-o", "x.data"), "does not say which format it is"),
        (("export", "t", "-o", "."), "is a folder"),
        (("export", "t", "-o", "a.csv", "-o", "b.parquet"), "export: --output is given twice; it takes one value"),
        (("export", "t", "-f", "csv", "--format=json"), "export: --format is given twice"),
        (("explain", "t", "-n", "1", "-n1"), "explain: --limit is given twice"),
        (("serve", "-p", "1", "--port", "2"), "serve: --port is given twice"),
        (("export", "t", "--where", "id > 1 and id < 5"), "takes one term; give a second --where"),
        (("explain", "t", "--where", "id"), "--where 'id': after the column comes one of the operators"),
        (("explain",), "name a table or view, or give --query"),
        (("keys",), "keys new: Missing argument 'NAME'"),
        (("demo", "--rows", "0"), "'--rows'"),
        (("serve", "--port", "65536"), "'--port'"),
    ],
)
def test_wrong_use(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in complaint(cli(*arguments, dsn="host=/nowhere", cwd=tmp_path), 2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["export", "explain", "datasets", "keys"])
def test_a_name_that_is_no_text(cli: Cli, command: str) -> None:
    assert "is not UTF-8" in complaint(cli(command, os.fsdecode(b"b\xe9d"), dsn="host=/nowhere"), 2)


def test_terminal_controls_in_a_message_are_shown_and_not_obeyed(cli: Cli) -> None:
    assert r"\x1b[31m" in complaint(cli("export", "t", "--columns", "\x1b[31m,,"), 2)


def test_debug_shows_the_traceback(cli: Cli) -> None:
    done = cli("export", "t", "--where", "id", "--debug")
    assert done.returncode == 2
    assert b"Traceback (most recent call last)" in done.stderr
    assert done.stderr.decode().splitlines()[-1].startswith("polyglot: --where 'id'")


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (("serve",), "uvicorn", "serve"),
        (("serve",), "pydantic_settings", "serve"),
        (("demo",), "pyarrow", "demo"),
    ],
)
def test_a_missing_extra_is_named(arguments: tuple[str, ...], module: str, extra: str) -> None:
    program = f"import sys; sys.modules[{module!r}] = None; sys.argv[0] = 'polyglot'; from polyglot_export.cli.start import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=environment(), capture_output=True, check=False, timeout=60
    )
    line = complaint(done, 1)
    # From the index, and in a clone.
    assert f" is not installed; it comes with: pip install 'polyglot-export[{extra}]'" in line
    assert line.endswith(f"(in a clone: make install, or pip install -e '.[{extra}]')")
    assert line.startswith(module)
