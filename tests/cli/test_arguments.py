"""The small languages of the options, without a database: what is read, and what is refused with which sentence."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export.errors import SpecError
from polyglot_export.formats.registry import Format
from polyglot_export.request.language.arguments import parse_columns, parse_options, parse_order, parse_where

NAMES = st.text(min_size=1, max_size=12).filter(lambda text: "\0" not in text)
VALUES = st.text(max_size=20).filter(lambda text: "\0" not in text)


def quoted(name: str) -> str:
    """A name in double quotes, as the documentation says."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """A value in single quotes, as the documentation says."""
    return "'" + value.replace("'", "''") + "'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id", [("id", "id")]),
        ("id,value=amount", [("id", "id"), ("value", "amount")]),
        (" id , value = amount ", [("id", "id"), ("value", "amount")]),
        ('"a,b"="x=y",c', [("a,b", "x=y"), ("c", "c")]),
        ('"say ""hi"""', [('say "hi"', 'say "hi"')]),
        ("Größe=größe", [("Größe", "größe")]),
        ("two words=w", [("two words", "w")]),
        ('CamelCase,"lower"', [("CamelCase", "CamelCase"), ("lower", "lower")]),
    ],
)
def test_columns(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(choice["source"], choice["target"]) for choice in parse_columns([text])] == expected


def test_columns_add_up() -> None:
    assert parse_columns(["id", "value=amount"]) == parse_columns(["id,value=amount"])


@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=4))
def test_any_name_can_be_written_in_quotes(pairs: list[tuple[str, str]]) -> None:
    text = ",".join(f"{quoted(source)}={quoted(target)}" for source, target in pairs)
    assert [(choice["source"], choice["target"]) for choice in parse_columns([text])] == pairs


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a name is missing"),
        ("id,", "a name is missing"),
        (",id", "a name is missing"),
        ("id,,value", "a name is missing"),
        ("=amount", "a name is missing"),
        ("value=", "a name is missing"),
        ("a=b=c", "'=c' is too much"),
        ('"id', 'a name begins with " and has no " at its end'),
        ('"id"x', "'x' is too much"),
        ('""', "a name is empty"),
    ],
)
def test_columns_refused(text: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_columns([text])
    assert caught.value.message == f"columns {text!r}: {sentence}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id", [("id", "asc")]),
        ("id:desc", [("id", "desc")]),
        ("created_at:DESC, id : asc", [("created_at", "desc"), ("id", "asc")]),
        ('"a:b":desc', [("a:b", "desc")]),
    ],
)
def test_order(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(key["column"], key["direction"]) for key in parse_order([text])] == expected


def test_order_refused() -> None:
    with pytest.raises(SpecError, match=r"the direction of 'id' is asc or desc"):
        parse_order(["id:down"])
    with pytest.raises(SpecError, match=r"a name is missing"):
        parse_order([":desc"])


@pytest.mark.parametrize(
    ("text", "column", "operator", "value"),
    [
        ("id = 1", "id", "=", "1"),
        ("id=1", "id", "=", "1"),
        ("id != 1", "id", "!=", "1"),
        ("id <> 1", "id", "!=", "1"),
        ("id < -1", "id", "<", "-1"),
        ("id<=1", "id", "<=", "1"),
        ("id > 1", "id", ">", "1"),
        ("id>=1.50", "id", ">=", "1.50"),
        ("name = two words ", "name", "=", "two words"),
        ("name = 'two words '", "name", "=", "two words "),
        ("name = 'O''Brien'", "name", "=", "O'Brien"),
        ("name = O'Brien", "name", "=", "O'Brien"),
        ("name = rock and roll", "name", "=", "rock and roll"),
        ("name = 'x and id > 3'", "name", "=", "x and id > 3"),
        ("name = ''", "name", "=", ""),
        ("name = 'null'", "name", "=", "null"),
        ("name like %x_", "name", "like", "%x_"),
        ('"odd name" LIKE x', "odd name", "like", "x"),
        ('"is"="is null"', "is", "=", '"is null"'),
        ("id in (1,2, 3)", "id", "in", ["1", "2", "3"]),
        ("id IN ()", "id", "in", []),
        ("name in ('a,b', 'c)', d)", "name", "in", ["a,b", "c)", "d"]),
        ("id between 1 and 10", "id", "between", ["1", "10"]),
        ("name BETWEEN 'a and b' AND 'c'", "name", "between", ["a and b", "c"]),
    ],
)
def test_where(text: str, column: str, operator: str, value: object) -> None:
    assert parse_where(text) == {"column": column, "op": operator, "value": value}


