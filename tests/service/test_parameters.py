"""Typed parameters of configured queries: the values that a request gives, and nothing but values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.service.config.file import load_configuration
from polyglot_export.sources.placeholders import placeholders, with_values
from tests.fixtures.process import Service, cli, serve
from tests.service.client import assert_problem, call, post, wait_for
from tests.service.injections import INJECTIONS

TYPES: dict[str, list[Any]] = {
    "smallint": [7, "7"],
    "integer": [-7, "42"],
    "bigint": [9223372036854775807],
    "numeric": [12345678901234567890.5, "0.1000", "NaN", 1e20],
    "double precision": [0.1, "-Infinity"],
    "text": ["", "it's", "ü\\", 5],
    "varchar": ["a"],
    "name": ["n"],
    "uuid": ["00000000-0000-4000-8000-000000000001"],
    "boolean": [True, False, "yes"],
    "date": ["2026-01-31", "today", "infinity"],
    "time": ["23:59:59.5"],
    "timestamp": ["2026-01-31 12:00"],
    "timestamptz": ["2026-01-31T12:00:00+02:00"],
    "interval": ["1 month -3 days"],
    "json": ['{"a": [1]}'],
    "jsonb": ['{"b": null, "a": 1.50}'],
    "bytea": ["\\x00ff"],
    "inet": ["192.0.2.1/24"],
    "int4range": ["[1,5)"],
    "shop.state": ["paid"],
    "shop.percent": [99],
    "text[]": [[], ["a", None, "NULL", 'q"u\\o,te{}', ""], ["it's"]],
    "integer[]": [[1, None, -3]],
    "date[]": [["2026-01-31", "today"]],
    "boolean[]": [[True, None]],
    "shop.state[]": [["paid", "open"]],
}
WRONG: dict[str, list[Any]] = {
    "integer": ["x", "1; drop table orders", 1.5, True, [1], "", "99999999999"],
    "date": ["2026-02-30", 5, "soon'"],
    "uuid": ["7"],
    "boolean": ["perhaps"],
    "jsonb": ["{"],
    "shop.state": ["lost"],
    "text[]": ["a", [["a"]], {"a": 1}],
    "integer[]": [["x"], [1.5]],
}


def name_of(type_: str) -> str:
    return "by_" + "".join(letter if letter.isalnum() else "_" for letter in type_)


@pytest.fixture(scope="module")
def database(module_dsn: str) -> str:
    """An enumeration, a domain, and a table."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA shop")
        connection.execute("CREATE TYPE shop.state AS ENUM ('open', 'paid')")
        connection.execute("CREATE DOMAIN shop.percent AS int CHECK (VALUE BETWEEN 0 AND 100)")
        connection.execute("CREATE TABLE orders (id int, country text, month date)")
        connection.execute(
            "INSERT INTO orders SELECT n, (ARRAY['DE', 'AT', NULL])[n %% 3 + 1], date '2026-01-01' + n"
            " FROM generate_series(1, 50) AS n",
            [],
        )
    return module_dsn


