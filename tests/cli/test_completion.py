"""Completion: bash runs the script for real; zsh and fish are asked as their scripts ask."""

from __future__ import annotations

import shlex
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from polyglot_export.cli.completion.names import SECONDS
from polyglot_export.cli.completion.words import option_words
from polyglot_export.formats.registry import Format
from tests.cli.helpers import ITEMS, complaint, succeeded
from tests.fixtures.process import Cli, command, environment

BASH = """\
eval "$(polyglot completion bash)"
compopt() { :; }  # works only while bash itself completes
while IFS= read -r line; do
    COMP_LINE=$line COMP_POINT=${#line}
    _polyglot_completion polyglot
    printf '%s\\n' "${COMPREPLY[*]}"
done
"""
ATTEMPTS = 4
PATIENCE = 20.0
"""Seconds within which a completion ends whose database never answers; it gives up after :data:`SECONDS`, and a busy
machine needs some for the start."""


@pytest.fixture(scope="module")
def items(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(ITEMS)
        connection.execute('CREATE SCHEMA sales; CREATE VIEW sales.dear AS TABLE items; CREATE TABLE "two words" ()')
    return module_dsn


def bash(folder: Path, lines: list[str], **variables: str) -> list[list[str]]:
    """What bash offers for each line, with a program of this name in its path."""
    script = folder / "polyglot"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    env = environment(extra=variables)
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH],
        input="".join(f"{line}\n" for line in lines),
        env=env | {"PATH": f"{folder}:{env['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return [line.split("\n")[0].split() for line in done.stdout.splitlines()]


def eventually(offer: Callable[[], list[list[str]]], expected: list[list[str]]) -> None:
    """See that this is offered. On a machine that is very busy a database needs more than a second, and a person presses
    the key once more.
    """
    found: list[list[str]] = []
    for _ in range(ATTEMPTS):
        found = offer()
        if found == expected:
            return
    assert found == expected


def test_bash(items: str, tmp_path: Path) -> None:
    """Names come from the database of the line or of the environment; what a shell would have to quote is not
    offered.
    """
    port = psycopg.conninfo.conninfo_to_dict(items)["port"]
    offered = {
        "polyglot expo": "export",
        "polyglot export ": "items sales.dear",
        "polyglot export sal": "sales.dear",
        f"polyglot export -d {items} it": "items",
        "polyglot export --columns id,na items --columns id,na": "id,name",
        "polyglot export items --order-by value:d": "desc",
        "polyglot export -f parquet -O arrays=": "list json",
        "polyglot export -f tsv -O lineE": "lineEnd=",
        "polyglot export --compression ": "gzip zstd",
        "polyglot show sales.dear --where no": "note",
    }
    elsewhere = items.replace(f":{port}/", ":1/")
    expected = [text.split() for text in offered.values()]
    eventually(lambda: bash(tmp_path, list(offered), DATABASE_URL=items), expected)
    lines = [f"polyglot export -d {items} it", "polyglot export it"]
    eventually(lambda: bash(tmp_path, lines, DATABASE_URL=elsewhere), [["items"], []])


@pytest.mark.parametrize(
    ("shell", "words", "number", "answer"),
    [
        ("zsh", "polyglot export items -c id,va", 4, ["plain", "id,value", "_"]),
        ("zsh", "polyglot export items -o ./x", 4, ["file", "./x", "_"]),
        ("fish", "polyglot export items -c id,va", "id,va", ["plain,id,value"]),
    ],
)
def test_other_shells(cli: Cli, items: str, shell: str, words: str, number: object, answer: list[str]) -> None:
    """By the protocol of click, which their scripts speak."""
    asked = {"_POLYGLOT_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": str(number)}
    assert succeeded(cli(dsn=items, env=asked)).decode().splitlines() == answer


def test_the_scripts(cli: Cli) -> None:
    assert b"compdef _polyglot_completion polyglot" in succeeded(cli("completion", "zsh"))
    fish = succeeded(cli("completion", "fish"))
    assert b"complete --no-files --command polyglot" in fish
    assert b'split --max 1 ","' in fish, "what is offered may have commas"
    assert "is not one of 'bash', 'zsh', 'fish'" in complaint(cli("completion", "tcsh"), 2)


def test_a_database_that_does_not_answer_is_not_waited_for(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/x"
        asked = {"_POLYGLOT_COMPLETE": "bash_complete", "COMP_LINE": "polyglot export it", "COMP_BREAKS": ""}
        started = time.monotonic()
        done = cli(dsn=dsn, env=asked, timeout=PATIENCE)
        assert succeeded(done).strip() == b""
        assert done.stderr == b""
        assert time.monotonic() - started >= SECONDS / 2, "it was asked"


def test_options_of_a_format() -> None:
    for format_ in Format:
        members = [f"{name}=" for name in format_.record.options.members()]
        assert option_words(format_.value, None, "") == members
    assert option_words(None, "x.parquet", "unrepresentable=") == ["unrepresentable=error", "unrepresentable=null"]
    assert option_words(None, "x.csv.gz", "header=") == ["header=true", "header=false"]
    assert option_words(None, None, "lineE") == ["lineEnd="]
    assert option_words(None, None, "delimiter=") == option_words("csv", None, "nope=") == []
    assert option_words(None, "x.unknown", "") == option_words("nope", None, "") == []


def test_names_of_connections(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "polyglot"
    folder.mkdir()
    (folder / "connections.toml").write_text('default = "shop"\nshop = "host=/nowhere password=x"\n[lake]\nport = 1\n')
    (folder / "connections.toml").chmod(0o644)
    asked = {"_POLYGLOT_COMPLETE": "bash_complete", "COMP_LINE": "polyglot show --dsn @", "COMP_BREAKS": ""}
    done = cli(env={**asked, "XDG_CONFIG_HOME": str(tmp_path)})
    assert succeeded(done).split() == [b"plain,@shop", b"plain,@lake"]
    assert done.stderr == b"", "a warning would stand in the middle of the line"
