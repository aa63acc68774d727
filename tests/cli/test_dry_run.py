"""``export --dry-run``, ``--json`` and ``--sha256``: what an export would be, and what it came to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import ITEMS, complaint, names, succeeded
from tests.fixtures.process import Cli


@pytest.fixture(scope="module")
def items(module_dsn: str) -> str:
    """A database with the table ``items``; tests only read it."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(ITEMS)
        connection.execute(
            "CREATE TABLE large AS SELECT g, repeat('x', 2000) AS x FROM generate_series(1, 12000) g; ANALYZE"
        )
    return module_dsn


def pages(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        return int(connection.execute("SELECT pg_relation_size(%s)", [table]).fetchone()[0])  # type: ignore[index]


def test_a_dry_run_reads_and_writes_nothing(cli: Cli, items: str, tmp_path: Path) -> None:
    with psycopg.connect(items, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_reset()")
        line = ("export", "large", "-o", "a/large.csv", "--workers", "2", "--mkdir", "--dry-run")
        lines = succeeded(cli(*line, dsn=items, cwd=tmp_path)).decode().splitlines()
        assert connection.execute("SELECT sum(seq_tup_read) FROM pg_stat_user_tables").fetchone() == (0,)
    facts = dict(line.split(maxsplit=1) for line in lines)
    assert facts["source"] == "public.large"
    assert facts["rows"] == "about 12,000"
    assert facts["workers"] == "2"
    assert facts["output"] == "a/large.csv, in a folder that is made"
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--query", "SELECT 1"), "a query is read whole"),
        (("large", "--limit", "5"), "a limit counts over all rows"),
        (("items",), "the table is too small to share"),
    ],
)
def test_it_says_why_one_connection_reads(cli: Cli, items: str, arguments: tuple[str, ...], why: str) -> None:
    told = json.loads(succeeded(cli("export", *arguments, "--dry-run", "--json", dsn=items)))
    assert told["workers"] == told["segments"] == 1
    assert any(why in note for note in told["notes"])


def test_a_query_over_one_table_is_shared(cli: Cli, items: str) -> None:
    line = ("export", "--query", "SELECT g AS id FROM large WHERE x > 'a'", "-w", "2", "--dry-run", "--json")
    told = json.loads(succeeded(cli(*line, dsn=items)))
    assert told["notes"] == ["read by ranges of pages of public.large"]
    assert (told["workers"], told["estimatedBytes"]) == (2, pages(items, "large"))


def test_a_dry_run_for_a_program(cli: Cli, items: str) -> None:
    told = json.loads(succeeded(cli("export", "large", "-w", "2", "--dry-run", "--json", dsn=items)))
    assert (told["estimatedRows"], told["estimatedBytes"], told["workers"]) == (12000, pages(items, "large"), 2)
    assert told["memoryBytes"] > 0


def test_a_dry_run_sees_what_is_in_the_way(cli: Cli, items: str, tmp_path: Path) -> None:
    line = ("export", "items", "--dry-run", "-o")
    missing = complaint(cli(*line, "a/x.csv", dsn=items, cwd=tmp_path), 1)
    assert missing == f"cannot write a/x.csv: there is no folder {tmp_path}/a; --mkdir makes it"
    (tmp_path / "x.csv").touch()
    assert b"in place of the file that is there" in succeeded(cli(*line, "x.csv", dsn=items, cwd=tmp_path))
    assert "did you mean" in complaint(cli("export", "itemz", "--dry-run", dsn=items), 2)


def test_a_result_for_a_program(cli: Cli, items: str, tmp_path: Path) -> None:
    query = "SELECT id, 'infinity'::date AS day, sum(value) OVER () AS total FROM items"
    line = ("export", "-q", query, "-o", "x.parquet", "-O", "unrepresentable=null", "--json", "--sha256")
    done = cli(*line, dsn=items, cwd=tmp_path)
    told = json.loads(succeeded(done))
    data = (tmp_path / "x.parquet").read_bytes()
    assert (told["rows"], told["bytes"]) == (1000, len(data))
    assert told["sha256"] == hashlib.sha256(data).hexdigest()
    assert told["losses"] == {"day": 1000}
    assert [(column["name"], column["type"]) for column in told["columns"]] == [
        ("id", "integer"),
        ("day", "date"),
        ("total", "numeric"),
    ]
    assert any("'total' is text" in remark for remark in told["remarks"])
    assert (told["output"], told["format"], told["compression"]) == ("x.parquet", "parquet", None)
    assert done.stderr.decode().count("\n") == 1
    assert done.stderr.decode().startswith("polyglot: warning: "), "what was lost is told to people too"


def test_a_result_beside_the_rows(cli: Cli, items: str) -> None:
    done = cli("export", "items", "--json", "-c", "id=key", dsn=items)
    rows = succeeded(done)
    told = json.loads(done.stderr)
    assert rows.startswith(b"key\n")
    assert told["bytes"] == len(rows)
    assert told["sha256"] is None
    assert told["columns"] == [{"name": "key", "source": "id", "type": "integer"}]


def test_a_digest_in_the_summary(cli: Cli, items: str, tmp_path: Path) -> None:
    done = cli("export", "items", "-o", "x.csv", "--sha256", dsn=items, cwd=tmp_path)
    digest = hashlib.sha256((tmp_path / "x.csv").read_bytes()).hexdigest()
    succeeded(done)
    assert done.stderr.decode().endswith(f" to x.csv; sha256 {digest}\n")
    with_manifest = cli("export", "items", "-o", "x.csv", "--manifest", "x.json", "--json", dsn=items, cwd=tmp_path)
    assert json.loads(succeeded(with_manifest))["sha256"] == digest


def test_a_folder_that_is_missing_has_a_hint(cli: Cli, items: str, tmp_path: Path) -> None:
    line = complaint(cli("export", "items", "-o", "a/x.csv", dsn=items, cwd=tmp_path), 1)
    assert line == "cannot write a/x.csv: No such file or directory (hint: --mkdir makes the folders of the file)"
