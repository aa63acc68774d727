"""The table of errors: whole, unambiguous, and the same as its page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polyglot_export import errors
from polyglot_export.errors import ConnectionFailed, InternalError, PolyglotError, SpecError, StatementFailed
from polyglot_export.service.errors import ClientGone, ServiceError
from polyglot_export.service.http.problems import PROBLEMS, document, problem_of, sentence

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def subclasses(of: type[BaseException]) -> set[type[BaseException]]:
    return {of, *(found for child in of.__subclasses__() for found in subclasses(child))}


def test_every_error_has_a_row_of_its_own() -> None:
    public = {getattr(errors, name) for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    mapped = {row.exception for row in PROBLEMS}
    assert public <= mapped
    assert subclasses(ServiceError) - {ServiceError} <= mapped
    for kind in mapped - {Exception}:
        error = kind(None, "x") if issubclass(kind, SpecError) else kind("x")
        assert problem_of(error).exception is kind


def test_an_unknown_error_is_a_defect_and_tells_nothing() -> None:
    for error in (RuntimeError("password=hush"), InternalError("password=hush"), KeyError("hush")):
        status, _, body = document(error)
        assert status == 500
        assert "hush" not in str(body)


def test_where_the_database_is_stays_in_the_log() -> None:
    error = ConnectionFailed(
        'cannot connect: connection to server at "10.0.0.5" failed: no password for "app"', hint="look there"
    )
    status, headers, body = document(error)
    assert (status, headers) == (503, {"Retry-After": "5"})
    assert "10.0.0.5" not in str(body)
    assert sentence(error) == body["error"]


@pytest.mark.parametrize(
    ("sqlstate", "status"),
    [("57014", 504), ("55P03", 504), ("53300", 503), ("57P03", 503), ("22012", 500), (None, 500)],
)
def test_the_servers_states(sqlstate: str | None, status: int) -> None:
    assert problem_of(StatementFailed("no", sqlstate=sqlstate)).status == status


def test_attributes_are_members() -> None:
    _, _, body = document(SpecError("limit", "bad", sqlstate="22023", hint="less"), "/exports")
    assert body["instance"] == "/exports"
    assert (body["field"], body["sqlstate"], body["hint"]) == ("limit", "22023", "less")
    _, _, body = document(PolyglotError("no", row=5, column="value", detail="Key (a)=(hush)"))
    assert (body["row"], body["column"]) == (5, "value")
    assert "hush" not in str(body)


def test_codes_are_unambiguous() -> None:
    codes: dict[str, int] = {}
    for row in PROBLEMS:
        assert codes.setdefault(row.code, row.status) == row.status
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", row.code)
    sent = [row.status for row in PROBLEMS if row.exception is not ClientGone]
    assert sent == sorted(sent)


def test_the_page_is_the_table() -> None:
    page = REFERENCE.read_text()
    rows = re.findall(r"^\| (\d{3}|–) \| `([a-z-]+)` \| ([^|]+?) \|", page, re.MULTILINE)
    expected = {("–" if row.code == "client-gone" else str(row.status), row.code, row.title) for row in PROBLEMS}
    assert set(rows) == expected
    assert len(rows) == len(expected)
