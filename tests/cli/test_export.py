"""``polyglot export``: each option, against what the server itself writes."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import psycopg
import pytest

from tests.cli.helpers import ITEMS, complaint, copied, json_rows, succeeded
from tests.fixtures.process import Cli, environment, start_cli


@pytest.fixture(scope="module")
def items(module_dsn: str) -> str:
    """A database with the table ``items``; tests only read it."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(ITEMS)
    return module_dsn


@pytest.fixture
def reader(items: str) -> Iterator[psycopg.Connection]:
    """A connection for the oracle."""
    with psycopg.connect(items, autocommit=True) as connection:
        yield connection


def test_standard_output_is_what_copy_writes(cli: Cli, items: str, reader: psycopg.Connection) -> None:
    expected = copied(reader, "SELECT * FROM items ORDER BY id")
    done = cli("export", "items", "--order-by", "id", dsn=items)
    assert succeeded(done) == expected
    assert done.stderr.decode().startswith(f"polyglot: 1,000 rows, {len(expected) / 1000:,.1f} kB in ")
    assert done.stderr.decode().endswith(" to standard output\n")


def test_quiet_says_nothing(cli: Cli, items: str) -> None:
    assert cli("export", "items", "--quiet", dsn=items).stderr == b""


@pytest.mark.parametrize("dash", [("-o", "-"), ()])
def test_a_dash_is_standard_output(cli: Cli, items: str, reader: psycopg.Connection, dash: tuple[str, ...]) -> None:
    assert succeeded(cli("export", "public.items", "--order-by", "id", *dash, dsn=items)) == copied(
        reader, "SELECT * FROM items ORDER BY id"
    )


@pytest.mark.parametrize("format_name", ["csv", "tsv", "json", "ndjson", "xml", "parquet"])
def test_the_file_is_what_standard_output_gets(cli: Cli, items: str, tmp_path: Path, format_name: str) -> None:
    """The extension chooses the format, ``-f`` the same one, and the bytes are the same."""
    target = tmp_path / f"items.{format_name}"
    query = "SELECT * FROM items ORDER BY id"
    done = cli("export", "--query", query, "-o", str(target), dsn=items)
    assert succeeded(done) == b""
    assert done.stderr.decode().endswith(f" to {target}\n")
    piped = succeeded(cli("export", "--query", query, "-f", format_name, dsn=items))
    written = target.read_bytes()
    if format_name == "parquet":
        # The manifest in the footer names the snapshot, which is another one each time.
        assert (written[:4], written[-4:]) == (b"PAR1", b"PAR1")
        assert abs(len(written) - len(piped)) < 100
    else:
        assert written == piped
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_formats_hold_every_row(cli: Cli, items: str, reader: psycopg.Connection) -> None:
    query = "SELECT * FROM items ORDER BY id"
    rows = json_rows(reader, query)
    assert len(rows) == 1000
    assert succeeded(cli("export", "--query", query, "-f", "ndjson", dsn=items)) == b"".join(
        row + b"\n" for row in rows
    )
    assert succeeded(cli("export", "--query", query, "-f", "json", dsn=items)) == b"[\n" + b",\n".join(rows) + b"\n]\n"
    assert succeeded(cli("export", "--query", query, "-f", "tsv", dsn=items)) == copied(
        reader, query, "FORMAT csv, HEADER, DELIMITER E'\\t'"
    )
    records = ET.fromstring(succeeded(cli("export", "--query", query, "-f", "xml", dsn=items)))
    ids = [str(row[0]) for row in reader.execute("SELECT id FROM items ORDER BY id").fetchall()]
    assert [record.findtext("id") for record in records] == ids


def test_jsonl_is_ndjson(cli: Cli, items: str, tmp_path: Path) -> None:
    target = tmp_path / "items.jsonl"
    succeeded(cli("export", "items", "--limit", "3", "-o", str(target), dsn=items))
    assert [json.loads(line)["id"] for line in target.read_bytes().splitlines()] == [1, 2, 3]


def test_gzip_by_name_and_by_option(cli: Cli, items: str, reader: psycopg.Connection, tmp_path: Path) -> None:
    expected = copied(reader, "SELECT * FROM items ORDER BY id")
    target = tmp_path / "items.csv.gz"
    succeeded(cli("export", "items", "--order-by", "id", "-o", str(target), dsn=items))
    assert gzip.decompress(target.read_bytes()) == expected
    assert (
        gzip.decompress(succeeded(cli("export", "items", "--order-by", "id", "--compression", "gzip", dsn=items)))
        == expected
    )


