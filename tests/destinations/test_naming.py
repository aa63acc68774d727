"""Format and compression from the name of the target."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from polyglot_export.cli.selection import WORDING
from polyglot_export.destinations.naming import choose
from polyglot_export.errors import SpecError


@pytest.mark.parametrize(
    ("name", "format_name", "compression"),
    [
        ("x.csv", "csv", None),
        ("x.tsv", "tsv", None),
        ("x.json", "json", None),
        ("x.ndjson", "ndjson", None),
        ("x.jsonl", "ndjson", None),
        ("x.xml", "xml", None),
        ("x.parquet", "parquet", None),
        ("x.csv.gz", "csv", "gzip"),
        ("x.jsonl.zst", "ndjson", "zstd"),
        ("X.CSV.GZ", "csv", "gzip"),
        ("a.b/x.y.tsv", "tsv", None),
    ],
)
def test_from_the_name(name: str, format_name: str, compression: str | None) -> None:
    assert choose(name, None, None) == (name, format_name, compression)
    assert choose(name, format_name, compression) == (name, format_name, compression)


def test_standard_output_and_devices_are_csv_by_default(tmp_path: Path) -> None:
    fifo = tmp_path / "x.parquet"
    os.mkfifo(fifo)
    for path in ("-", "/dev/null", str(fifo)):
        assert choose(path, None, None) == (path, "csv", None)
        assert choose(path, "xml", "zstd") == (path, "xml", "zstd")


def test_a_name_that_says_nothing_goes_with_anything() -> None:
    assert choose("x.data", "json", "gzip") == ("x.data", "json", "gzip")
    assert choose("x.gz", "csv", None) == ("x.gz", "csv", "gzip")
    assert choose("x.zst", "csv", "zstd") == ("x.zst", "csv", "zstd")


@pytest.mark.parametrize(
    ("name", "format_name", "compression", "sentence"),
    [
        ("x.json", "csv", None, "the name x.json says json, but --format says csv"),
        ("x.json", "ndjson", None, "the name x.json says json, but --format says ndjson"),
        ("x.csv", None, "gzip", "the name x.csv says no compression, but --compression says gzip"),
        ("x.csv.gz", None, "zstd", "the name x.csv.gz says gzip, but --compression says zstd"),
        ("x.gz", "csv", "zstd", "the name x.gz says gzip, but --compression says zstd"),
        ("x.parquet.gz", None, None, "parquet compresses inside the file"),
        ("x.data", None, None, "the name x.data does not say which format it is"),
        ("x.gz", None, None, "the name x.gz does not say which format it is"),
        ("csv", None, None, "the name csv does not say which format it is"),
    ],
)
def test_contradictions_are_refused(name: str, format_name: str | None, compression: str | None, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        choose(name, format_name, compression, WORDING)
    assert sentence in caught.value.message


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is a folder"):
        choose(str(tmp_path), "csv", None)


def test_the_library_speaks_of_its_arguments() -> None:
    with pytest.raises(SpecError) as caught:
        choose("x.json", "csv", None)
    assert caught.value.field == "path"
    assert caught.value.reason == "the name x.json says json, but format= says csv; change one of them"
    with pytest.raises(SpecError, match=r"give format=, or one of the endings \.csv, "):
        choose("x.data", None, None)


@pytest.mark.parametrize(
    ("format_name", "compression", "sentence"),
    [("xls", None, "format: must be 'csv', "), ("csv", "rar", "compression: must be 'gzip' or 'zstd' ")],
)
def test_what_there_is_not(format_name: str, compression: str | None, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        choose("x.csv", format_name, compression)
