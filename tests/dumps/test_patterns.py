r"""Patterns mean what psql's ``\dt`` finds for them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from polyglot_export import SpecError, dump
from polyglot_export.dumps.patterns import schema_pattern, table_pattern
from tests.dumps.helpers import manifest_of
from tests.fixtures.debian import newest_installation

NAMES = ("orders", "Orders", "orders_1", "orders_12", "order.s", 'or"ders', "a$b", "é", "x+y", "orders old", "(a)")
PATTERNS = (
    "orders",
    "ORDERS",
    '"Orders"',
    "orders*",
    "orders_?",
    "orders_[0-9]",
    "orders_[0-9]+",
    '"order.s"',
    '"or""ders"',
    "a$b",
    '"a$b"',
    "é",
    '"x+y"',
    "x+y",
    '"orders old"',
    "*",
    "public.orders",
    "p*.orders",
    '"public"."Orders"',
    "public.*",
    "pub?ic.o*s",
    "orders|é",
    '"(a)"',
    '"*"',
    'or"d"ers',
    "other.t",
    "ot*.*",
)


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        for name in NAMES:
            conn.execute(psycopg.sql.SQL("CREATE TABLE {} (a int)").format(psycopg.sql.Identifier(name)))
        conn.execute("CREATE SCHEMA other; CREATE TABLE other.t (a int)")
    return module_dsn


def listed(dsn: str, pattern: str) -> list[tuple[str, str]]:
    """What psql finds."""
    psql = newest_installation() / "psql"
    done = subprocess.run(
        [psql, "-X", "-A", "-t", "-z", "-d", dsn, "-c", f"\\dt {pattern}"],
        capture_output=True,
        check=True,
        env={**os.environ, "PGCLIENTENCODING": "UTF8"},
    )
    lines = done.stdout.decode().strip("\n").split("\n")
    # The system's own tables are found only where their schema is named.
    found = (tuple(line.split("\0")[:2]) for line in lines if "\0" in line)
    return sorted(each for each in found if each[0] != "pg_catalog")  # type: ignore[misc]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_is_psqls(tables: str, pattern: str, tmp_path: Path) -> None:
    expected = listed(tables, pattern)
    if not expected:
        with pytest.raises(SpecError):
            dump(tables, tmp_path / "out", tables=pattern)
        assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
        return
    dump(tables, tmp_path / "out", tables=pattern)
    found = [(relation.schema, relation.name) for relation in manifest_of(tmp_path / "out").relations]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must be a name"),
        ('"open', "opening double quote"),
        ("a.b.c", "too many dots"),
        (".a", "must be a name"),
        ("a.", "must be a name"),
        ("a\0b", "must be a name"),
    ],
)
def test_what_is_no_pattern(text: str, told: str) -> None:
    with pytest.raises(SpecError, match=told) as raised:
        table_pattern(text, "table")
    assert raised.value.field == "table"


def test_a_schema_has_no_dot() -> None:
    with pytest.raises(SpecError, match="without a dot"):
        schema_pattern("a.b", "schema")


def test_a_pattern_that_is_no_regular_expression(tables: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no regular expression"):
        dump(tables, tmp_path, tables="a[")
