"""``--param``: values for a query on the command line, of the types that the server finds."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.cli.helpers import complaint, copied, succeeded
from tests.fixtures.process import Cli
from tests.service.injections import INJECTIONS


@pytest.fixture
def orders(dsn: str, conn: psycopg.Connection) -> str:
    """A table to ask."""
    conn.execute("CREATE TABLE orders (id int, country text, day date, total numeric)")
    conn.execute(
        "INSERT INTO orders SELECT n, (ARRAY['DE', 'AT', NULL])[n %% 3 + 1], date '2026-01-01' + n, n / 4.0"
        " FROM generate_series(1, 40) AS n",
        [],
    )
    return dsn


QUERY = "select * from orders where day >= :from and country = any(:countries) and total % 2 <> 1 order by id"
FROM, COUNTRIES = "--param=from=2026-01-10", "--param=countries={DE,AT}"


@pytest.mark.parametrize("way", ["--query", "--query-file", "@file", "-"])
def test_values_are_of_the_types_that_the_server_finds(
    cli: Cli, orders: str, conn: psycopg.Connection, tmp_path: Path, way: str
) -> None:
    file = tmp_path / "report.sql"
    file.write_text(QUERY)
    given = {
        "--query": ["-q", QUERY],
        "--query-file": ["--query-file", str(file)],
        "@file": ["-q", f"@{file}"],
        "-": ["-q", "-"],
    }[way]
    done = cli("export", *given, FROM, COUNTRIES, "-o", "-", dsn=orders, stdin=QUERY.encode() if way == "-" else None)
    expected = QUERY.replace(":from", "'2026-01-10'").replace(":countries", "'{DE,AT}'")
    assert succeeded(done) == copied(conn, expected)


def test_an_empty_text_is_no_null(cli: Cli, orders: str, conn: psycopg.Connection) -> None:
    query = "select :a::text as a, :a::text is null as missing"
    assert succeeded(cli("export", "-q", query, "--param", "a=", "-o", "-", dsn=orders)) == copied(
        conn, "select ''::text as a, false as missing"
    )
    assert succeeded(cli("export", "-q", query, "--null-param", "a", "-o", "-", dsn=orders)) == copied(
        conn, "select null::text as a, true as missing"
    )


def test_show_and_a_dry_run_take_them(cli: Cli, orders: str) -> None:
    query = "select id from orders where id = :id"
    assert b"17" in succeeded(cli("show", "-q", query, "--param", "id=17", dsn=orders))
    cli("export", "-q", query, "--param", "id=17", "--dry-run", dsn=orders).check_returncode()
    cli("explain", "-q", query, "--param", "id=17", dsn=orders).check_returncode()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-q", QUERY, COUNTRIES], "parameters.from: is missing"),
        (
            ["-q", QUERY, FROM, COUNTRIES, "--param=to=1"],
            "parameters.to: the query has no :to; it has :from, :countries",
        ),
        (["-q", QUERY, "--param=from=soon", COUNTRIES], "parameters.from: is no date"),
        (["-q", QUERY, FROM, "--param=countries=DE"], "parameters.countries: is no text[]"),
        (["-q", "select 1", "--param=a=1"], "parameters.a: the query has no :a; it has none"),
        (["orders", "--param=a=1"], "param: is for the :name of --query"),
        (["-q", QUERY, FROM, FROM], "param: from is given twice"),
        (["-q", QUERY, "--param=from"], "param: must be NAME=VALUE"),
        (["-q", QUERY, "--query-file", "x.sql"], "give --query or --query-file, not both"),
    ],
    ids=["missing", "unknown", "no date", "no array", "no parameters", "table", "twice", "no value", "both"],
)
def test_what_is_wrong_is_said_in_a_line(cli: Cli, orders: str, arguments: list[str], reason: str) -> None:
    assert reason in complaint(cli("export", *arguments, "-o", "-", dsn=orders), 2)


def test_sql_in_a_value_stays_a_value(cli: Cli, orders: str, conn: psycopg.Connection) -> None:
    for value in INJECTIONS[::60]:
        done = cli("export", "-q", "select :a::text as a", f"--param=a={value}", "-o", "-", dsn=orders)
        assert succeeded(done) == copied(
            conn, sql.SQL("select {}::text as a").format(sql.Literal(value)).as_string(conn)
        )
