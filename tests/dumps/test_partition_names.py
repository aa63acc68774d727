"""``--partition-by TABLE:COLUMN[:PART]`` where the names have colons themselves."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from polyglot_export import SpecError, dump
from tests.cli.helpers import complaint, succeeded
from tests.dumps.helpers import files, manifest_of
from tests.fixtures.process import Cli

TABLES = """
CREATE SCHEMA "S p";
CREATE TABLE "S p"."T:a.b" AS SELECT 1 AS id, 'k' AS "x:y", date '2026-11-25' AS "at:day", 'z' AS "a:b:x:y";
CREATE TABLE t AS SELECT 1 AS id, 'k' AS "a:b", timestamp '2026-11-25 13:00' AS at, 'z' AS day;
CREATE TABLE "t:a" AS SELECT 2 AS id, 'k' AS c, date '2026-11-25' AS "x:at", 'q' AS ":";
CREATE TABLE dual AS SELECT 3 AS id, date '2026-11-25' AS at, 'v' AS "at:day";
CREATE TABLE texts AS SELECT 5 AS id, 'x' AS at, 'v' AS "at:day", date '2026-11-25' AS "on", 'w' AS "on:hour";
CREATE TABLE one AS SELECT 4 AS id, 'k' AS "two:c";
CREATE TABLE "one:two" AS SELECT 4 AS id, 'k' AS c;
"""


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(TABLES.encode())
    return module_dsn


MEANT = [
    ("S p.T:a.b:x:y", {"S p.T:a.b": "x:y"}),
    ("S p.T:a.b:at:day:month", {"S p.T:a.b": "at:day:month"}),
    ("S p.T:a.b:at:day", {"S p.T:a.b": "at:day"}),
    ("public.t:a:b", {"public.t": "a:b"}),
    ("t:at:hour", {"t": "at:hour"}),
    ("t:day", {"t": "day"}),
    ("t:a:c", {"t:a": "c"}),
    ("t:a:x:at:year", {"t:a": "x:at:year"}),
    ("texts:at:day", {"texts": "at:day"}),
    ("texts:on:hour", {"texts": "on:hour"}),
    ("public.t:a::", {"public.t:a": ":"}),
]


@pytest.mark.parametrize(("text", "by"), MEANT, ids=[text for text, _ in MEANT])
def test_what_a_text_means(cli: Cli, tables: str, tmp_path: Path, text: str, by: dict[str, str]) -> None:
    line = ("dump", "-t", '"S p".*', "-t", "*", "-f", "csv", "--partition-by", text)
    succeeded(cli(*line, "-o", str(tmp_path / "line"), "--dry-run", dsn=tables))
    succeeded(cli(*line, "-o", str(tmp_path / "line"), dsn=tables))
    dump(tables, tmp_path / "dict", tables=['"S p".*', "*"], format="csv", partition_by=by)
    assert files(tmp_path / "line") == files(tmp_path / "dict")
    assert any("=" in name for name in files(tmp_path / "line"))
    assert manifest_of(tmp_path / "line").options.partition_by == by


WRONG = [
    (["one:two:c"], "--partition-by 'one:two:c': may mean 'two:c' of 'one' or 'c' of 'one:two': use --query"),
    (["dual:at:day"], "--partition-by: 'at:day' of public.dual may mean that column or the day of 'at': use --query"),
    (["nothing:at:day"], "--partition-by 'nothing:at:day': names no relation of this dump"),
    (["S p.T:a.b:nope"], "--partition-by: there is no column 'nope' in S p.T:a.b; it has id, x:y"),
    (["t:nope:day"], "--partition-by: there is no column 'nope' in public.t"),
    (["t:at:week"], "and not 'week' of 'at' in public.t"),
    (["t:at:day", "t:a:b"], "--partition-by: names t twice"),
    (["t:at:day", "public.t:a:b"], "public.t is named twice"),
    (["t:"], "--partition-by 't:': must be TABLE:COLUMN"),
]


@pytest.mark.parametrize(("texts", "message"), WRONG, ids=[" ".join(texts) for texts, _ in WRONG])
def test_what_means_nothing_or_two_things(
    cli: Cli, tables: str, tmp_path: Path, texts: list[str], message: str
) -> None:
    by = [word for text in texts for word in ("--partition-by", text)]
    line = ("dump", "-t", '"S p".*', "-t", "*", "-o", str(tmp_path / "out"), *by)
    for more in ((), ("--dry-run",)):
        assert message in complaint(cli(*line, *more, dsn=tables), 2)
    assert files(tmp_path / "out") == []


def test_the_same_two_meanings_from_python(tables: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"partition_by: 'at:day' of public.dual may mean that column or the day of"):
        dump(tables, tmp_path, partition_by={"dual": "at:day"})
    dump(tables, tmp_path, tables="one*", format="csv", partition_by={"one:two": "c", "one": "two:c"})
    assert files(tmp_path) == ["public.one%3Atwo/c=k/part-00000.csv", "public.one/two%3Ac=k/part-00000.csv"]