def test_zstd_by_name(cli: Cli, items: str, tmp_path: Path) -> None:
    target = tmp_path / "items.json.zst"
    succeeded(cli("export", "items", "-o", str(target), dsn=items))
    assert target.read_bytes()[:4] == b"\x28\xb5\x2f\xfd"  # RFC 8878, 3.1.1: magic number of a frame


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        (("--columns", "value,id"), "SELECT value, id FROM items ORDER BY id"),
        (("--columns", "id,value=amount"), "SELECT id, value AS amount FROM items ORDER BY id"),
        (("--columns", "id", "--columns", '"note"="a, b"'), 'SELECT id, note AS "a, b" FROM items ORDER BY id'),
        (("--limit", "0"), "SELECT * FROM items LIMIT 0"),
        (("--limit", "7"), "SELECT * FROM items ORDER BY id LIMIT 7"),
        (("--where", "id = 5"), "SELECT * FROM items WHERE id = 5"),
        (("--where", "value>=1000.50"), "SELECT * FROM items WHERE value >= 1000.50 ORDER BY id"),
        (("--where", "id != 5", "--where", "id<8"), "SELECT * FROM items WHERE id <> 5 AND id < 8 ORDER BY id"),
        (("--where", "id > 3", "--where", "id <= 6"), "SELECT * FROM items WHERE id > 3 AND id <= 6 ORDER BY id"),
        (("--where", "id in (3, 1,999)"), "SELECT * FROM items WHERE id IN (3, 1, 999) ORDER BY id"),
        (("--where", "name in ('a,b', plain)"), "SELECT * FROM items WHERE name IN ('a,b', 'plain') ORDER BY id"),
        (("--where", "id in ()"), "SELECT * FROM items WHERE false"),
        (("--where", "id between 10 and 12"), "SELECT * FROM items WHERE id BETWEEN 10 AND 12 ORDER BY id"),
        (("--where", 'name like %"%'), "SELECT * FROM items WHERE name LIKE '%\"%' ORDER BY id"),
        (("--where", "note is null"), "SELECT * FROM items WHERE note IS NULL ORDER BY id"),
        (("--where", "note is not null"), "SELECT * FROM items WHERE note IS NOT NULL ORDER BY id"),
        (("--where", "note = ''"), "SELECT * FROM items WHERE note = '' ORDER BY id"),
        (("--where", "name = 'it''s'"), "SELECT * FROM items WHERE name = 'it''s'"),
        (("--order-by", "note:desc,id"), "SELECT * FROM items ORDER BY note DESC, id"),
        (("--order-by", "name", "--order-by", "value:desc"), "SELECT * FROM items ORDER BY name, value DESC, id"),
    ],
)
def test_columns_rows_and_order(
    cli: Cli, items: str, reader: psycopg.Connection, arguments: tuple[str, ...], query: str
) -> None:
    order = () if "--order-by" in arguments else ("--order-by", "id")
    assert succeeded(cli("export", "items", *arguments, *order, dsn=items)) == copied(reader, query)


@pytest.mark.parametrize(
    ("options", "copy_options"),
    [
        (("delimiter=;",), "DELIMITER ';'"),
        (("null=NULL", "quote='"), "NULL 'NULL', QUOTE ''''"),
        (("header=false",), "HEADER false"),
        (("forceQuote=name,note",), "FORCE_QUOTE (name, note)"),
        (("forceQuote=*",), "FORCE_QUOTE *"),
        (("escape=\\",), "ESCAPE '\\'"),
    ],
)
def test_options(cli: Cli, items: str, reader: psycopg.Connection, options: tuple[str, ...], copy_options: str) -> None:
    given = [word for option in options for word in ("--option", option)]
    header = "" if "HEADER" in copy_options else "HEADER, "
    expected = copied(reader, "SELECT * FROM items ORDER BY id", f"FORMAT csv, {header}{copy_options}")
    assert succeeded(cli("export", "items", "--order-by", "id", *given, dsn=items)) == expected


def test_the_time_zone_is_an_option(cli: Cli, items: str) -> None:
    query = "SELECT timestamptz '2026-07-01 12:00+00' AS t"
    assert succeeded(cli("export", "--query", query, dsn=items)) == b"t\n2026-07-01 12:00:00+00\n"
    assert (
        succeeded(cli("export", "--query", query, "-O", "timeZone=Asia/Kolkata", dsn=items))
        == b"t\n2026-07-01 17:30:00+05:30\n"
    )


