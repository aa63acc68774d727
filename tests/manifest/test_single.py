"""One export with its manifest: what it says is what the server says, and what is verified."""

from __future__ import annotations

import hashlib
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import Manifest, PolyglotError, SpecError, TargetFailed, __version__, export_to_file, verify
from polyglot_export.access.catalog import describe_dataset
from polyglot_export.access.exposure import EVERYTHING
from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format
from polyglot_export.postgres.catalogue.columns import NOT_VALID
from tests.fixtures.process import Cli
from tests.library.helpers import as_role, new_role
from tests.manifest.test_schema import VALIDATOR

TABLES = """
CREATE SCHEMA "odd schema";
CREATE TABLE "odd schema"."the table" (a int, b numeric(12, 3) NOT NULL, c text[], "d e" timestamptz, PRIMARY KEY (b, a));
INSERT INTO "odd schema"."the table" SELECT g, g, ARRAY['x'], now() FROM generate_series(1, 1234) g;
CREATE VIEW seen AS SELECT a, b FROM "odd schema"."the table";
CREATE MATERIALIZED VIEW kept AS SELECT * FROM seen;
CREATE TABLE parts (id int NOT NULL) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF parts DEFAULT; INSERT INTO parts VALUES (1), (2);
CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
CREATE TABLE empty (a int);
"""
THE_TABLE = "odd schema.the table"


