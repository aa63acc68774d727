"""Every type of the catalogue, every sample value: csv equals COPY, ndjson and json equal row_to_json, byte for byte.

Parquet is compared in ``test_types_parquet.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from tests.library.helpers import copied, exported, ndjson
from tests.types.catalogue import Catalogue, Table, quoted

SHOWN = 300
"""Bytes of a difference that a report shows on each side of its place."""

Oracle = Callable[[psycopg.Connection, str], bytes]


def as_array(conn: psycopg.Connection, query: str) -> bytes:
    """The rows of ``row_to_json`` in the array that is ours."""
    with conn.transaction(force_rollback=True):
        conn.execute("SET LOCAL TimeZone = 'UTC'")
        rows = conn.execute(
            f"SELECT row_to_json(the_oracles_row)::text FROM ({query}) AS the_oracles_row".encode()
        ).fetchall()
    return ("[\n" + ",\n".join(text for (text,) in rows) + "\n]\n").encode()


ORACLES: dict[str, Oracle] = {"csv": copied, "ndjson": ndjson, "json": as_array}


@pytest.mark.parametrize("format_", ORACLES)
def test_every_type_is_what_the_server_says(catalogue: Catalogue, format_: str) -> None:
    with psycopg.connect(catalogue.dsn, autocommit=True) as conn:
        deviations = [line for table in catalogue.tables for line in _deviations(conn, catalogue, table, format_)]
    assert deviations == []


@pytest.mark.parametrize("format_", ["csv", "json"])
def test_every_type_alone_in_its_file(catalogue: Catalogue, format_: str) -> None:
    r"""A file of one column has rules of its own (``\.``, empty lines): the tables once more, for types with texts in
    them.
    """
    with psycopg.connect(catalogue.dsn, autocommit=True) as conn:
        for table in catalogue.tables:
            for column in table.columns:
                if column.type.name in ("text", "name", "char", "bpchar", "bytea", "citext", "_text", "json", "mood"):
                    query = f"SELECT {quoted(column.name)} FROM {table.name}"
                    expected = ORACLES[format_](conn, query)
                    actual = exported(catalogue.dsn, table.name, columns=[column.name], format=format_)
                    assert actual == expected, column.name


def _deviations(conn: psycopg.Connection, catalogue: Catalogue, table: Table, format_: str) -> Iterator[str]:
    """One line for the table where its bytes differ, and one for each column that is to blame."""
    expected = ORACLES[format_](conn, f"SELECT * FROM {table.name}")
    actual = exported(catalogue.dsn, table.name, format=format_)
    if actual == expected:
        return
    yield f"{table.name}: {len(actual)} bytes, the server says {len(expected)}"
    for column in table.columns:
        expected = ORACLES[format_](conn, f"SELECT {quoted(column.name)} FROM {table.name}")
        actual = exported(catalogue.dsn, table.name, columns=[column.name], format=format_)
        if actual != expected:
            at = next(
                (i for i, (a, b) in enumerate(zip(actual, expected, strict=False)) if a != b),
                min(len(actual), len(expected)),
            )
            around = slice(max(0, at - SHOWN), at + SHOWN)
            yield f"{table.name}.{column.name} at byte {at}: {actual[around]!r}, the server says {expected[around]!r}"
