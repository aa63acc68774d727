"""What is exported, and under which name: columns by exclusion, queries from files, folders and placeholders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from polyglot_export import SpecError, export, open_export, parse_spec
from polyglot_export.cli.naming import expanded
from tests.cli.helpers import ITEMS, complaint, copied, succeeded
from tests.fixtures.process import Cli


@pytest.fixture(scope="module")
def items(module_dsn: str) -> str:
    """A database with the table ``items``; tests only read it."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(ITEMS)
        connection.execute('CREATE TABLE starred AS SELECT 1 AS id, 2 AS "*", 3 AS last')
    return module_dsn


@pytest.fixture
def reader(items: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(items, autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("arguments", "columns"),
    [
        (("--exclude", "note"), "id, name, value"),
        (("--exclude", "note,id", "--exclude", '"name"'), "value"),
        (("--columns", "*,value=amount"), "id, name, note, value AS amount"),
        (("--columns", "note,*"), "note, id, name, value"),
        (("--columns", "value=amount,*", "--exclude", "name"), "value AS amount, id, note"),
        (("--columns", "*"), "*"),
    ],
)
def test_all_columns_but(
    cli: Cli, items: str, reader: psycopg.Connection, arguments: tuple[str, ...], columns: str
) -> None:
    exported = succeeded(cli("export", "items", *arguments, "--order-by", "id", dsn=items))
    assert exported == copied(reader, f"SELECT {columns} FROM items ORDER BY id")


def test_a_column_that_is_called_so(cli: Cli, items: str, reader: psycopg.Connection) -> None:
    assert succeeded(cli("export", "starred", "--columns", "*,id", dsn=items)) == copied(
        reader, 'SELECT "*", id FROM starred'
    )


def test_the_same_from_python(items: str, reader: psycopg.Connection) -> None:
    with export(items, "items", columns=["value", "*"], order_by="id") as chunks:
        assert b"".join(chunks) == copied(reader, "SELECT value, id, name, note FROM items ORDER BY id")
    spec = parse_spec({"format": "csv", "query": "SELECT 1 AS a, 2 AS b, 3 AS a", "exclude": ["b"]})
    with open_export(spec, dsn=items) as chunks:
        assert b"".join(chunks) == b"a,a\n1,3\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--exclude", "nope"), "--exclude: there is no column 'nope'; allowed are id, name, value, note"),
        (("--exclude", "id,name,value,note"), "--exclude: leaves no column"),
        (("--columns", "id", "--exclude", "id"), "--exclude: 'id' is among the columns that are asked for"),
        (("--columns", "*=x"), "--columns: * stands for many columns, which keep their names"),
        (("--columns", "*,id=name"), "two columns have the target 'name'"),
        (("--columns", "*,*"), "two columns have the target '*'"),
        (("--exclude", ""), "--exclude '': a name is missing"),
    ],
)
def test_columns_refused(cli: Cli, items: str, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in complaint(cli("export", "items", *arguments, dsn=items), 2)


def test_a_query_from_a_file_or_standard_input(
    cli: Cli, items: str, reader: psycopg.Connection, tmp_path: Path
) -> None:
    query = "SELECT name, count(*) FROM items GROUP BY 1 ORDER BY 1 -- Zoë\n;\n"
    (tmp_path / "report.sql").write_text("\ufeff" + query, encoding="utf-8")
    expected = copied(reader, "SELECT name, count(*) FROM items GROUP BY 1 ORDER BY 1")
    assert succeeded(cli("export", "-q", "@report.sql", dsn=items, cwd=tmp_path)) == expected
    assert succeeded(cli("export", "--query", "-", dsn=items, stdin=query.encode())) == expected
    assert b"count" in succeeded(cli("explain", "-q", "@report.sql", dsn=items, cwd=tmp_path))


@pytest.mark.parametrize(
    ("given", "stdin", "sentence"),
    [
        ("@nowhere.sql", b"", "--query: nowhere.sql cannot be read: No such file or directory"),
        ("@.", b"", "--query: . cannot be read: Is a directory"),
        ("-", b"", "--query: standard input is empty"),
        ("-", b"\xff", "--query: standard input is not UTF-8"),
        ("-", b" " * (1 << 21), "--query: standard input has more than 1,048,576 bytes"),
    ],
)
def test_queries_refused(cli: Cli, items: str, tmp_path: Path, given: str, stdin: bytes, sentence: str) -> None:
    assert sentence in complaint(cli("export", "-q", given, dsn=items, stdin=stdin, cwd=tmp_path), 2)


@pytest.mark.parametrize(
    "condition", ["id % 7 = 0 and name <> 'plain'", "id in (select max(id) from items)", "value > 3 -- all of them"]
)
def test_a_condition_in_sql(cli: Cli, items: str, reader: psycopg.Connection, condition: str) -> None:
    line = ("--sql-where", condition, "--order-by", "id", "--where", "id > 5")
    expected = f"SELECT id, value FROM items WHERE id > 5 AND ({condition}\n) ORDER BY id"
    assert succeeded(cli("export", "items", "-c", "id,value", *line, dsn=items)) == copied(reader, expected)


def test_conditions_refused(cli: Cli, items: str) -> None:
    for condition in ("id = ", "id = 1) OR (true", "true; drop table items", "id"):
        assert complaint(cli("export", "items", "--sql-where", condition, dsn=items), 2).startswith("--sql-where")


def test_mkdir(cli: Cli, items: str, tmp_path: Path) -> None:
    command = ("export", "--query", "SELECT 1 AS one", "-o", "a/b/one.csv")
    assert "No such file or directory" in complaint(cli(*command, dsn=items, cwd=tmp_path), 1)
    succeeded(cli(*command, "--mkdir", dsn=items, cwd=tmp_path))
    succeeded(cli(*command, "--mkdir", dsn=items, cwd=tmp_path))
    assert (tmp_path / "a/b/one.csv").read_bytes() == b"one\n1\n"


def test_folders_that_were_made_for_nothing_go_again(cli: Cli, items: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    complaint(cli("export", "nowhere", "-o", "a/b/c/one.csv", "--mkdir", dsn=items, cwd=tmp_path), 2)
    assert [path.name for path in tmp_path.rglob("*")] == ["a"]
    (tmp_path / "file").touch()
    line = complaint(cli("export", "items", "-o", "file/b/one.csv", "--mkdir", dsn=items, cwd=tmp_path), 2)
    assert line.startswith("--output: the folder ")
    assert "--mkdir: makes the folders of a file: give -o FILE" in complaint(
        cli("export", "items", "--mkdir", dsn=items), 2
    )


def test_placeholders_only_when_asked_for(cli: Cli, items: str, tmp_path: Path) -> None:
    command = ("export", "public.items", "-o", "{dataset}-{date}-{time}.csv", "--quiet")
    succeeded(cli(*command, dsn=items, cwd=tmp_path))
    assert (tmp_path / "{dataset}-{date}-{time}.csv").exists()
    before = datetime.now().astimezone()
    succeeded(cli(*command, "--expand", "--manifest", "{date}.json", dsn=items, cwd=tmp_path))
    after = datetime.now().astimezone()
    found = {path.name for path in tmp_path.iterdir() if "{" not in path.name}
    days = {f"{each:%Y-%m-%d}" for each in (before, after)}
    assert any(found >= {f"{day}.json"} for day in days)
    names = [name for name in found if name.endswith(".csv")]
    assert len(names) == 1
    match = re.fullmatch(r"public\.items-(\d{4}-\d\d-\d\d)-(\d{6})\.csv", names[0])
    assert match is not None
    assert match[1] in days
    assert "--output '{day}.csv': --expand knows {date}, {time}, {dataset}" in complaint(
        cli("export", "items", "-o", "{day}.csv", "--expand", dsn=items, cwd=tmp_path), 2
    )


def test_a_dataset_in_a_name_is_no_path() -> None:
    now = datetime(2026, 11, 25, 6, 30).astimezone()
    assert expanded("{dataset}/{date}_{time}", "../etc.pass wd", field="output", now=now) == (
        "..%2Fetc.pass%20wd/2026-11-25_063000"
    )
    assert expanded("{dataset}", None, field="output", now=now) == "query"
    with pytest.raises(SpecError):
        expanded("{", None, field="output", now=now)


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--columns", "id,NOTES"), "(hint: did you mean 'note'?)"),
        (("--exclude", "valeu"), "(hint: did you mean 'value'?)"),
        (("-O", "delimter=;"), "(hint: did you mean 'delimiter'?)"),
        (("--where", "idx = 3"), "(hint: did you mean 'id'?)"),
    ],
)
def test_a_slip_has_a_hint(cli: Cli, items: str, arguments: tuple[str, ...], hint: str) -> None:
    line = complaint(cli("export", "items", *arguments, dsn=items), 2)
    assert "; allowed are " in line
    assert line.endswith(hint)


def test_several_tables_are_for_a_dump(cli: Cli, items: str) -> None:
    line = complaint(cli("export", "sales.*", "-o", "x.csv", dsn=items), 2)
    assert line.endswith("; one table at a time; for all that match: polyglot dump --table 'sales.*' -o FOLDER")
    assert "for several tables: polyglot dump --table A --table B -o FOLDER" in complaint(
        cli("export", "items", "starred", dsn=items), 2
    )
