"""The keywords of the library take what the command line takes, and an error says what to write."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import InternalError, OrderTerm, SpecError, aexport, explain, export, export_to_file
from tests.library.helpers import copied, exported


@pytest.fixture
def table(conn: psycopg.Connection) -> None:
    conn.execute('CREATE TABLE t AS SELECT g AS id, g % 3 AS "rest:desc" FROM generate_series(1, 9) AS g')


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("what", "query"),
    [
        ({"order_by": ["id:desc"]}, "SELECT * FROM t ORDER BY id DESC"),
        ({"order_by": "id:DESC", "limit": 2}, "SELECT * FROM t ORDER BY id DESC LIMIT 2"),
        ({"order_by": "id"}, "SELECT * FROM t ORDER BY id"),
        ({"order_by": OrderTerm("id", "desc")}, "SELECT * FROM t ORDER BY id DESC"),
        (
            {"order_by": [OrderTerm("rest:desc"), "rest:desc:asc", "id:desc"]},
            'SELECT * FROM t ORDER BY "rest:desc", id DESC',
        ),
        ({"where": "id <= 3"}, "SELECT * FROM t WHERE id <= 3"),
        ({"where": ["id > 3", "id in (4, 5)"]}, "SELECT * FROM t WHERE id > 3 AND id IN (4, 5)"),
        (
            {"where": "id > 3", "filter": [{"column": "id", "op": "<", "value": 6}]},
            "SELECT * FROM t WHERE id > 3 AND id < 6",
        ),
        ({"filter": {"column": "id", "op": "=", "value": 6}}, "SELECT * FROM t WHERE id = 6"),
        ({"exclude": "rest:desc"}, "SELECT id FROM t"),
        ({"exclude": ["rest:desc"], "where": '"rest:desc" = 1'}, 'SELECT id FROM t WHERE "rest:desc" = 1'),
        ({"columns": ["*"], "exclude": ("rest:desc",)}, "SELECT id FROM t"),
    ],
)
def test_the_forms_of_the_command_line(
    dsn: str, conn: psycopg.Connection, tmp_path: Path, what: dict[str, Any], query: str
) -> None:
    expected = copied(conn, query)
    assert exported(dsn, "t", **what) == expected
    export_to_file(dsn, "t", tmp_path / "t.csv", **what)
    assert (tmp_path / "t.csv").read_bytes() == expected

    async def main() -> bytes:
        async with aexport(dsn, "t", **what) as chunks:
            return b"".join([chunk async for chunk in chunks])

    assert asyncio.run(main()) == expected
    assert explain(dsn, "t", **what).columns[0].source == "id"


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"where": "id"}, "after the column comes one of the operators"),
        ({"where": [{"column": "id"}]}, "where: takes terms as text, such as 'id <= 3'"),
        ({"where": 3}, "where: must be a list"),
        ({"filter": "id <= 3"}, "give a term that is written out to where="),
        ({"filter": 3}, "filter: must be a list"),
        ({"order_by": 3}, "order_by: must be a list"),
        ({"columns": 3}, "columns: must be a list"),
        ({"exclude": 3}, "exclude: must be a list"),
        ({"exclude": "id", "columns": ["id"]}, "exclude.0: 'id' is among the columns that are asked for"),
        ({"workers": float("nan")}, "workers: must be a whole number of at least 1 (got nan)"),
        ({"workers": 1.5}, "workers: must be a whole number of at least 1 (got 1.5)"),
        ({"lock_timeout": 0}, "lock_timeout: must be above 0 seconds, and at most 2,147,483 (got 0)"),
        ({"lock_timeout": float("inf")}, "lock_timeout: must be above 0 seconds, and at most 2,147,483 (got inf)"),
        ({"idle_timeout": 3e6}, "idle_timeout: must be above 0 seconds, and at most 2,147,483 (got 3000000.0)"),
        ({"rate_limit": "fast"}, "rate_limit: must be above 0 bytes a second (got 'fast')"),
        ({"idle_timeout": 0}, "idle_timeout: must be above 0 seconds"),
    ],
)
def test_what_is_not_taken(what: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as raised:
        export("host=nowhere.invalid", "t", **what)
    assert message in str(raised.value)


def test_all_ways_in_take_the_same() -> None:
    keywords = {name: dict(inspect.signature(call).parameters) for name, call in CALLS.items()}
    for name, given in keywords.items():
        shared = {key for key in keywords["export"] if key not in LEFT_OUT.get(name, ())}
        assert shared <= set(given), name
        for key in shared - {"format"}:
            assert given[key].annotation == keywords["export"][key].annotation, (name, key)
        assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in given.values()), name


CALLS: dict[str, Callable[..., Any]] = {
    "export": export,
    "aexport": aexport,
    "export_to_file": export_to_file,
    "explain": explain,
}
LEFT_OUT = {
    # A file is written by us, who always pull.
    "export_to_file": ("idle_timeout",),
}


def test_asyncio_without_async_with() -> None:
    async def main() -> None:
        async for _ in aexport("host=nowhere.invalid", "t"):
            pass

    with pytest.raises(SpecError, match=r"write async with aexport\(…\) as chunks") as raised:
        asyncio.run(main())
    assert not isinstance(raised.value, InternalError)
    for use in ("plan", "snapshot"):
        with pytest.raises(SpecError, match="async with"):
            getattr(aexport("host=nowhere.invalid", "t"), use)
