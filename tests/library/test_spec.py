"""A spec is right by itself: what it takes, what it makes of it, and what it refuses in which words."""

from __future__ import annotations

import pickle
import re
from dataclasses import FrozenInstanceError, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export import ColumnChoice, Compression, ExportSpec, FilterOp, FilterTerm, Format, OrderTerm, SpecError
from polyglot_export.formats.csv import CsvOptions, TsvOptions
from polyglot_export.formats.parquet import ParquetOptions
from polyglot_export.request.parse import dump_spec, parse_spec
from polyglot_export.request.schema import spec_schema


def test_words_and_lists_become_what_they_stand_for() -> None:
    spec = parse_spec(
        {
            "format": "csv",
            "dataset": "t",
            "columns": ["a", {"source": "b"}, {"source": "c", "target": "d"}, ColumnChoice("e")],
            "filter": [{"column": "a", "op": "in", "value": [1, 2.5, "x", True]}],
            "orderBy": [{"column": "a", "direction": "desc"}],
            "compression": "gzip",
        }
    )
    assert spec == ExportSpec(
        format=Format.CSV,
        dataset="t",
        columns=(ColumnChoice("a"), ColumnChoice("b", "b"), ColumnChoice("c", "d"), ColumnChoice("e", "e")),
        filter=(FilterTerm("a", FilterOp.IN, (Decimal(1), Decimal("2.5"), "x", True)),),
        order_by=(OrderTerm("a", "desc"),),
        compression=Compression.GZIP,
        options=CsvOptions(),
    )
    assert type(spec.format) is Format
    assert type(spec.filter[0].op) is FilterOp
    assert hash(spec) == hash(pickle.loads(pickle.dumps(spec)))
    with pytest.raises(FrozenInstanceError):
        spec.limit = 1  # type: ignore[misc]


def test_a_spec_that_is_changed_is_checked_again() -> None:
    spec = parse_spec({"format": "csv", "dataset": "t"})
    with pytest.raises(SpecError, match=r"^limit: must be greater than or equal to 0 \(got -1\)$"):
        replace(spec, limit=-1)
    with pytest.raises(SpecError, match=r"^options: must be those of TSV, which are TsvOptions$"):
        replace(spec, format=Format.TSV)
    assert replace(spec, format=Format.TSV, options=TsvOptions()).options.time_zone == "UTC"


def test_the_options_of_the_format_are_the_default() -> None:
    for format_ in Format:
        spec = ExportSpec(format=format_, dataset="t")
        assert type(spec.options) is format_.record.options
        assert spec.options == format_.record.options()


def test_the_profile_of_excel_gives_way_to_what_is_said() -> None:
    plain, excel = CsvOptions(), CsvOptions(profile="excel")
    assert (plain.bom, plain.line_end, plain.formula_guard) == (False, "lf", False)
    assert (excel.bom, excel.line_end, excel.formula_guard) == (True, "crlf", True)
    assert not CsvOptions(profile="excel", bom=False).bom
    assert TsvOptions(profile="excel").delimiter == "\t"


def test_a_decimal_is_written_one_way() -> None:
    assert ParquetOptions(numeric_fallback="decimal( 10 , 2)").numeric_fallback == "decimal(10,2)"


