"""A NUL byte in a text, which PostgreSQL never stores: every format names row and column, and none passes it on.

COPY in text form ends the value there without a word; a reader in C does the same with a file.
"""

from __future__ import annotations

import psycopg
import pytest

from polyglot_export import UnsupportedValue, export
from polyglot_export.formats.registry import Format
from tests.library.helpers import exported

TEXTS = {
    "text": "raw({})",
    "varchar": "raw({})::varchar",
    "name of a domain": "raw({})::label",
    "list": "ARRAY['x', raw({})]",
    "long": "raw({} || decode(repeat('61', 200000), 'hex') || '\\x00')",
}
"""Columns of that name, made of bytes."""


@pytest.fixture(scope="module")
def damaged(module_dsn: str) -> str:
    """A table whose third row has a NUL byte in every text: a function may return bytes as text without a look."""
    columns = ", ".join(
        f'{made.format("CASE WHEN id = 3 THEN nul ELSE sound END")} AS "{name}"'
        if name != "long"
        else f"CASE WHEN id = 3 THEN {made.format('sound')} ELSE '' END AS \"{name}\""
        for name, made in TEXTS.items()
    )
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE FUNCTION raw(bytea) RETURNS text LANGUAGE internal IMMUTABLE STRICT AS 'byteasend';"
            "CREATE DOMAIN label AS text; CREATE TABLE damaged AS SELECT id,"
            f" {columns} FROM generate_series(1, 5) AS id, (VALUES ('\\x610062'::bytea, '\\x6162'::bytea)) AS v(nul, sound)".encode()
        )
    return module_dsn


@pytest.mark.parametrize("format_", list(Format))
@pytest.mark.parametrize("column", list(TEXTS))
def test_row_and_column_are_named(damaged: str, format_: Format, column: str) -> None:
    sound = [{"column": "id", "op": "!=", "value": 3}]
    assert b"\0a" not in exported(damaged, "damaged", format="csv", columns=["id", column], filter=sound)
    handed_out = b""
    with export(damaged, "damaged", format=format_, columns=["id", column]) as chunks:
        with pytest.raises(UnsupportedValue, match="NUL byte") as error:
            for chunk in chunks:
                handed_out += chunk
        assert (error.value.row, error.value.column) == (3, column)
    assert b"\0b" not in handed_out


@pytest.mark.parametrize("format_", [each for each in Format if each.record.is_text])
def test_a_query_without_that_column_is_whole(damaged: str, format_: Format) -> None:
    assert b"5" in exported(damaged, "damaged", format=format_, columns=["id"])
