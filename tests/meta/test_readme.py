"""The examples of README.md and docs/ are run, and print what the pages say."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from polyglot_export.access.configured import load_datasets
from polyglot_export.access.issuers import load_issuers
from polyglot_export.access.keys import load_keys
from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format
from polyglot_export.testing.records import fill_records
from tests.contracts.oracles import begins_as_named
from tests.fixtures.object_stores import S3Cloud
from tests.fixtures.process import command, environment, serve
from tests.meta.documents import ROOT, Example, examples, pages, without_numbers

SERVICE = "127.0.0.1:8080"
"""Where the pages say that the service is."""
AUDIT_LOG = "/var/log/polyglot/audit.log"
"""Where they say that its audit log is."""
LAKE = "s3://lake"
"""Where they say that an object store is."""
ROWS = 1000


@pytest.fixture(scope="module")
def records(module_dsn: str) -> str:
    """A database with the sample table of the demo."""
    fill_records(module_dsn, ROWS, lambda _: None)
    return module_dsn


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder for ``PATH`` with the program under its name."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "polyglot"
    script.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return folder


@pytest.fixture
def service(request: pytest.FixtureRequest, records: str, tmp_path: Path) -> Iterator[str | None]:
    """The address of a running service, where the page speaks to one."""
    env = {"POLYGLOT_AUDIT_LOG": str(tmp_path / Path(AUDIT_LOG).name)}
    with ExitStack() as stack:
        wanted = any(SERVICE in example.text for example in examples(request.node.callspec.params["page"]))
        yield f"127.0.0.1:{stack.enter_context(serve(records, env=env)).port}" if wanted else None


@pytest.fixture
def lake(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that lead to an object store with the bucket ``lake``, where the page speaks of one."""
    if not any(LAKE in example.text for example in examples(request.node.callspec.params["page"])):
        return {}
    cloud: S3Cloud = request.getfixturevalue("s3")
    cloud.client.create_bucket(Bucket="lake")
    return cloud.env


def test_there_are_examples() -> None:
    """The mark is what this file lives on: a slip in it must not make all tests vanish."""
    counts = {str(page): len(examples(page)) for page in pages()}
    assert counts["README.md"] >= 5
    for page in ("csv", "json", "xml", "parquet"):
        assert counts[f"docs/formats/{page}.md"] >= 1


@pytest.mark.parametrize("page", pages(), ids=str)
def test_the_examples_of(
    page: Path, records: str, program: Path, service: str | None, lake: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    variables = environment(records)
    variables["PATH"] = f"{program}:{variables['PATH']}"
    variables |= lake
    for example in examples(page):
        if example.language == "python":
            run_python(example, folder, variables)
        else:
            run_console(example, folder, variables, service)
        wrong = [path.name for path in files_in_formats(folder) if not begins_as_named(path)]
        assert not wrong, f"{example.page}:{example.line}: not what the names say: {wrong}"


def files_in_formats(folder: Path) -> list[Path]:
    """The files that a page has made whose names say a format."""
    endings = tuple(ending for each in Format for ending in each.record.endings)
    packed = tuple(each.record.ending for each in Compression)
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.name.endswith(endings) or (path.name.endswith(packed) and Path(path.stem).suffix in endings)
    ]


def test_the_example_configuration_is_read() -> None:
    """With the lines that are commented out because a key is made for one service."""
    text = (ROOT / "polyglot.example.toml").read_text(encoding="utf-8")
    content = tomllib.loads(re.sub(r"^# (\[[a-z]+\.|[a-zA-Z_]+ = )", r"\1", text, flags=re.MULTILINE))
    assert set(load_datasets(content).datasets) == set(content["datasets"]) == {"records", "orders", "revenue"}
    assert load_keys(content)
    assert load_issuers(content)
    assert "keys" not in tomllib.loads(text)


def run_console(example: Example, folder: Path, variables: dict[str, str], service: str | None) -> None:
    """Run each command and compare what it prints; both streams, as on a terminal."""
    log = str(folder.parent / Path(AUDIT_LOG).name)
    for typed, expected in example.commands():
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", typed.replace(SERVICE, service or SERVICE).replace(AUDIT_LOG, log)],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        printed = done.stdout.decode().replace(service or SERVICE, SERVICE)
        if example.exact:
            assert printed == expected, f"{example.page}:{example.line}: {typed}"
        else:
            assert without_numbers(printed) == without_numbers(expected), f"{example.page}:{example.line}: {typed}"


def run_python(example: Example, folder: Path, variables: dict[str, str]) -> None:
    """Run a block as a program of its own."""
    beginning = "import os\n\ndsn = os.environ['DATABASE_URL']\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", beginning + example.text],
        cwd=folder,
        env=variables,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{example.page}:{example.line}:\n{done.stderr.decode()}"
