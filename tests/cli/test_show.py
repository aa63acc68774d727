"""``polyglot show``: the first rows for people, in the server's text, and nothing of them that steers the terminal."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence

import psycopg
import pytest

from polyglot_export.cli.sample.reading import CHARACTERS, OPTIONS, Rows, characters_for
from polyglot_export.cli.sample.table import Heading, Look, sheet
from polyglot_export.text.cells import cell_width
from tests.cli.helpers import ITEMS, complaint, succeeded
from tests.cli.terminal import Terminal, plain
from tests.fixtures.process import Cli, start_cli

EVIL = "\x1b]0;owned\x07\x1b[2J\u202eabc\r\n\x9b31m"
"""Sets the title of a terminal, clears it, turns the direction of writing, and begins a line."""


@pytest.fixture(scope="module")
def items(module_dsn: str) -> str:
    """A database with the table ``items``; tests only read it."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(ITEMS)
        connection.execute("CREATE VIEW dear AS SELECT id, value FROM items WHERE value > 1000")
    return module_dsn


@pytest.fixture
def reader(items: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(items, autocommit=True) as connection:
        yield connection


def cells(text: str) -> list[list[str]]:
    """The cells of each line, where no cell is empty or has two blanks in it."""
    return [re.split(r"  +", line.strip()) for line in text.splitlines()]


def on_terminal(
    *arguments: str, dsn: str, columns: int = 60, variables: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """What a command writes to a terminal, and to standard error."""
    terminal = Terminal(columns)
    env = {"TERM": "xterm-256color", "COLUMNS": "", **(variables or {})}
    process = start_cli(*arguments, dsn=dsn, env=env, stdout=terminal.descriptor, stderr=subprocess.PIPE)
    said = process.communicate(timeout=60)[1].decode()
    written = terminal.close()
    assert process.returncode == 0, said
    return written, said


def test_the_first_rows_with_their_types(cli: Cli, items: str, reader: psycopg.Connection) -> None:
    done = cli("show", "items", "--columns", "id,value", "--order-by", "id", dsn=items)
    types = reader.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'items'::regclass AND attname IN ('id', 'value') ORDER BY attnum"
    ).fetchall()
    rows = reader.execute("SELECT id::text, value::text FROM items ORDER BY items.id LIMIT 20").fetchall()
    lines = succeeded(done).decode().splitlines()
    assert cells("\n".join(lines)) == [["id", "value"], [type_ for (type_,) in types], *map(list, rows)]
    assert len({len(line) for line in lines}) == 1, "numbers end in one column"
    assert done.stderr.decode() == "polyglot: these are the first 20 rows; -n N shows more\n"


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        (("items", "-n", "3", "-c", "value"), "SELECT value::text FROM items LIMIT 3"),
        (
            ("dear", "--order-by", "id:desc", "-n", "2"),
            "SELECT id::text, value::text FROM dear ORDER BY dear.id DESC LIMIT 2",
        ),
        (("items", "--where", "id > 998", "-c", "id"), "SELECT id::text FROM items WHERE id > 998"),
        (("-q", "SELECT 1.50 AS a, DATE '2026-02-01' AS b"), "SELECT 1.50::text, DATE '2026-02-01'::text"),
        (("items", "-n", "0", "-c", "id"), "SELECT id::text FROM items LIMIT 0"),
    ],
)
def test_what_is_shown_is_what_is_asked_for(
    cli: Cli, items: str, reader: psycopg.Connection, arguments: Sequence[str], query: str
) -> None:
    shown = cells(succeeded(cli("show", *arguments, dsn=items)).decode())
    assert shown[2:] == [list(row) for row in reader.execute(query).fetchall()]


def test_null_and_text_that_looks_like_it(cli: Cli, items: str) -> None:
    query = (
        "SELECT * FROM (VALUES (1, NULL, '-'), (2, 'NULL', '-'), (3, '''q''', '-'), (4, 'it''s', '-')) AS t(n, x, y)"
    )
    shown = cells(succeeded(cli("show", "-q", query, dsn=items)).decode())
    assert [row[1] for row in shown[2:]] == ["NULL", "'NULL'", "''q''", "it's"]


def test_all_rows_are_shown_without_a_word(cli: Cli, items: str) -> None:
    done = cli("show", "-q", "SELECT generate_series(1, 20) AS n", dsn=items)
    assert len(succeeded(done).splitlines()) == 22
    assert done.stderr == b""


