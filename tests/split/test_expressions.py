"""``--split-values`` by an expression in SQL: a part a value of it, and nothing else that a text could do."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from polyglot_export import AccessDenied, SpecError, explain, parse_spec
from polyglot_export.access.given import GivenSource
from polyglot_export.access.schema import ExposedTables
from polyglot_export.execution.opening import explain as explain_spec
from polyglot_export.request.spec import FilterTerm
from polyglot_export.request.sql_text import SqlText
from polyglot_export.request.words import FilterOp
from polyglot_export.sources.table import TableSource
from tests.cli.helpers import succeeded
from tests.fixtures.process import Cli
from tests.library.helpers import as_role, exported_rows, new_role
from tests.split.samples import same_rows

EXPRESSIONS = (
    "extract(day FROM made)",
    "made::date",
    "date_trunc('month', made)",
    "CASE WHEN id % 3 = 0 THEN 'NaN'::float8 WHEN id % 3 = 1 THEN NULL ELSE -id % 2 END",
    "lower(state) || '''(' -- and a comment",
    'left(note, 2) COLLATE "C"',
    "ARRAY[state, NULL]",
    "id % 2 = 0",
    "7",
    "NULL",
)
WRONG = {
    "id, state": "one expression",
    "id; DROP TABLE orders": "syntax error",
    "id FROM orders --": "syntax error",
    "id) FROM orders UNION SELECT (id": "syntax error",
    "count(*)": "aggregate functions are not allowed",
    "generate_series(1, id)": "set-returning functions are not allowed",
    "row_number() OVER ()": "window functions are not allowed",
    "(SELECT max(id) FROM customers)": "sub-select",
    "id IN (/* a */ values (1))": "sub-select",
    "EXISTS ((TABLE customers))": "sub-select",
    "CASE WHEN true THEN (WITH x AS (SELECT 1) SELECT * FROM x) END": "sub-select",
    "$1": "without parameters",
    "colour": 'column "colour" does not exist',
    "odd(id)": "odd() is volatile",
    "made > now()": "now()",
    "made > 'yesterday'": "'yesterday'",
    "row(id % 2)": "record",
    "point(id, 1)": "no order",
    "id": "more than 300",
}
SOURCES: tuple[dict[str, Any], ...] = ({"source": "orders"}, {"query": "SELECT * FROM joined WHERE id < 900"})


def test_each_value_of_an_expression_has_a_part(newer: str, older: str) -> None:
    for dsn, what in zip((newer, older), SOURCES, strict=True):
        wrong = [text for text in EXPRESSIONS if not same_rows(dsn, **what, split_values=(text, None))]
        assert wrong == []
    plan = explain(newer, "orders", split_values=("id %% %s", [3]))
    assert len(plan.scans) == 4
    assert "a value of 'id % 3'" in plan.notes[0]


def test_the_parts_come_in_the_order_of_the_values(newer: str) -> None:
    with psycopg.connect(newer, autocommit=True) as conn:
        for text in EXPRESSIONS:
            query = f"SELECT id, v::text FROM (SELECT id, ({text}\n) AS v FROM orders) AS o ORDER BY o.v"
            of_row: dict[int, str] = dict(conn.execute(query.encode()).fetchall())
            rows = exported_rows(newer, "orders", columns=["id"], split_values=(text, None))
            assert [*dict.fromkeys(of_row[row["id"]] for row in rows)] == [*dict.fromkeys(of_row.values())], text


def test_what_is_no_expression_of_a_row_is_refused(samples: str) -> None:
    said = {}
    for text in WRONG:
        for what in SOURCES:
            with pytest.raises(SpecError) as caught:
                explain(samples, **what, split_values=(text, None))
            said[text, *what] = caught.value.message
            assert caught.value.field == "splitValues"
    assert {key: text for key, text in said.items() if WRONG[key[0]] not in text} == {}


def test_a_text_alone_is_a_column_and_never_sql(newer: str) -> None:
    with pytest.raises(SpecError, match="there is no column 'id % 3'"):
        explain(newer, "orders", split_values="id % 3")
    for given in (["id % 3", []], {"text": "id % 3"}, 3):
        with pytest.raises(SpecError, match="must be the name of a column"):
            parse_spec({"format": "csv", "dataset": "orders", "splitValues": given})
    with pytest.raises(SpecError, match="there can be no orderBy"):
        explain(newer, "orders", split_values=("id % 3", None), order_by="id")


@pytest.mark.parametrize(
    "narrowed",
    [
        {"columns": ("id", "state")},
        {"masks": (("amount", "0"),)},
        {"rows": (FilterTerm("customer", FilterOp.EQ, "3"),)},
    ],
    ids=["columns", "masks", "rows"],
)
def test_an_expression_sees_nothing_that_is_hidden(newer: str, narrowed: dict[str, Any]) -> None:
    spec = parse_spec({"format": "csv", "dataset": "orders", "splitValues": SqlText("amount > 100")})
    with pytest.raises(SpecError, match="SQL is not taken where only some"):
        explain_spec(spec, dsn=newer, exposure=GivenSource(TableSource("orders", **narrowed)))
    of_column = parse_spec({"format": "csv", "dataset": "orders", "splitValues": "state"})
    assert len(explain_spec(of_column, dsn=newer, exposure=GivenSource(TableSource("orders", **narrowed))).scans) > 1


def test_the_command_line_takes_columns_and_expressions(newer: str, cli: Cli) -> None:
    for written, name in (
        ("state", "'state'"),
        ('"state"', "'state'"),
        ('left("state", 1)', "'left(\"state\", 1)'"),
        ("id % 3", "'id % 3'"),
    ):
        told = succeeded(cli("explain", "orders", "--split-values", written, dsn=newer)).decode()
        assert f"4 parts, a value of {name} each" in told


def test_an_expression_is_not_repeated_without_bound(newer: str) -> None:
    long = "id % (2" + " + 0" * 600 + ")"
    with pytest.raises(SpecError, match=f"has {len(long):,} bytes"):
        explain(newer, "orders", split_values=(long, None))
    assert len(explain(newer, query="SELECT * FROM orders", split_values=(long, None)).scans) == 3


def test_an_exposure_without_sql_takes_none() -> None:
    spec = parse_spec({"format": "csv", "dataset": "orders", "splitValues": SqlText("amount > 100")})
    with pytest.raises(SpecError, match="SQL is not taken here"):
        ExposedTables.public().source_of(spec)


def test_the_rights_of_the_login_hold(newer: str) -> None:
    with psycopg.connect(newer, autocommit=True) as conn, new_role(conn, "narrow") as role:
        conn.execute(f"GRANT SELECT (id, state) ON orders TO {role}".encode())
        dsn = as_role(newer, role)
        columns = ["id", "state"]
        assert len(explain(dsn, "orders", columns=columns, split_values=("left(state, 1)", None)).scans) == 4
        with pytest.raises(AccessDenied):
            explain(dsn, "orders", columns=columns, split_values=("amount > 100", None))
