"""The error maps are whole: every SQLSTATE of the driver, every variant of the core, and nothing lost on the way."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import psycopg
import pytest

from polyglot_export import errors
from polyglot_export.postgres.errors import database_error

RUST = Path(__file__).parents[2] / "rust" / "src"


def sqlstates() -> list[str]:
    """Every SQLSTATE that psycopg knows; its list is generated from PostgreSQL's errcodes.txt."""
    known = (getattr(error, "sqlstate", None) for error in vars(psycopg.errors).values() if isinstance(error, type))
    return sorted({state for state in known if isinstance(state, str)})


def rust_classes() -> dict[str, str]:
    """``server_class`` of ``py/errors.rs``, read from its source: pattern → class."""
    source = (RUST / "py" / "errors.rs").read_text()
    body = source.split("fn server_class", 1)[1]
    table: dict[str, str] = {}
    for patterns, class_ in re.findall(r'^\s+((?:"\w{5}"(?: \| )?)+) => "(\w+)"', body, re.MULTILINE):
        table |= dict.fromkeys(re.findall(r'"(\w{5})"', patterns), class_)
    for line, class_ in re.findall(r'^\s+_ if (.*) => "(\w+)"', body, re.MULTILINE):
        table |= {f"{prefix}*": class_ for prefix in re.findall(r'starts_with\("(\w+)"\)', line)}
    table["*"] = re.findall(r'^\s+_ => "(\w+)"', body, re.MULTILINE)[0]
    return table


def rust_class(table: dict[str, str], state: str) -> str:
    if state in table:
        return table[state]
    for pattern, class_ in table.items():
        if pattern != "*" and pattern.endswith("*") and state.startswith(pattern[:-1]):
            return class_
    return table["*"]


def test_both_sides_sort_every_sqlstate_alike() -> None:
    table = rust_classes()
    assert len(table) > 4
    states = sqlstates()
    assert len(states) > 200
    different = [state for state in states if errors.statement_error(state).__name__ != rust_class(table, state)]
    assert not different


def test_every_variant_of_the_core_has_a_class() -> None:
    variants = set(
        re.findall(
            r"^    (\w+)(?:[({,]| \{)",
            (RUST / "error.rs").read_text().split("pub enum Error {", 1)[1].split("\n}\n", 1)[0],
            re.MULTILINE,
        )
    )
    source = (RUST / "py" / "errors.rs").read_text()
    assert variants
    assert variants == set(re.findall(r"\bError::([A-Z]\w+)", source))
    named = set(re.findall(r'"([A-Z]\w+)"', source))
    assert named <= set(errors.__all__)


@pytest.mark.parametrize("state", sqlstates())
def test_every_error_of_the_driver_becomes_one_of_ours(state: str) -> None:
    error = database_error(psycopg.errors.lookup(state)("the server said so"))
    assert isinstance(error, errors.PolyglotError)
    assert error.sqlstate == state
    assert str(error)


def test_errors_without_a_sqlstate() -> None:
    assert isinstance(
        database_error(psycopg.OperationalError("the connection is closed\n  really")), errors.ConnectionLost
    )
    assert isinstance(database_error(psycopg.DataError("odd")), errors.StatementFailed)
    assert "\n" not in str(database_error(psycopg.OperationalError("a\nb\n")))


def test_what_the_server_says_is_kept(conn: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error) as raised:
        conn.execute("DO $$BEGIN RAISE 'm' USING ERRCODE = '42501', DETAIL = 'd', HINT = 'h', COLUMN = 'c'; END$$")
    error = database_error(raised.value)
    assert type(error) is errors.AccessDenied
    assert (error.message, error.sqlstate, error.detail, error.hint, error.column) == ("m", "42501", "d", "h", "c")


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name[0].isupper()])
def test_errors_cross_a_process(name: str) -> None:
    class_ = getattr(errors, name)
    server = {"sqlstate": "12345", "detail": "d", "hint": "h"}
    if issubclass(class_, errors.SpecError):
        error = class_("f", "a reason", **server)
        assert (str(error), error.reason, error.field) == ("f: a reason", "a reason", "f")
    else:
        error = class_("a sentence", **server, row=7, column="c", field="f")
        assert str(error) == "a sentence"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
