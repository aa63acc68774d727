"""What tools do to the values is told, and the whole suite is written into its page."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet
import pytest

from benchmarks import suite
from benchmarks.losses import Table, losses_of_file
from benchmarks.pages import write_into
from benchmarks.peers.psycopg import Psycopg
from benchmarks.suite import Part
from benchmarks.values import kind_of
from polyglot_export.cli.bench.cases import CASES
from polyglot_export.cli.bench.tool import Job
from tests.benchmarks.test_bench import Absent, Short

TYPES = {"id": "int8", "at": "timestamptz", "price": "numeric", "note": "text", "doc": "jsonb"}
SERVER = (
    ("1", "2024-02-29 12:00:00.123456+00", "1.50", "a,b", '{"n": 1.10}'),
    ("2", "2024-02-29 13:00:00+00", None, "x", '{"n": null}'),
)
TABLE = Table(
    TYPES,
    ("id",),
    {
        (int(str(row[0])),): {
            name: None if text is None else kind_of(TYPES[name])(text) for name, text in zip(TYPES, row, strict=True)
        }
        for row in SERVER
    },
)


def found(path: Path, case: str, data: str) -> tuple[str, ...]:
    path.write_text(data)
    return losses_of_file(path, CASES[case], TABLE)


def test_the_same_values_in_other_words_are_no_loss(tmp_path: Path) -> None:
    text = 'id,at,price,note,doc\n2,2024-02-29T13:00:00Z,,x,"{""n"":null}"\n1,2024-02-29 13:00:00.123456 +01,1.5000,"a,b","{""n"": 1.1}"\n'
    assert found(tmp_path / "f", "csv", text) == ()
    rows = [
        {"id": 1, "at": "2024-02-29T12:00:00.123456+00:00", "price": 1.5, "note": "a,b", "doc": {"n": 1.1}},
        {"id": 2, "at": "2024-02-29T13:00:00+00:00", "price": None, "note": "x", "doc": {"n": None}},
    ]
    assert found(tmp_path / "f", "json", json.dumps(rows)) == ()
    assert found(tmp_path / "f", "ndjson", "\n".join(map(json.dumps, rows))) == ()
    columns = {
        "id": [1, 2],
        "at": [datetime(2024, 2, 29, 12, 0, 0, 123456, UTC), datetime(2024, 2, 29, 13, tzinfo=UTC)],
        "price": [Decimal("1.50"), None],
        "note": ["a,b", "x"],
        "doc": ['{"n": 1.10}', '{"n": null}'],
    }
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "f")
    assert losses_of_file(tmp_path / "f", CASES["parquet"], TABLE) == ()


@pytest.mark.parametrize(
    ("was", "became", "told"),
    [
        ("12:00:00.123456+00", "12:00:00.123456", "at: lost its zone (1 of 2): "),
        ("12:00:00.123456+00", "12:00:00.123+00", "at: differs (1 of 2): 2024-02-29 12:00:00.123456+00:00 → "),
        ("12:00:00.123456+00", "13:00:00.123456", "at: is another moment, without its zone (1 of 2): "),
        ("1.50", "1.49", "price: differs (all): 1.50 → '1.49'"),
        ("1.50", "", "price: became NULL (all): 1.50 → NULL"),
        ("1.50", "about", "price: is no value of the type (all): 1.50 → 'about'"),
        (",,x", ",0,x", "price: NULL (1 of 2): NULL → '0'"),
        ("1.10", "1.1000000000000001", "doc: differs (1 of 2): "),
        (",doc", ",document", "doc: is missing (all): "),
        ("2,2024", "3,2024", "1 of 2 rows have no key of the table"),
        (',,x,"{""n"": null}"\n', "", "1 rows instead of 2"),
    ],
)
def test_what_became_of_a_value_is_told(tmp_path: Path, was: str, became: str, told: str) -> None:
    text = 'id,at,price,note,doc\n1,2024-02-29 12:00:00.123456+00,1.50,"a,b","{""n"": 1.10}"\n2,2024-02-29 13:00:00+00,,x,"{""n"": null}"\n'
    assert found(tmp_path / "f", "csv", text) == ()
    if not became:
        text = text.replace("2,2024-02-29 13:00:00+00", "") if was.startswith(",,") else text
    sentences = found(tmp_path / "f", "csv", text.replace(was, became))
    assert any(sentence.startswith(told) for sentence in sentences), sentences


def test_a_number_as_text_is_told_where_the_format_has_types(tmp_path: Path) -> None:
    row = {"id": "1", "at": "2024-02-29T12:00:00.123456Z", "price": "1.50", "note": "a,b", "doc": '{"n": 1.10}'}
    assert found(tmp_path / "f", "ndjson", json.dumps(row)) == (
        "id: is text, not int8 (all): 1 → '1'",
        "price: is text, not numeric (all): 1.50 → '1.50'",
        'doc: is text, not jsonb (all): {"n": 1.1} → \'{"n": 1.10}\'',
        "1 rows instead of 2",
    )


class Rounding(Short):
    """Writes every row, and values without their fractions."""

    name: ClassVar[str] = "rounding"

    def command(self, job: Job) -> list[str]:
        columns = "id, created_at, name, round(value) as value, metadata"
        copy = f"\\copy (select {columns} from {job.name}) to '{job.path}' with (format csv, header)"
        return [job.psql, "-X", "-q", "-c", copy]


class Silent(Short):
    """Says that all is well and writes nothing."""

    name: ClassVar[str] = "silent"

    def command(self, job: Job) -> list[str]:  # noqa: ARG002
        return ["true"]


def test_the_suite_writes_its_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(suite, "all_peers", lambda: (Psycopg(), Rounding(), Silent(), Absent()))
    monkeypatch.setattr(suite, "PARTS", (Part("on disk", "records", ("csv",), disk=True),))
    monkeypatch.setattr(suite, "CASES", {name: CASES[name] for name in ("csv", "xml")})
    page = tmp_path / "benchmarks.md"
    page.write_text("# Before\n\n<!-- bench: written by `make bench` -->\n<!-- bench: end -->\n\nafter\n")
    assert suite.main(["--rows", "300", "--pairs", "2", "--folder", str(tmp_path), "--write", str(tmp_path)]) == 0
    text = page.read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("after\n")
    assert "| rounding | csv | value: differs (" in text
    assert "| polyglot | csv, xml | – |" in text
    assert "| psycopg COPY | csv | – |" in text
    assert "| silent | csv | FileNotFoundError" in text
    assert all(len(line) <= 120 for line in text.splitlines() if not line.startswith("|"))
    assert "- absent: the Python module absent is not installed" in text
    figures = json.loads((tmp_path / "benchmarks.json").read_text())
    (disk,) = figures["parts"]
    assert (disk["name"], disk["facts"]["target"]) == ("on disk", "disk")
    assert [each["name"] for each in disk["results"]] == ["polyglot", "psycopg COPY", "rounding", "silent"]
    silent = disk["results"].pop()
    assert "no file was written to" in silent["problem"]
    # On a machine that is busy with other things a run may look like that of a slow tool, which has no second one.
    assert {each["runs"] for each in disk["results"]} <= {1, 2}
    assert all(each["problem"] is None for each in disk["results"])
    assert f"Measured on {disk['facts']['date']} with polyglot " in text
    chart = (tmp_path / "benchmarks.svg").read_text()
    assert ET.fromstring(chart).tag.endswith("svg")
    assert disk["facts"]["date"] in chart
    assert list(tmp_path.glob("polyglot-bench*")) == []
    with pytest.raises(ValueError, match="are missing"):
        write_into(page, "other", "text")