@pytest.fixture(scope="module")
def service(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a dataset for each type, and one with all that a parameter can have."""
    folder = tmp_path_factory.mktemp("parameters")
    config = folder / "polyglot.toml"
    tables = [
        f'[datasets.{name_of(each)}]\nquery = "select :value as value, :value is null as missing"\n'
        f"parameters.value = {{ type = {json.dumps(each)}, nullable = true }}\n"
        for each in TYPES
    ]
    config.write_text(
        "".join(tables)
        + """
[datasets.revenue]
query = \"\"\"
select id, country, ':none' as text, 100 % 7 as rest -- :neither
from orders where month between :from and :to and country = any(:countries)
order by id
\"\"\"
parameters.from = "date"
parameters.to = { type = "date", default = "2026-02-10", comment = "the last day" }
parameters.countries = { type = "text[]", default = ["DE", "AT"] }
[datasets.plain]
table = "public.orders"
"""
    )
    with serve(database, config=config, default_dataset="plain", spool_dir=folder / "spool") as running:
        yield running


def exported(service: Service, dataset: str, parameters: object, **more: object) -> bytes:
    made = post(service, {"format": "csv", "dataset": dataset, "parameters": parameters, **more})
    assert made.status == 201, made
    got = call(service, f"/exports/{made.json()['exportId']}/download")
    assert got.status == 200, got
    return got.body


def copied(database: str, query: sql.Composable) -> bytes:
    """What COPY writes of a statement into which the server has put the values."""
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        # What an export sets too.
        cursor.execute("SET TimeZone = 'UTC'")
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(query)
        with cursor.copy(statement) as copy:
            return b"".join(copy)


def literal(value: Any) -> sql.Composable:
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, list):
        items = [None if each is None else str(each).lower() if isinstance(each, bool) else str(each) for each in value]
        return sql.SQL("ARRAY[{}]::text[]").format(sql.SQL(", ").join(map(sql.Literal, items)))
    return sql.Literal(None if value is None else str(value))


@pytest.mark.parametrize("type_", TYPES)
def test_a_value_of_each_type_is_what_the_server_makes_of_it(service: Service, database: str, type_: str) -> None:
    for value in [*TYPES[type_], None]:
        query = sql.SQL("SELECT v AS value, v IS NULL AS missing FROM (SELECT CAST({} AS {}) AS v) AS t").format(
            literal(value), sql.SQL(type_)
        )
        assert exported(service, name_of(type_), {"value": value}) == copied(database, query), value


@pytest.mark.parametrize("type_", WRONG)
def test_a_value_that_does_not_fit_is_named(service: Service, type_: str) -> None:
    for value in WRONG[type_]:
        answer = post(service, {"format": "csv", "dataset": name_of(type_), "parameters": {"value": value}})
        assert_problem(answer, 400, "bad-request", "parameters.value")


def test_a_domain_is_checked_when_the_statement_is_planned(service: Service) -> None:
    made = post(service, {"format": "csv", "dataset": name_of("shop.percent"), "parameters": {"value": 101}})
    if made.status == 201:
        made = call(service, f"/exports/{made.json()['exportId']}/download")
    assert_problem(made, 400, "bad-request", "parameters.value", "percent_check")


def test_defaults_nulls_and_columns(service: Service, database: str) -> None:
    query = sql.SQL(
        "SELECT id, country, ':none' AS text, 100 % 7 AS rest FROM orders"
        " WHERE month BETWEEN '2026-01-10' AND {} AND country = ANY({}) ORDER BY id"
    )
    whole = exported(service, "revenue", {"from": "2026-01-10"})
    assert whole == copied(database, query.format(sql.Literal("2026-02-10"), sql.Literal(["DE", "AT"])))
    assert whole.count(b"\n") > 10
    fewer = exported(service, "revenue", {"from": "2026-01-10", "to": "2026-01-20", "countries": ["DE"]})
    assert fewer == copied(database, query.format(sql.Literal("2026-01-20"), sql.Literal(["DE"])))
    assert exported(service, "revenue", {"from": "2026-01-10", "countries": []}).count(b"\n") == 1


@pytest.mark.parametrize(
    ("dataset", "parameters", "words"),
    [
        ("revenue", None, ("parameters.from", "is missing", "date")),
        ("revenue", {}, ("parameters.from", "is missing")),
        ("revenue", {"from": None}, ("parameters.from", "must not be null")),
        ("revenue", {"from": "2026-01-01", "till": 1}, ("parameters.till", "it has from, to, countries")),
        ("revenue", {"from": ["2026-01-01"]}, ("parameters.from", "not a list")),
        ("revenue", {"from": "2026-01-01", "countries": "DE"}, ("parameters.countries", "must be a list")),
        ("revenue", {"from": {"a": 1}}, ("parameters.from",)),
        ("revenue", [1], ("parameters", "must be an object")),
        ("revenue", {"from": 1e300}, ("parameters.from",)),
        ("plain", {"from": 1}, ("parameters.from", "it has none")),
    ],
    ids=[
        "none",
        "empty",
        "null",
        "unknown",
        "list",
        "no list",
        "object",
        "no object",
        "large number",
        "no parameters",
    ],
)
def test_what_is_wrong_is_named(service: Service, dataset: str, parameters: object, words: tuple[str, ...]) -> None:
    body = {"format": "csv", "dataset": dataset, "parameters": parameters}
    assert_problem(post(service, body), 400, "bad-request", *words)


def test_parameters_are_shown(service: Service) -> None:
    shown = call(service, "/datasets/revenue").json()
    assert shown["parameters"] == [
        {"name": "from", "type": "date", "required": True, "nullable": False, "default": None, "comment": None},
        {
            "name": "to",
            "type": "date",
            "required": False,
            "nullable": False,
            "default": "2026-02-10",
            "comment": "the last day",
        },
        {
            "name": "countries",
            "type": "text[]",
            "required": False,
            "nullable": False,
            "default": ["DE", "AT"],
            "comment": None,
        },
    ]
    assert [column["name"] for column in shown["columns"]] == ["id", "country", "text", "rest"]
    assert call(service, "/datasets/plain").json()["parameters"] == []


def test_a_prepared_file_and_a_filter_beside_them(service: Service, database: str) -> None:
    parameters = {"from": "2026-01-10"}
    spec = {"format": "csv", "dataset": "revenue", "parameters": parameters, "delivery": "file"}
    made = post(service, {**spec, "filter": [{"column": "id", "op": "<", "value": 20}]}).json()
    assert made["spec"]["parameters"] == parameters
    wait_for(lambda: call(service, f"/exports/{made['exportId']}").json()["status"] == "completed")
    rows = call(service, f"/exports/{made['exportId']}/download").body.splitlines()[1:]
    with psycopg.connect(database) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM orders WHERE month BETWEEN '2026-01-10' AND '2026-02-10' AND country IN ('DE', 'AT') AND id < 20"
        ).fetchone() or (0,)
    assert len(rows) == count


def test_sql_in_a_value_stays_a_value(service: Service, database: str) -> None:
    """Each comes back byte for byte, and the table is still there."""
    with psycopg.connect(database) as connection:
        before = connection.execute("SELECT count(*) FROM orders").fetchone()
        assert len(INJECTIONS) >= 500
        # All at once as an array, so that each is a value of its own without five hundred runs.
        expected = copied(
            database,
            sql.SQL("SELECT v AS value, v IS NULL AS missing FROM (SELECT {}::text[] AS v) AS t").format(
                sql.SQL("ARRAY[{}]").format(sql.SQL(", ").join(map(sql.Literal, INJECTIONS)))
            ),
        )
        assert exported(service, name_of("text[]"), {"value": list(INJECTIONS)}) == expected
        for value in INJECTIONS[::20]:
            query = sql.SQL("SELECT {}::text AS value, false AS missing").format(sql.Literal(value))
            assert exported(service, "by_text", {"value": value}) == copied(database, query)
            body = {"format": "csv", "dataset": "by_integer", "parameters": {"value": value}}
            assert_problem(post(service, body), 400, "bad-request", "parameters.value")
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('query = "select :a"\nparameters.b = "int"', "datasets.x.parameters: the query has :a, which is not declared"),
        ('query = "select 1"\nparameters.b = "int"', "datasets.x.parameters.b: the query has no :b"),
        ('table = "orders"\nparameters.b = "int"', "datasets.x.parameters: are for a query"),
        ('query = "select :a"\nparameters.a = "varchar(3)"', "without a length or precision"),
        (
            'query = "select :a"\nparameters.a = "char"',
            "datasets.x.parameters.a.type: must be a type that takes whole values",
        ),
        ('query = "select :a"\nparameters.a = "bit[]"', "a cast to this one would cut them"),
        ('query = "select :a"\nparameters.a = "interval year"', "a cast to this one would cut them"),
        (
            'query = "select :a"\nparameters.a = "int) from x --"',
            "datasets.x.parameters.a.type: must be the name of a type",
        ),
        ('query = "select :a"\nparameters.a = { type = "int", default = [1] }', "must be one value of type int"),
        ('query = "select :a"\nparameters.a = { typ = "int" }', "unknown member 'typ'"),
    ],
    ids=["not declared", "not used", "table", "length", "char", "bit", "interval field", "SQL", "default", "member"],
)
def test_a_configuration_that_is_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(f"[datasets.x]\n{text}\n")
    with pytest.raises(SpecError) as refused:
        load_configuration(config)
    assert reason in str(refused.value)


def test_a_type_that_does_not_exist_is_found_by_check(database: str, tmp_path: Path) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text('[datasets.x]\nquery = "select :a"\nparameters.a = "sometype"\n')
    done = cli("check", "--config", str(config), dsn=database)
    assert done.returncode == 1
    assert b'type "sometype" does not exist' in done.stdout + done.stderr


def test_a_placeholder_that_the_server_does_not_see_is_refused(database: str, tmp_path: Path) -> None:
    """Whatever the reader of placeholders takes for one: a value would end the string that it is in."""
    config = tmp_path / "polyglot.toml"
    config.write_text('[datasets.x]\nquery = """select 1 as a, N\'b\' as c, U&"d :a" """\nparameters.a = "text"\n')
    done = cli("check", "--config", str(config), dsn=database)
    assert done.returncode in (1, 2)