@pytest.mark.parametrize("text", ["note is null", "note IS  NULL", "note isNull", '"note" is null'])
def test_where_null(text: str) -> None:
    assert parse_where(text) == {"column": "note", "op": "isNull"}


@pytest.mark.parametrize("text", ["note is not null", "note isNotNull"])
def test_where_not_null(text: str) -> None:
    assert parse_where(text) == {"column": "note", "op": "isNotNull"}


@given(NAMES, VALUES, st.lists(VALUES, max_size=3))
def test_any_term_can_be_written_in_quotes(column: str, value: str, values: list[str]) -> None:
    assert parse_where(f"{quoted(column)} = {literal(value)}")["value"] == value
    assert parse_where(f"{quoted(column)} in ({', '.join(map(literal, values))})")["value"] == values
    between = parse_where(f"{quoted(column)} between {literal(value)} and {literal(value)}")
    assert between == {"column": column, "op": "between", "value": [value, value]}


@given(st.text(alphabet=string.printable, max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever is typed, the answer is a term or a sentence, never a traceback."""
    for parse in (parse_where, lambda given: parse_columns([given]), lambda given: parse_order([given])):
        complaint = None
        try:
            parse(text)
        except SpecError as error:
            complaint = error.message
        assert complaint is None or repr(text) in complaint


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a name is missing"),
        ("id", "after the column comes one of the operators"),
        ("= 1", "a name is missing"),
        ("id ~ 1", "after the column comes one of the operators"),
        ("id == 1", "after the column comes one of the operators"),
        ("id not in (1)", "after the column comes one of the operators"),
        ("id = ", "a value is missing; write '' for the empty text"),
        ("id = null", "nothing compares with null: write is null or is not null"),
        ("id = 'x", "a value begins with ' and has no ' at its end"),
        ("id = 'x' y", "'y' is too much"),
        ("id is null 1", "'1' is too much"),
        ("id in 1", "in takes a list"),
        ("id in (1", "the list has no ) at its end"),
        ("id in (1,)", "a value is missing"),
        ("id in (1) x", "'x' is too much"),
        ("id > 1 and id < 5", "give a second --where"),
        ("id > 1 AND name is null", "give a second --where"),
        ('id > 1 or "two words" in (1)', "a query for or"),
        ("id in (1) and name = 'x'", "give a second --where"),
        ("name = 'x' and id = 1", "give a second --where"),
        ("id is null or id = 1", "give a second --where"),
        ("id between 1 and 5 and name = 'x'", "give a second --where"),
        ("id between 1", "between takes two values"),
        ("id between 1 and", "between takes two values"),
    ],
)
def test_where_refused(text: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_where(text)
    assert caught.value.message.startswith(f"filter {text!r}: ")
    assert sentence in caught.value.message


def test_options() -> None:
    assert parse_options(["delimiter=;", "null==", "line_end=crlf"], "csv") == {
        "delimiter": ";",
        "null": "=",
        "lineEnd": "crlf",
    }
    assert parse_options(['forceQuote=a,"b,c"'], "csv") == {"forceQuote": ["a", "b,c"]}
    assert parse_options(["forceQuote=*"], "csv") == {"forceQuote": "*"}


@pytest.mark.parametrize("format_name", list(Format))
def test_an_unknown_option_lists_what_is_allowed(format_name: Format) -> None:
    with pytest.raises(SpecError) as caught:
        parse_options(["colour=red"], format_name)
    allowed = list(format_name.record.options.members())
    assert allowed
    assert (
        caught.value.message
        == f"options 'colour=red': {format_name} has no such option; allowed are {', '.join(map(str, allowed))}"
    )


def test_options_refused() -> None:
    with pytest.raises(SpecError, match="write key=value"):
        parse_options(["header"], "csv")
    with pytest.raises(SpecError, match="lineEnd is given twice"):
        parse_options(["line_end=lf", "lineEnd=crlf"], "csv")
