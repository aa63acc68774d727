"""The columns of the table that everybody can measure are what the table says; the others are ``make readers``'."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.fixtures.server import Database
from tests.readers.measure import column
from tests.readers.readers import READERS
from tests.readers.samples import SAMPLES, files
from tests.readers.table import PAGE, measured, page


def test_readers_see_what_the_table_says(server: Database, tmp_path: Path) -> None:
    with server.database() as dsn, psycopg.connect(dsn, autocommit=True) as conn:
        written = list(files(conn, dsn, tmp_path))
    found = measured()["readers"]
    for reader in (reader for reader in READERS if reader.in_tests):
        verdicts = {title: cell["verdict"] for title, cell in column(reader, written).items()}
        assert verdicts == {title: cell["verdict"] for title, cell in found[reader.title]["samples"].items()}


@pytest.mark.parametrize("reader", ["Spark spark35", "Spark spark4"])
def test_spark_reads_all_that_its_profile_writes(reader: str) -> None:
    """As it was measured: what is refused has another row, of the option that the profile sets."""
    samples = measured()["readers"][reader]["samples"]
    assert set(samples) == {sample.title for sample in SAMPLES}
    refused = {sample.type.removesuffix("[]") for sample in SAMPLES if samples[sample.title]["verdict"] == "refuses"}
    profile = {sample.title for sample in SAMPLES if "profile" in sample.options or sample.options == {"uuid": "text"}}
    assert {"uuid", "time"} <= refused
    assert {samples[title]["verdict"] for title in profile} == {"reads"}


def test_the_page_has_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