@pytest.mark.parametrize("workers", ["1", "2", "5"])
def test_the_bytes_do_not_depend_on_the_workers(cli: Cli, items: str, reader: psycopg.Connection, workers: str) -> None:
    assert succeeded(cli("export", "items", "--workers", workers, dsn=items)) == copied(reader, "SELECT * FROM items")


def test_the_database_comes_from_option_or_variables(cli: Cli, items: str, reader: psycopg.Connection) -> None:
    expected = copied(reader, "SELECT 1 AS one")
    parts = psycopg.conninfo.conninfo_to_dict(items)
    variables = {
        f"PG{name.upper()}": str(value) for name, value in parts.items() if name in {"host", "port", "user", "password"}
    }
    variables["PGDATABASE"] = str(parts["dbname"])
    query = ("export", "--query", "SELECT 1 AS one")
    assert succeeded(cli(*query, "--dsn", items)) == expected
    assert succeeded(cli(*query, dsn=items)) == expected
    assert succeeded(cli(*query, env=variables)) == expected
    assert succeeded(cli(*query, "--dsn", items, dsn="host=/nowhere")) == expected, "the option wins"
    assert succeeded(cli(*query, dsn=items, env={"PGDATABASE": "nowhere"})) == expected, (
        "DATABASE_URL wins over PGDATABASE"
    )


def test_an_existing_file_is_replaced(cli: Cli, items: str, tmp_path: Path) -> None:
    target = tmp_path / "items.csv"
    target.write_bytes(b"old\n" * 100_000)
    succeeded(cli("export", "--query", "SELECT 1 AS one", "-o", str(target), dsn=items))
    assert target.read_bytes() == b"one\n1\n"


def test_lost_values_are_told_even_when_quiet(cli: Cli, items: str, tmp_path: Path) -> None:
    query = "SELECT 'infinity'::date AS day FROM generate_series(1, 3)"
    target = tmp_path / "days.parquet"
    refused = cli("export", "--query", query, "-o", str(target), "--quiet", dsn=items)
    assert "column" in complaint(refused, 1)
    assert not target.exists()
    done = cli("export", "--query", query, "-o", str(target), "--quiet", "-O", "unrepresentable=null", dsn=items)
    assert succeeded(done) == b""
    assert done.stderr.decode().startswith("polyglot: warning: ")
    assert "day: 3 values" in done.stderr.decode()


def test_a_shell_pipe(items: str, reader: psycopg.Connection) -> None:
    """Through a real shell, a real pipe and a real redirection."""
    process = start_cli("export", "items", "--order-by", "id", dsn=items)
    sorted_ids = subprocess.run(
        ["cut", "-d,", "-f1"], stdin=process.stdout, capture_output=True, env=environment(), check=True
    ).stdout
    assert process.wait(10) == 0
    expected = subprocess.run(
        ["cut", "-d,", "-f1"], input=copied(reader, "SELECT * FROM items ORDER BY id"), capture_output=True, check=True
    ).stdout
    assert sorted_ids == expected
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()


def test_the_summary_of_many_rows_has_their_speed(cli: Cli, items: str) -> None:
    done = cli("export", "--query", "SELECT generate_series(1, 10000) AS n", "-o", "/dev/null", dsn=items)
    assert succeeded(done) == b""
    assert re.fullmatch(rb"polyglot: 10,000 rows, 48\.9 kB in [\d.]+ s \([\d,]+ rows/s\) to /dev/null\n", done.stderr)


def test_the_summary_tells_of_numbers_that_are_text(cli: Cli, items: str, tmp_path: Path) -> None:
    """In Parquet, with what to write; not where nobody wants to read it."""
    query = ("--query", "SELECT sum(value) AS total FROM items")
    command = (*query, "--dsn", items, "-o", str(tmp_path / "total.parquet"))
    told = cli("export", *command).stderr.decode()
    assert told.count("\n") == 1
    assert told.startswith("polyglot: 1 row, ")
    assert "total.parquet; column 'total' is text" in told
    assert "numericFallback=double" in told
    assert b"text" not in cli("export", *command, "-O", "numericFallback=double").stderr
    assert cli("export", *command, "--quiet").stderr == b""
