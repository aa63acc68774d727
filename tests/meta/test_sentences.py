"""Every error is a sentence about what the caller wrote, in the caller's words: never those of a library, or of Python.

Each surface is given values that it cannot take, and what it answers is searched for words that no user has written.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from polyglot_export import PolyglotError, SpecError, aexport, explain, export, export_to_file
from polyglot_export.access.keys import hash_key
from polyglot_export.request.spec import ExportSpec
from polyglot_export.service.config.environment import ServiceSettings
from polyglot_export.service.config.file import load_configuration
from tests.fixtures.process import Service, cli, serve
from tests.service.client import call, post

FOREIGN = re.compile(
    r"Input should|Extra inputs|Field required|[Vv]alidation error|valid (?:tuple|string|integer|list|dict|boolean|number)"
    r"|unable to parse|[Uu]nable to|\btuple\b|\bdictionary\b|\bdict\b|pydantic|NoneType|Traceback|<class|object at 0x"
    r"|\bstr\b|\bint\b|positional argument|keyword argument|unexpected|not subscriptable|internal error|please report"
)
NOWHERE = "host=/nowhere"
ODD: tuple[Any, ...] = (
    None,
    3,
    -1,
    1.5,
    True,
    "",
    "x",
    "\0",
    "9" * 400,
    [],
    [3],
    ["x"],
    [[]],
    {},
    {"x": 1},
    [{"x": 1}],
    [{}],
    [None],
)


def assert_own_words(sentence: str, given: object) -> None:
    """One line that says something, and nothing that only a programmer of this package would understand."""
    assert sentence.strip(), given
    assert "\n" not in sentence, (sentence, given)
    found = FOREIGN.search(sentence)
    assert found is None, (sentence, given)


def spec_members() -> Iterator[dict[str, Any]]:
    """Requests with one member that is odd, at any depth."""
    for name in [*ExportSpec.members(), "colour"]:
        for odd in ODD:
            yield {"format": "csv", "dataset": "small", name: odd}
    for odd in ODD:
        for column in ({"source": odd}, {"source": "id", "target": odd}, {"source": "id", "colour": odd}):
            yield {"format": "csv", "dataset": "small", "columns": [column]}
        for term in (
            {"column": odd, "op": "=", "value": 1},
            {"column": "id", "op": odd, "value": 1},
            {"column": "id", "op": "=", "value": odd},
            {"column": "id", "op": "in", "value": odd},
            {"column": "id", "op": "between", "value": odd},
            {"column": "id", "op": "isNull", "value": odd},
        ):
            yield {"format": "csv", "dataset": "small", "filter": [term]}
        for key in ({"column": odd}, {"column": "id", "direction": odd}):
            yield {"format": "csv", "dataset": "small", "orderBy": [key]}
        for format_, option in (
            ("csv", "delimiter"),
            ("csv", "forceQuote"),
            ("json", "timeZone"),
            ("xml", "root"),
            ("parquet", "compression"),
        ):
            yield {"format": format_, "dataset": "small", "options": {option: odd}}


@pytest.fixture(scope="module")
def small(module_dsn: str) -> str:
    """A database with a small table."""
    import psycopg

    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE small AS SELECT 1 AS id, 'one'::text AS name")
    return module_dsn


@pytest.fixture(scope="module")
def service(small: str) -> Iterator[Service]:
    with serve(small, workers=1, max_jobs=10) as running:
        yield running


def test_over_http(service: Service) -> None:
    refused = 0
    for members in spec_members():
        answer = post(service, members)
        if answer.status == 201:
            continue
        refused += 1
        assert answer.status == 400, (members, answer)
        sentence = answer.json()["detail"]
        assert_own_words(sentence, members)
        if "query" not in members:
            assert "query" not in sentence, "what is not taken is not offered"
    assert refused > 200
    for body in (b"", b"[]", b"3", b"{", b'{"a":1,"a":2}', b"null", b'"x"', b"\xff", b'{"format":NaN}'):
        answer = call(service, "/exports", method="POST", body=body, headers={"Content-Type": "application/json"})
        assert_own_words(answer.json()["detail"], body)
    for path in ("limit=x", "limit=", "limit=-1", f"limit={'9' * 5000}", "status=x", "format=x", "cursor=x"):
        answer = call(service, f"/exports?{path}")
        if answer.status != 200:
            assert_own_words(answer.json()["detail"], path)
    for path in (
        "/nope",
        "/exports/nope",
        "/datasets/nope",
        "/exports/nope/download",
        "/exports/benchmark?formats=xls",
    ):
        assert_own_words(call(service, path).json()["detail"], path)


@pytest.mark.parametrize(
    "name",
    [
        "query",
        "format",
        "columns",
        "filter",
        "where",
        "order_by",
        "limit",
        "compression",
        "options",
        "workers",
        "rate_limit",
    ],
)
def test_the_library(name: str, tmp_path: Path) -> None:
    for odd in ODD:
        for how in (
            lambda what: export(NOWHERE, "small", **what),
            lambda what: aexport(NOWHERE, "small", **what),
            lambda what: export_to_file(NOWHERE, "small", tmp_path / "small.csv", **what),
            lambda what: explain(NOWHERE, "small", **what),
        ):
            try:
                how({name: odd})
            except PolyglotError as error:
                assert_own_words(str(error), (name, odd))


def test_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("POLYGLOT_")]:
        monkeypatch.delenv(variable)
    refused = set()
    for field in ServiceSettings.model_fields.values():
        variable = str(field.validation_alias)
        for odd in ("x", "-1", "0", "nan", "inf", "1e999", "1.5", "9" * 5000, "[]", "{}", "\u2028"):
            monkeypatch.setenv(variable, odd)
            try:
                ServiceSettings.load()
            except SpecError as error:
                refused.add(error.field)
                assert_own_words(str(error), (variable, odd))
        monkeypatch.delenv(variable)
    variables = {str(field.validation_alias) for field in ServiceSettings.model_fields.values()}
    assert refused <= variables
    assert len(refused) > 20


def test_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    values = ("3", "-1.5", "true", '""', '"x"', "[]", "[3]", '["x"]', "{}", "{x = 1}", "{x = []}", "2026-01-01")
    entries = [
        *(f"{name} = {value}" for name in ("datasets", "keys", "colour") for value in values),
        *(f"[datasets.a]\n{name} = {value}" for name in ("table", "query", "columns", "colour") for value in values),
        *(
            f'[keys.a]\nhash = "{hash_key("x")}"\n{name} = {value}'
            for name in ("datasets", "columns", "colour")
            for value in values
        ),
        *(f"[keys.a]\nhash = {value}" for value in values),
        "[datasets",
        "[datasets.a]",
        "[keys.a]",
    ]
    refused = 0
    for text in entries:
        path.write_text(text)
        try:
            load_configuration(path)
        except SpecError as error:
            refused += 1
            assert_own_words(str(error).replace(str(path), ""), text)
    assert refused > 60


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", "small", "--limit", "x"),
        ("export", "small", "--workers", "0"),
        ("export", "small", "--rate-limit", "fast"),
        ("export", "small", "--columns", "=x"),
        ("export", "small", "--columns", "nope"),
        ("export", "small", "--where", "id = x"),
        ("export", "small", "--where", "id like x"),
        ("export", "small", "--order-by", "nope"),
        ("export", "small", "-O", "timeZone=Nowhere"),
        ("export", "small", "-O", "delimiter=xx"),
        ("export", "small", "-f", "parquet", "-O", "rowGroupBytes=x"),
        ("export", "nope"),
        ("export", "--query", "select * frm small"),
        ("export", "--query", "delete from small"),
        ("datasets", "nope"),
        ("explain", "small", "--where", "nope = 1"),
        ("serve", "--port", "x"),
        ("check", "--config", "/nowhere"),
    ],
)
def test_the_command_line(small: str, arguments: tuple[str, ...]) -> None:
    done = cli(*arguments, dsn=small)
    assert done.returncode in (1, 2), done
    assert_own_words(done.stderr.decode().rstrip("\n"), json.dumps(arguments))