def test_nothing_in_a_value_or_name_steers_the_terminal(items: str) -> None:
    quoted = EVIL.replace("'", "''")
    shown, _ = on_terminal("show", "-q", f"SELECT '{quoted}'::text AS \"{EVIL}\"", dsn=items, columns=200)
    assert set(re.findall(r"\x1b[^m]*m", shown)) <= {"\x1b[1m", "\x1b[2m", "\x1b[0m"}
    lines = plain(shown).replace("\r\n", "\n").splitlines()
    assert all(line.isprintable() for line in lines)
    assert lines[2] == r"\x1b]0;owned\x07\x1b[2J\u202eabc\r\n\x9b31m"


def test_a_terminal_gets_its_width(items: str) -> None:
    """The widest column gives way, and ends in …; names are bold, types and NULL dim."""
    query = "SELECT 12345678 AS id, repeat('Zoë ', 100) AS note, NULL::int AS gone"
    shown, said = on_terminal("show", "-q", query, dsn=items, columns=60)
    lines = [line.rstrip("\r") for line in plain(shown).split("\n") if line]
    assert max(cell_width(line) for line in lines) == 60
    assert lines[2].startswith("12345678  Zoë Zoë ")
    assert "…" in lines[2]
    assert lines[2].endswith("NULL")
    assert "\x1b[1mid\x1b[0m" in shown
    assert "\x1b[2mNULL\x1b[0m" in shown
    assert said == ""


def test_columns_without_room_are_told(items: str) -> None:
    names = ", ".join(f"repeat('x', 30) AS column_{n}" for n in range(10))
    shown, said = on_terminal("show", "-q", f"SELECT {names}", dsn=items, columns=40)
    lines = [line.rstrip("\r") for line in plain(shown).split("\n") if line]
    assert max(map(cell_width, lines)) <= 40
    assert len(cells(lines[0])[0]) == 4
    assert said == (
        "polyglot: no room for 6 columns: column_4, column_5, column_6, column_7, column_8, column_9; --columns chooses\n"
    )


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_not_wanted(items: str, variables: dict[str, str]) -> None:
    assert "\x1b" not in on_terminal("show", "items", "-n", "1", dsn=items, variables=variables)[0]


def test_a_pipe_gets_whole_lines(cli: Cli, items: str) -> None:
    text = succeeded(cli("show", "-q", "SELECT repeat('x', 900) AS a, repeat('y', 5000) AS b", dsn=items)).decode()
    assert text.splitlines()[2] == "x" * 900 + "  " + "y" * CHARACTERS + "…"


def test_many_values_keep_less_of_each(cli: Cli, items: str) -> None:
    """All of them together are held, so that they must not grow without a bound."""
    assert [characters_for(values) for values in (0, 1, 4_000, 40_000, 2_000_000)] == [1000, 1000, 1000, 100, 20]
    columns = ", ".join(f"repeat('x', 900) AS c{n}" for n in range(100))
    query = f"SELECT {columns} FROM generate_series(1, 99)"
    line = succeeded(cli("show", "-q", query, "-n", "99", dsn=items)).decode().splitlines()[2]
    assert {len(cell) for cell in line.split()} == {characters_for(100 * 100) + 1}


def test_wide_characters_keep_the_columns_in_line() -> None:
    table = sheet(
        [Heading("a", "text", False), Heading("b", "text", False)],
        [("日本", "x"), ("ab", "x"), ("e\u0301", None)],
        Look(None, styled=False),
    )
    assert [cell_width(line) for line in table.lines[2:4]] == [7, 7]
    assert table.lines[2:] == ["日本  x", "ab    x", "e\u0301     NULL"]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_rows_are_read_from_pieces_of_any_size(reader: psycopg.Connection, size: int) -> None:
    """As COPY writes them with the same options."""
    query = "SELECT name, note, NULL::text, E'a\"\"b\\n,\"'::text, ''::text FROM items ORDER BY id LIMIT 50"
    with reader.cursor().copy(
        f"COPY ({query}) TO STDOUT (FORMAT csv, FORCE_QUOTE *, NULL '{OPTIONS['null']}')"
    ) as copy:
        data = b"".join(copy)
    found = Rows()
    with found:
        for at in range(0, len(data), size):
            found.write(data[at : at + size])
        found.commit()
    assert found.rows == reader.execute(query).fetchall()


def test_a_table_without_columns(cli: Cli, dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES; INSERT INTO bare DEFAULT VALUES")
    assert succeeded(cli("show", "bare", dsn=dsn)) == b"2 rows without columns\n"


def test_wrong_use(cli: Cli, items: str) -> None:
    assert "did you mean public.items?" in complaint(cli("show", "itemz", dsn=items), 2)
    assert "name a table or view, or give --query" in complaint(cli("show", dsn=items), 2)
    assert "'--limit'" in complaint(cli("show", "items", "-n", "1001", dsn=items), 2)
    assert "division by zero" in complaint(
        cli("show", "-q", "SELECT 1/(g-1) FROM generate_series(1, 2) g", dsn=items), 1
    )
