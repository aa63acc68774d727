"""Every type that has an order: no row is lost and none is twice, in the order of the server."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export import SpecError, explain, export
from tests.library.helpers import exported, rows_of
from tests.split.samples import VALUES, table_of


@pytest.mark.parametrize("type_", VALUES)
def test_parts_have_every_row_once_in_the_order_of_the_server(
    older: str, reading: psycopg.Connection, type_: str
) -> None:
    table = table_of(type_)
    ways: list[tuple[str, dict[str, Any]]] = [
        ("asc", {"source": table, "split_by": "v:5"}),
        ("desc", {"query": f"SELECT * FROM {table}", "split_values": "v"}),
    ]
    for direction, what in ways:
        with export(older, format="ndjson", order_by=[f"v:{direction}", "n"], workers=3, **what) as rows:
            numbers = [(row["n"],) for row in rows_of(rows.read())]
            assert len(rows.plan.scans) > 1
        assert numbers == reading.execute(f"SELECT n FROM {table} ORDER BY v {direction}, n".encode()).fetchall()


@pytest.mark.parametrize("type_", ["json", "xml", "point", "polygon", "json[]"])
def test_a_type_without_an_order_is_refused(older: str, type_: str) -> None:
    with pytest.raises(SpecError, match="order") as caught:
        explain(older, query=f"SELECT NULL::{type_} AS v FROM generate_series(1, 9)", split_by="v:3")
    assert caught.value.field == "splitBy"


@given(
    values=st.lists(st.one_of(st.none(), st.floats(), st.integers(-5, 5).map(float)), min_size=1, max_size=60),
    parts=st.integers(2, 12),
)
def test_bounds_of_any_numbers_are_disjoint_and_complete(older: str, values: list[float | None], parts: int) -> None:
    rows = ", ".join(
        f"({number}, {'NULL' if value is None else repr(str(value))}::float8)" for number, value in enumerate(values)
    )
    query = f"SELECT v, n FROM (VALUES {rows}) AS v(n, v)"
    whole = sorted(exported(older, query=query, format="csv").splitlines())
    assert sorted(exported(older, query=query, format="csv", split_by=f"v:{parts}").splitlines()) == whole


@given(
    values=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=40),
    collation=st.sampled_from(["blind", "german", '"C"']),
)
def test_bounds_of_any_texts_are_disjoint_and_complete(older: str, values: list[str], collation: str) -> None:
    document = json.dumps(values).replace("'", "''")
    query = (
        f"SELECT value COLLATE {collation} AS v, ordinality AS n"
        f" FROM json_array_elements_text('{document}') WITH ORDINALITY"
    )
    whole = sorted(exported(older, query=query, format="ndjson").splitlines())
    assert sorted(exported(older, query=query, format="ndjson", split_by="v:6").splitlines()) == whole