def test_a_domain_with_a_length_is_refused(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE DOMAIN shop.short AS char(3)")
    config = tmp_path / "polyglot.toml"
    config.write_text('[datasets.x]\nquery = "select :a"\nparameters.a = "shop.short"\n')
    done = cli("check", "--config", str(config), dsn=database)
    assert done.returncode == 1
    assert b"would be cut" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("select :a, ':b', \":c\", $$:d$$, $x$ :e $x$ -- :f\n, /* :g /* :h */ :i */ :j::date", ("a", "j")),
        ("select a[1:2], a[1:n], x::int, E'\\':k', f(b := 1), f(b => :l), '{\"a\":1}'::jsonb", ("l",)),
        ("where x=:a and y=:a or z in(:b,:c)", ("a", "b", "c")),
        ("select 'it''s :a', e'\\\\' , :b", ("b",)),
        ("select U&'\\0061 :a', b'1', n':c', :d", ("d",)),
        ("select E'a'\n'b\\' :a', :b", ("b",)),
        ("select E'a' -- it's\n -- more\n 'b\\' :a', :b", ("b",)),
        ("select $€$ :a $€$, :b", ("b",)),
        ("select 1 as €e'\\', :b", ("b",)),
        ("-- :a", ()),
        ("/* :a", ()),
    ],
)
def test_placeholders_are_found_as_the_server_reads_sql(text: str, names: tuple[str, ...]) -> None:
    assert placeholders(text) == names


def test_percent_signs_stay() -> None:
    assert with_values("select 5 % 3, '%s', :a", {"a": "%(a)s"}) == "select 5 %% 3, '%%s', %(a)s"
