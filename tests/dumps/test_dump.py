"""The files of a dump are what the server says, whoever reads them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyglot_export import Cancelled, CancelToken, DumpProgress, SpecError, adump, dump, export, verify
from polyglot_export.compressions import Compression
from polyglot_export.formats.registry import Format
from tests.cli.helpers import wait_until
from tests.dumps.helpers import files, held_by, manifest_of, same

TABLES = """
CREATE TABLE large AS SELECT g AS id, md5(g::text) || repeat('x', 300) AS pad, g * 1.25 AS value
  FROM generate_series(1, 60000) g;
ALTER TABLE large ADD PRIMARY KEY (id);
CREATE TABLE small AS SELECT g AS id, 'line
' || g AS note FROM generate_series(1, 100) g;
CREATE TABLE empty (id int, note text);
CREATE TABLE nothing ();
CREATE TABLE "odd/../name
😀""'" AS SELECT 1 AS "a/b", 'Zoë' AS "Ünï";
CREATE TABLE "Case" AS SELECT 1 AS id; CREATE TABLE "case" AS SELECT 2 AS id;
CREATE TABLE parted (id int, pad text) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (3000);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (3000) TO (6000);
INSERT INTO parted SELECT g, repeat('y', 1000) FROM generate_series(0, 5999) g;
VACUUM ANALYZE;
"""


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        for statement in TABLES.split(";\n"):
            conn.execute(statement.encode())
    return module_dsn


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_every_table_is_what_copy_writes(tables: str, tmp_path: Path, workers: int) -> None:
    result = dump(tables, tmp_path, format="csv", workers=workers)
    with psycopg.connect(tables, autocommit=True) as conn:
        manifest = same(conn, tmp_path)
    assert manifest == result.manifest
    assert result.complete
    assert result.rows == 60_000 + 100 + 1 + 2 + 6000
    assert result.files == len(files(tmp_path)) == 8
    assert result.bytes == sum((tmp_path / name).stat().st_size for name in files(tmp_path))
    assert [each.name for each in manifest.relations] == [
        "Case",
        "case",
        "empty",
        "large",
        "nothing",
        "odd/../name\n😀\"'",
        "parted",
        "small",
    ]


def test_names_are_safe_everywhere(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, format="csv")
    folders = {each.name: each.folder for each in manifest_of(tmp_path).relations}
    assert folders["odd/../name\n😀\"'"] == "public.odd%2F%2E%2E%2Fname%0A%F0%9F%98%80%22%27"
    assert folders["Case"] == "public.Case"
    assert folders["case"].startswith("public.case~")
    assert len({folder.casefold() for folder in folders.values()}) == len(folders)


READ: dict[Format, Callable[[bytes], pa.Table]] = {
    Format.PARQUET: lambda file: pq.read_table(io.BytesIO(file)),
    Format.ARROW: lambda file: pa.ipc.open_stream(file).read_all(),
    Format.FEATHER: lambda file: pa.ipc.open_file(file).read_all(),
}


@pytest.mark.parametrize("format_", list(Format))
def test_every_format_has_the_bytes_of_an_export(tables: str, tmp_path: Path, format_: Format) -> None:
    """The columnar formats name their snapshot in the file; their rows are compared."""
    dump(tables, tmp_path, format=format_, tables=["large", "small", "empty"])
    for name in ("large", "small", "empty"):
        found = (tmp_path / f"public.{name}" / f"part-00000{format_.record.endings[0]}").read_bytes()
        with export(tables, name, format=format_) as chunks:
            expected = b"".join(chunks)
        if format_ in READ:
            assert READ[format_](found).equals(READ[format_](expected))
        else:
            assert found == expected
    assert verify(tmp_path).ok


@pytest.mark.parametrize("compression", list(Compression))
def test_compressed_files(tables: str, tmp_path: Path, compression: Compression) -> None:
    dump(tables, tmp_path, format="ndjson", compression=compression, tables="small")
    assert files(tmp_path) == [f"public.small/part-00000.ndjson{compression.record.ending}"]
    assert verify(tmp_path).ok


def test_what_the_manifest_says(tables: str, tmp_path: Path) -> None:
    result = dump(tables, tmp_path, tables=["large", "parted"], part_size=1 << 20)
    said = held_by(tmp_path)
    assert said["complete"] is True
    assert said["options"]["partSize"] == 1 << 20
    large, parted = said["relations"]
    assert large["primaryKey"] == ["id"]
    with psycopg.connect(tables) as conn:
        expected = conn.execute(
            "SELECT attname::text, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute"
            " WHERE attrelid = 'large'::regclass AND attnum > 0 ORDER BY attnum"
        ).fetchall()
    assert [(column["name"], column["type"], column["nullable"]) for column in large["columns"]] == expected
    assert [column["fileType"] for column in large["columns"]] == ["int32", "string", "string"]
    assert parted["kind"] == "partitioned table"
    for relation in said["relations"]:
        numbers = [(part["firstSegment"], part["lastSegment"]) for part in relation["parts"]]
        assert [first for first, _ in numbers] == [0, *(last + 1 for _, last in numbers[:-1])]
    assert result.snapshot == said["source"]["snapshot"]


def test_parts_do_not_depend_on_the_number_of_workers(tables: str, tmp_path: Path) -> None:
    seen = []
    for workers in (1, 2, 7):
        folder = tmp_path / str(workers)
        dump(tables, folder, format="csv", part_size=8 << 20, workers=workers)
        parts = [part for relation in manifest_of(folder).relations for part in relation.parts]
        seen.append([(part.path, part.rows, part.bytes, part.sha256) for part in parts])
        with psycopg.connect(tables, autocommit=True) as conn:
            same(conn, folder)
    assert seen[0] == seen[1] == seen[2]
    assert len(seen[0]) > 8


def test_placeholders_and_where_the_manifest_is(tables: str, tmp_path: Path) -> None:
    dump(tables, f"{tmp_path}/run/{{schema}}/t={{table}}/", tables=["small", "empty"], format="csv")
    assert files(tmp_path / "run") == ["public/t=empty/part-00000.csv", "public/t=small/part-00000.csv"]
    assert verify(tmp_path / "run").ok


def test_progress_is_told(tables: str, tmp_path: Path) -> None:
    seen: list[DumpProgress] = []
    result = dump(tables, tmp_path, on_progress=seen.append, format="csv")
    assert [each.rows for each in seen] == sorted(each.rows for each in seen)
    last = seen[-1]
    assert (last.relations, last.relations_total, last.files, last.rows, last.bytes) == (
        8,
        8,
        result.files,
        result.rows,
        result.bytes,
    )
    assert last.fraction == 1.0


def test_a_cancelled_dump_leaves_nothing(tables: str, tmp_path: Path) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        dump(
            tables,
            tmp_path / "out",
            tables="small",
            queries={"endless": "SELECT g, pg_sleep(0.001) FROM generate_series(1, 1000000) g"},
            token=token,
            on_progress=lambda state: token.cancel() if state.files else None,
            format="csv",
        )
    assert files(tmp_path / "out") == []


async def _adump(dsn: str, folder: Path) -> None:
    running = asyncio.create_task(
        adump(dsn, folder, queries={"endless": "SELECT pg_sleep(3600)::text AS a"}, tables="small", format="csv")
    )
    await asyncio.to_thread(wait_until, lambda: "public.small/part-00000.csv" in files(folder))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_in_an_event_loop(tables: str, tmp_path: Path) -> None:
    result = asyncio.run(adump(tables, tmp_path / "whole", tables="small"))
    assert result.rows == 100
    asyncio.run(_adump(tables, tmp_path / "cancelled"))
    assert files(tmp_path / "cancelled") == []


def test_an_error_names_its_table(tables: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"^public\.nothing: parquet needs at least one column$"):
        dump(tables, tmp_path / "out")
    assert files(tmp_path / "out") == []