WORDS = " or ".join(", ".join(repr(str(each)) for each in Format).rsplit(", ", 1))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, f"format: is missing; it must be {WORDS}"),
        ({"format": "xls"}, f"format: must be {WORDS} (got 'xls')"),
        ({"format": None}, f"format: must be {WORDS}"),
        ({"format": "csv", "colour": 1}, "unknown member 'colour'; allowed are format, dataset, query, columns, "),
        ({"format": "csv", "orderBy": [], "order_by": []}, "orderBy: is given twice"),
        ({"format": "csv", "dataset": 7}, "dataset: must be a string (got 7)"),
        ({"format": "csv", "dataset": ""}, "dataset: must have at least 1 character (got '')"),
        ({"format": "csv", "dataset": "\ud800"}, "dataset: must be text; half of a surrogate pair is none"),
        ({"format": "csv", "columns": "id"}, "columns: must be a list (got 'id')"),
        ({"format": "csv", "columns": []}, "columns: must not be empty"),
        ({"format": "csv", "columns": [3]}, "columns.0: must be an object with the members source, target (got 3)"),
        ({"format": "csv", "columns": [{"target": "x"}]}, "columns.0.source: is missing; it must be a string"),
        (
            {"format": "csv", "columns": [{"source": "a", "name": "x"}]},
            "columns.0: unknown member 'name'; allowed are source, target",
        ),
        ({"format": "csv", "columns": ["a", "a"]}, "columns: two columns have the target 'a'; targets must differ"),
        ({"format": "csv", "filter": [{"column": "a"}]}, "filter.0.op: is missing; it must be '=', '!=', "),
        (
            {"format": "csv", "filter": [{"column": "a", "op": "=", "value": [1]}]},
            "filter.0: operator = takes one value, not a list",
        ),
        (
            {"format": "csv", "filter": [{"column": "a", "op": "=", "value": float("nan")}]},
            "filter.0.value: a number must be finite; give NaN and Infinity as strings",
        ),
        (
            {"format": "csv", "orderBy": [{"column": "a", "direction": "up"}]},
            "orderBy.0.direction: must be 'asc' or 'desc' (got 'up')",
        ),
        ({"format": "csv", "limit": True}, "limit: must be a whole number (got True)"),
        ({"format": "csv", "limit": 2**63}, f"limit: must be less than or equal to {2**63 - 1} (got {2**63})"),
        ({"format": "csv", "options": 3}, "options: must be an object with the members timeZone, "),
        ({"format": "csv", "options": {"header": "maybe"}}, "options.header: must be true or false (got 'maybe')"),
        (
            {"format": "csv", "options": {"lineEnd": "cr"}},
            "options.lineEnd: must be 'lf' or 'crlf' (got 'cr')",
        ),
        ({"format": "csv", "options": {"forceQuote": 3}}, "options.forceQuote: must be a list or '*' (got 3)"),
        ({"format": "csv", "options": {"forceQuote": [3]}}, "options.forceQuote.0: must be a string (got 3)"),
        ({"format": "xml", "options": {"root": ""}}, "options.root: must have at least 1 character (got '')"),
        ({"format": "json", "options": CsvOptions()}, "options: must be those of JSON, which are JsonOptions"),
    ],
)
def test_what_is_wrong_is_said(members: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as raised:
        parse_spec(members)
    assert raised.value.message.startswith(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(list(Format)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.dictionaries(st.sampled_from([*ExportSpec.members(), "order_by", "x"]), JSON, max_size=5)
PYDANTIC = re.compile(r"Input should|Extra inputs|Field required|valid \w+|tuple|dictionary|pydantic")


@given(MEMBERS, st.sampled_from(list(Format)), st.dictionaries(st.sampled_from(list(CsvOptions.members())), JSON))
def test_anything_is_a_spec_or_a_sentence(members: dict[str, Any], format_: str, options: dict[str, Any]) -> None:
    for each in (members, {"format": format_, "options": options}, {"format": format_, **members}):
        refused: SpecError | None = None
        try:
            spec = parse_spec(each)
        except SpecError as error:
            refused = error
        if refused is None:
            assert parse_spec(dump_spec(spec)) == spec
        else:
            assert refused.reason
            assert not PYDANTIC.search(refused.reason) or PYDANTIC.search(repr(each))


def test_the_schema_has_the_members_and_their_bounds() -> None:
    schema = spec_schema("#/x/{model}")
    assert list(schema["properties"]) == list(ExportSpec.members())
    assert schema["additionalProperties"] is False
    limits = schema["properties"]["limit"]["anyOf"][0]
    assert (limits["minimum"], limits["maximum"]) == (0, 2**63 - 1)
    csv = schema["$defs"]["CsvOptions"]
    assert list(csv["properties"]) == list(CsvOptions.members())
    assert (csv["properties"]["bom"]["default"], csv["properties"]["lineEnd"]["default"]) == (False, "lf")
    assert schema["$defs"]["ColumnChoice"]["required"] == ["source"]
    assert schema["$defs"]["Format"]["enum"] == [each.value for each in Format]
