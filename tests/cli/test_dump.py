"""``polyglot dump`` on the command line: what it says, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import complaint, succeeded
from tests.dumps.helpers import files, same
from tests.fixtures.process import Cli

TABLES = """
CREATE TABLE orders AS SELECT g AS id, 'Zoë' AS name FROM generate_series(1, 1000) g;
CREATE TABLE many AS SELECT g AS id, repeat('x', 1000) AS pad FROM generate_series(1, 20000) g;
CREATE VIEW recent AS SELECT * FROM orders WHERE id > 990;
CREATE TABLE dates AS SELECT date 'infinity' AS day;
ANALYZE;
"""


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(TABLES.encode())
    return module_dsn


def test_what_is_said(cli: Cli, tables: str, tmp_path: Path) -> None:
    done = cli("dump", "-t", "orders", "-t", "many", "-f", "csv", "-o", str(tmp_path), "-w", "2", dsn=tables)
    assert succeeded(done) == b""
    said = done.stderr.decode()
    assert said.startswith("polyglot: 2 relations, 2 files, 21,000 rows, 20.1 MB in ")
    assert said.endswith(f" s to {tmp_path}\n")
    with psycopg.connect(tables, autocommit=True) as conn:
        same(conn, tmp_path)


def test_quiet_says_nothing(cli: Cli, tables: str, tmp_path: Path) -> None:
    done = cli("dump", "-t", "orders", "-o", str(tmp_path), "--quiet", dsn=tables)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_option(cli: Cli, tables: str, tmp_path: Path) -> None:
    arguments = (
        "dump --dsn DSN --output OUT --format csv --compression gzip --option delimiter=; --schema public"
        " --exclude-schema no* --exclude-table dates --views --query few=SELECT_1_AS_a --skip-unreadable"
        " --part-size 8MiB --watermark orders:id --overwrite --keep-going --workers 2 --rate-limit 1GB --lock-timeout"
        " 30s --manifest SET --quiet"
    )
    manifest = tmp_path / "set.json"
    given = {"DSN": tables, "OUT": str(tmp_path), "SET": str(manifest), "few=SELECT_1_AS_a": "few=SELECT 1 AS a"}
    succeeded(cli(*(given.get(word, word) for word in arguments.split())))
    said = json.loads(manifest.read_bytes())
    assert [relation["name"] for relation in said["relations"]] == ["many", "orders", "recent", "few"]
    assert [len(relation["parts"]) for relation in said["relations"]] == [3, 1, 1, 1]
    assert said["relations"][1]["watermark"] == {"column": "id", "value": "1000"}
    assert said["options"]["compression"] == "gzip"
    assert said["options"]["formatOptions"]["delimiter"] == ";"
    assert succeeded(cli("verify", str(manifest))) == b""


def test_a_dry_run_writes_nothing(cli: Cli, tables: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("--views", "-T", "dates", "-f", "csv", "--part-size", "8MiB", "-w", "2", "-q", "few=SELECT 1 AS a")
    lines = succeeded(cli("dump", "-o", str(out), "--dry-run", *arguments, dsn=tables)).decode().splitlines()
    assert [line.split() for line in lines[:1]] == [["relation", "kind", "rows", "size", "files", "workers", "folder"]]
    # How many pages a table has depends on the server's version.
    assert [re.sub(r"[\d.]+ [kM]B", "SIZE", line).replace("~11", "~10").split() for line in lines[1:5]] == [
        ["public.many", "table", "~20,000", "SIZE", "3", "1", "public.many"],
        ["public.orders", "table", "~1,000", "SIZE", "1", "1", "public.orders"],
        ["public.recent", "view", "~10", "?", "1", "1", "public.recent"],
        ["few", "query", "~1", "?", "1", "1", "few"],
    ]
    assert lines[5] == "4 relations, 6 files and manifest.json, 2 workers"
    assert lines[6].startswith("ACCESS SHARE locks on 3 tables; about 23.")
    assert not out.exists()


def test_lost_values_are_told(cli: Cli, tables: str, tmp_path: Path) -> None:
    arguments = ("-t", "dates", "-o", str(tmp_path / "lossy"), "-O", "unrepresentable=null")
    done = cli("dump", *arguments, "--quiet", dsn=tables)
    assert done.returncode == 0
    assert b"public.dates.day: 1 value" in done.stderr
    told = complaint(cli("dump", "-t", "dates", "-o", str(tmp_path / "exact"), "--quiet", dsn=tables), 1)
    assert told.startswith("public.dates: ")
    assert files(tmp_path / "exact") == []


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "Missing option '--output'"),
        (["-o", "OUT", "-t", "nosuch"], 2, "--table 'nosuch': there is no table or view of this name"),
        (["-o", "OUT", "-n", "nosuch"], 2, "--schema 'nosuch': no schema"),
        (["-o", "OUT", "-n", "public", "-t", "orders"], 2, "--schema: has no effect beside --table"),
        (["-o", "OUT", "-t", 'or"ders'], 2, "opening double quote without its closing one"),
        (["-o", "OUT", "-q", "SELECT 1"], 2, "--query 'SELECT 1': must be NAME=SQL"),
        (["-o", "OUT", "-q", "a=SELECT 1 AS x", "-q", "a=SELECT 2 AS x"], 2, "--query: names a twice"),
        (["-o", "OUT", "-q", "a=SELEC 1"], 2, "SELEC"),
        (["-o", "OUT", "--part-size", "big"], 2, "--part-size: must be a number of bytes"),
        (["-o", "OUT", "--part-size", "10kB"], 2, "--part-size: must be at least 1 MiB"),
        (["-o", "OUT", "--watermark", "orders"], 2, "--watermark 'orders': must be TABLE:COLUMN"),
        (
            ["-o", "OUT", "--watermark", "orders:no"],
            2,
            "--watermark 'orders': there is no column 'no' in it; it has id",
        ),
        (["-o", "OUT", "--lock-timeout", "soon"], 2, "--lock-timeout: must be a number of seconds"),
        (["-o", "OUT", "-f", "csv", "-O", "colour=red"], 2, "colour"),
        (["-o", "OUT", "-O", "timeZone=Mars/Olympus"], 2, "does not know the time zone"),
        (["-o", "OUT/{schema}"], 2, "--output 'OUT/{schema}': must have {table}"),
        (["-o", "OUT/{table}/{name}"], 2, "knows only {schema} and {table}"),
        (["-o", "-"], 2, "- is no place for a set of files"),
        (["-o", "ftp://x/"], 2, "nothing is known of ftp://"),
        (["-o", "OUT", "--dsn", "postgresql://127.0.0.1:1/x"], 1, "127.0.0.1"),
    ],
)
def test_wrong_use(cli: Cli, tables: str, tmp_path: Path, arguments: list[str], code: int, told: str) -> None:
    out = str(tmp_path / "out")
    line = complaint(cli("dump", *(word.replace("OUT", out) for word in arguments), dsn=tables), code)
    assert told.replace("OUT", out) in line
    assert not (tmp_path / "out").exists()
