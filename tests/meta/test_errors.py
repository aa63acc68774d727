"""The error maps are whole: every SQLSTATE of the driver, every variant of the core, and nothing lost on the way."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import psycopg
import pytest

from polyglot_export import errors, export
from polyglot_export.postgres.errors import database_error

RUST = Path(__file__).parents[2] / "rust" / "src"


def sqlstates() -> list[str]:
    """Every SQLSTATE that psycopg knows; its list is generated from PostgreSQL's errcodes.txt."""
    known = (getattr(error, "sqlstate", None) for error in vars(psycopg.errors).values() if isinstance(error, type))
    return sorted({state for state in known if isinstance(state, str)})


ONE_OF_EACH = {
    "42501": errors.AccessDenied,
    "57014": errors.StatementTimeout,
    "25P03": errors.StatementTimeout,
    "25P04": errors.StatementTimeout,
    "08006": errors.ConnectionLost,
    "57P01": errors.ConnectionLost,
    "22012": errors.StatementFailed,
    "57000": errors.StatementFailed,
    "P0001": errors.StatementFailed,
}


@pytest.mark.parametrize(("state", "expected"), ONE_OF_EACH.items())
def test_what_a_worker_is_told_and_what_the_leader_is_told(
    dsn: str, conn: psycopg.Connection, state: str, expected: type[errors.PolyglotError]
) -> None:
    """The server says it while rows are read, where only the core hears it, and to the control connection."""
    conn.execute(
        "CREATE FUNCTION fail(n int, state text) RETURNS int VOLATILE LANGUAGE plpgsql AS"
        " $$BEGIN RAISE 'said at row %', n USING ERRCODE = state, DETAIL = 'd', HINT = 'h'; END$$"
    )
    with pytest.raises(errors.PolyglotError) as raised, export(dsn, query=f"SELECT fail(7, '{state}')") as chunks:
        list(chunks)
    with pytest.raises(psycopg.Error) as from_driver:
        conn.execute("SELECT fail(7, %s)", [state])
    for error in (raised.value, database_error(from_driver.value)):
        assert type(error) is expected
        assert (error.message, error.sqlstate, error.detail, error.hint) == ("said at row 7", state, "d", "h")


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
    assert named
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