@pytest.fixture(scope="module")
def dsn(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(TABLES.encode())
        columns = ", ".join(f"c{number} int DEFAULT {number}" for number in range(1600))
        conn.execute(f"CREATE TABLE wide ({columns})".encode())
        conn.execute("INSERT INTO wide (c0) VALUES (NULL), (1)")
    return module_dsn


def written(path: Path) -> Manifest:
    """A manifest, which fits the schema."""
    content = path.read_bytes()
    VALIDATOR.validate(json.loads(content))
    return Manifest.from_json(content)


every_form = pytest.mark.parametrize(
    ("format_", "compression"),
    [
        pytest.param(format_, compression, id=f"{format_}-{compression}")
        for format_ in Format
        for compression in ((None, *Compression) if format_.record.is_text else (None,))
    ],
)


@every_form
def test_a_file_with_its_manifest(format_: Format, compression: Compression | None, dsn: str, tmp_path: Path) -> None:
    ending = format_.record.endings[0] + (compression.record.ending if compression else "")
    file, sheet = tmp_path / f"x{ending}", tmp_path / "x.json.json"
    result = export_to_file(dsn, THE_TABLE, file, manifest=sheet)
    manifest = written(sheet)
    [relation] = manifest.relations
    [part] = relation.parts
    assert (part.path, part.bytes, part.rows) == (file.name, file.stat().st_size, 1234)
    assert part.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (relation.rows, relation.full_name, relation.kind) == (1234, "odd schema.the table", "table")
    assert manifest.complete
    assert (manifest.tool.name, manifest.tool.version) == ("polyglot-export", __version__)
    assert (manifest.options.format, manifest.options.compression) == (format_, compression)
    assert manifest.source.snapshot == result.snapshot
    assert verify(sheet).ok
    file.write_bytes(file.read_bytes()[:-1])
    assert not verify(sheet).ok


def test_what_the_server_says(dsn: str, tmp_path: Path) -> None:
    sheet = tmp_path / "x.json"
    with psycopg.connect(dsn) as conn:
        before = conn.execute("SELECT pg_current_wal_lsn(), clock_timestamp()").fetchone()
        export_to_file(dsn, THE_TABLE, tmp_path / "x.parquet", manifest=sheet)
        source = written(sheet).source
        after = conn.execute(
            "SELECT %s <= %s::pg_lsn AND %s::pg_lsn <= pg_current_wal_lsn(), %s <= %s::timestamptz AND %s::timestamptz <= clock_timestamp()",
            [before and before[0], source.lsn, source.lsn, before and before[1], source.taken_at, source.taken_at],
        ).fetchone()
        assert after == (True, True)
        known = conn.execute(
            "SELECT current_setting('server_version'), current_database(), system_identifier::text FROM pg_control_system()"
        ).fetchone()
    assert (source.server_version, source.database, source.system_identifier) == known


def test_the_columns(dsn: str, tmp_path: Path) -> None:
    sheet = tmp_path / "x.json"
    export_to_file(dsn, THE_TABLE, tmp_path / "x.parquet", manifest=sheet, columns={"b": "b", "a": "key", "d e": "d e"})
    [relation] = written(sheet).relations
    assert [(each.name, each.type, each.nullable) for each in relation.columns] == [
        ("b", "numeric(12,3)", False),
        ("key", "integer", False),
        ("d e", "timestamp with time zone", True),
    ]
    assert all(each.file_type for each in relation.columns)
    assert relation.primary_key == ("b", "key")
    export_to_file(dsn, THE_TABLE, tmp_path / "x.csv", manifest=sheet, columns=["a"])
    [relation] = written(sheet).relations
    assert relation.primary_key == (), "a part of the key is none"
    assert relation.columns[0].file_type is None


def test_a_column_whose_rows_nobody_has_checked_may_have_nulls(dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE unchecked (id int); INSERT INTO unchecked VALUES (NULL)")
        try:
            if conn.info.server_version >= NOT_VALID:
                conn.execute("ALTER TABLE unchecked ADD CONSTRAINT filled NOT NULL id NOT VALID")
            export_to_file(dsn, "unchecked", tmp_path / "x.csv", manifest=tmp_path / "x.json")
            assert written(tmp_path / "x.json").relations[0].columns[0].nullable
            assert describe_dataset(conn, EVERYTHING, "unchecked").columns[0].nullable
        finally:
            conn.execute("DROP TABLE unchecked")


@pytest.mark.parametrize(
    ("name", "kind", "rows"),
    [
        ("seen", "view", 1234),
        ("kept", "materialized view", 1234),
        ("parts", "partitioned table", 2),
        ("nothing", "table", 1),
        ("empty", "table", 0),
        ("wide", "table", 2),
    ],
)
def test_every_kind_of_relation(name: str, kind: str, rows: int, dsn: str, tmp_path: Path) -> None:
    export_to_file(dsn, name, tmp_path / "x.csv", manifest=tmp_path / "x.json")
    [relation] = written(tmp_path / "x.json").relations
    assert (relation.schema, relation.name, relation.kind, relation.rows) == ("public", name, kind, rows)
    report = verify(tmp_path / "x.json")
    assert (report.ok, report.rows) == (True, rows)


def test_a_query_with_options_and_a_limit(dsn: str, tmp_path: Path) -> None:
    sheet = tmp_path / "x.json"
    options = {"delimiter": ";", "header": False, "null": "\\N"}
    export_to_file(dsn, None, tmp_path / "x.csv", query="SELECT 1 AS a, NULL AS a", manifest=sheet, options=options)
    manifest = written(sheet)
    [relation] = manifest.relations
    assert (relation.schema, relation.name, relation.kind) == (None, "query", "query")
    assert [(each.name, each.nullable) for each in relation.columns] == [("a", True), ("a", True)]
    assert manifest.options.format_options.items() >= options.items()
    assert verify(sheet).ok
    export_to_file(
        dsn,
        THE_TABLE,
        tmp_path / "x.csv",
        manifest=sheet,
        where="a <= 10",
        limit=5,
        filter=[{"column": "b", "op": ">=", "value": Decimal("2.50")}],
    )
    asked = written(sheet).options
    assert asked.filter == ('{"column":"b","op":">=","value":2.50}', '{"column":"a","op":"<=","value":"10"}')
    assert asked.limit == 5


def test_losses_are_told(dsn: str, tmp_path: Path) -> None:
    export_to_file(
        dsn,
        None,
        tmp_path / "x.xml",
        query="SELECT E'a\\x01' AS note",
        manifest=tmp_path / "x.json",
        options={"invalid_xml_chars": "drop"},
    )
    assert written(tmp_path / "x.json").relations[0].losses == {"note": 1}


def test_a_login_that_may_not_ask_for_the_server_s_name(dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn, new_role(conn, "reader") as role:
        conn.execute(f"GRANT SELECT ON empty TO {role}".encode())
        conn.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
        export_to_file(as_role(dsn, role), "empty", tmp_path / "x.csv", manifest=tmp_path / "x.json")
    source = written(tmp_path / "x.json").source
    assert source.system_identifier is None
    assert source.lsn is not None


def test_the_manifest_may_lie_above_the_file(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    export_to_file(dsn, "empty", tmp_path / "a/b/x.csv", manifest=tmp_path / "a/x.json")
    assert written(tmp_path / "a/x.json").relations[0].parts[0].path == "b/x.csv"
    assert verify(tmp_path / "a/x.json").ok


@pytest.mark.parametrize("name", ["new\nline.csv", "é 😀 \"'%.csv", "..csv", " .csv"])
def test_odd_names(name: str, dsn: str, tmp_path: Path) -> None:
    export_to_file(dsn, "empty", tmp_path / name, manifest=tmp_path / "x.json")
    assert verify(tmp_path / "x.json").ok


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "manifest", "says"),
    [
        ("x.csv", "x.txt", "ends in .json"),
        ("x.csv", "a/x.json", "in the folder of the file or above it"),
        ("x.json", "x.json", "give the manifest another name"),
        ("x.json", "./x.json", "give the manifest another name"),
        ("x.json", "a/../x.json", "give the manifest another name"),
        ("-", "x.json", "files that stay"),
        ("x.csv", "-", "files that stay"),
        ("x\\y.csv", "x.json", "must be text"),
        (os.fsdecode(b"x\xff.csv"), "x.json", "must be text"),
        ("x.csv", "s3://b/x.json", "in the folder of the file or above it"),
        ("s3://b/x.csv", "x.json", "in the folder of the file or above it"),
        ("s3://b/x.csv", "s3://b/a/x.json", "in the folder of the file or above it"),
    ],
)
def test_a_manifest_that_could_not_say_where_the_file_is(
    file: str, manifest: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(SpecError, match=says) as raised:
        export_to_file("host=nowhere", "empty", file, manifest=manifest)
    assert raised.value.field == "manifest"
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_place_that_cannot_be_written_is_known_before_a_row_is_read(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").mkdir()
    with pytest.raises(TargetFailed, match=r"x\.json"):
        export_to_file(dsn, None, tmp_path / "x.csv", query="SELECT 1/0 AS x", manifest=tmp_path / "x.json")
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]


def test_a_failure_leaves_both_as_they_were(dsn: str, tmp_path: Path) -> None:
    file, sheet = tmp_path / "x.csv", tmp_path / "x.json"
    export_to_file(dsn, "empty", file, manifest=sheet)
    before = sheet.read_bytes()
    with pytest.raises(PolyglotError, match="division by zero"):
        export_to_file(dsn, None, file, query="SELECT 1/(a - 1234) AS x FROM seen", manifest=sheet)
    assert sheet.read_bytes() == before
    assert verify(sheet).ok
    assert len(list(tmp_path.iterdir())) == 2


# --- the command line --------------------------------------------------------------------------------------------


def test_the_command_writes_one(cli: Cli, dsn: str, tmp_path: Path) -> None:
    done = cli("export", THE_TABLE, "-o", "x.csv.gz", "--manifest", "x.csv.gz.json", dsn=dsn, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert written(tmp_path / "x.csv.gz.json").relations[0].rows == 1234
    assert verify(tmp_path / "x.csv.gz.json").ok
    line: list[Any] = ["export", THE_TABLE, "-o", "x.csv", "--manifest", "x.csv"]
    refused = cli(*line, dsn=dsn, cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"polyglot: --manifest: must be the name of a file that ends in .json")
    assert not (tmp_path / "x.csv").exists()
    assert cli("explain", *line[1:], dsn=dsn, cwd=tmp_path).returncode == 0
    failed = cli(
        "export",
        "--query",
        "SELECT 1/(a-900) AS x FROM seen",
        "-o",
        "y.csv",
        "--manifest",
        "y.json",
        dsn=dsn,
        cwd=tmp_path,
    )
    assert failed.returncode == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.csv.gz", "x.csv.gz.json"]
