"""Folders for values: which files there are, what other readers find in them, and what of it is lost."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet as pq
import pytest
import zstandard

from polyglot_export import SpecError, dump, verify
from polyglot_export.destinations.folder import FolderFile, FolderStore
from polyglot_export.dumps import file_count, relations
from tests.cli.helpers import complaint, succeeded
from tests.dumps.helpers import files, held_by, manifest_of
from tests.dumps.partitions import ODD, asked, by_duckdb, by_pyarrow, fill
from tests.dumps.pools import Inline, digests
from tests.fixtures.process import Cli
from tests.library.helpers import exported

NAMELESS = (None, "", "__HIVE_DEFAULT_PARTITION__")
"""What a folder cannot tell from NULL."""
BY_DAY = {"events": "created_at:day"}
BY_SHOP = {"public.events": "shop"}


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    fill(module_dsn)
    return module_dsn


@pytest.mark.parametrize("by", [BY_DAY, BY_SHOP], ids=["in order", "in random order"])
def test_the_files_do_not_depend_on_the_workers_or_machines(
    tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: dict[str, str]
) -> None:
    how: dict[str, Any] = {"format": "csv", "tables": "events", "partition_by": by}
    found = []
    for workers in (1, 2, 7):
        result = dump(tables, tmp_path / str(workers), workers=workers, **how)
        assert verify(result.destination, tables).ok
        found.append(digests(result.manifest))
    monkeypatch.setenv("DATABASE_URL", tables)
    with Inline() as pool:
        found.append(digests(dump(tables, tmp_path / "pool", engine=pool, **how).manifest))
    assert found[0] == found[1] == found[2] == found[3]
    assert {Path(path).name for path in found[0]} == {"part-00000.csv", "part-00001.csv"}


def test_a_table_in_the_order_of_time(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, tables="events", partition_by=BY_DAY)
    days = asked(tables, "SELECT DISTINCT 'day=' || created_at::date FROM events")
    assert {Path(name).parts[1] for name in files(tmp_path)} == {day for (day,) in days}
    assert len(files(tmp_path)) <= len(days) + 1, "one day is in two parts"
    folder = tmp_path / "public.events"
    expected = asked(tables, "SELECT id, created_at::date::text, shop, length(pad) FROM events ORDER BY id")
    assert by_duckdb(folder, "id, day, shop, length(pad)") == expected
    assert by_pyarrow(folder, "day", ["id", "day", "shop"]) == [row[:3] for row in expected]
    [relation] = manifest_of(tmp_path).relations
    assert relation.partition_columns == ("day",)
    assert [column.name for column in relation.columns] == ["id", "created_at", "shop", "pad"], "nothing may be lost"
    assert relation.rows == len(expected)
    assert held_by(tmp_path)["options"]["partitionBy"] == BY_DAY


def test_odd_values(tables: str, tmp_path: Path) -> None:
    result = dump(tables, tmp_path, tables="odd", partition_by={"odd": "kind"})
    rows = asked(tables, "SELECT id, kind, note FROM odd ORDER BY id")
    folder = tmp_path / "public.odd"
    told = [row for row in rows if len(row[1] or "") < 300]
    expected = [(id_, None if kind in NAMELESS else kind, note) for id_, kind, note in told]
    short = {row[0] for row in told}
    assert [row for row in by_duckdb(folder, "id, kind, note") if row[0] in short] == expected
    assert [row for row in by_pyarrow(folder, "kind", ["id", "kind", "note"]) if row[0] in short] == expected
    [relation] = result.manifest.relations
    values = {part.partition["kind"] for part in relation.parts if part.partition is not None}
    assert values == {kind for _, kind, _ in rows if kind not in ("", "__HIVE_DEFAULT_PARTITION__")}
    lost = sum(kind is not None and (kind in NAMELESS or len(kind) == 300) for _, kind, _ in rows)
    assert relation.losses == {"kind": lost}
    assert result.losses == {"public.odd.kind": lost}
    assert all(len(part.encode()) <= 200 for name in files(tmp_path) for part in Path(name).parts)
    assert verify(tmp_path, tables).ok


def test_a_column_that_is_kept_loses_nothing(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, tables="odd", partition_by={"odd": "kind"}, keep_partition_column=True)
    [relation] = manifest_of(tmp_path).relations
    assert relation.losses == {}
    found = [
        row
        for part in relation.parts
        for row in pq.ParquetFile(tmp_path / part.path).read().select(["id", "kind"]).to_pylist()
    ]
    expected = asked(tables, "SELECT id, kind FROM odd ORDER BY id")
    assert sorted(found, key=lambda row: row["id"]) == [{"id": id_, "kind": kind} for id_, kind in expected]
    assert held_by(tmp_path)["options"]["keepPartitionColumn"] is True


def unpacked(content: bytes, compression: str | None) -> bytes:
    match compression:
        case "gzip":
            return gzip.decompress(content)
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(content)
    return content


@pytest.mark.parametrize("compression", [None, "gzip", "zstd"])
@pytest.mark.parametrize("format_", ["csv", "tsv", "json", "ndjson", "xml"])
def test_each_file_is_an_export_of_its_rows(tables: str, tmp_path: Path, format_: str, compression: str | None) -> None:
    how: dict[str, Any] = {"format": format_, "compression": compression}
    dump(tables, tmp_path, tables="moods", partition_by={"moods": "mood"}, **how)
    [relation] = manifest_of(tmp_path).relations
    assert len(relation.parts) == 3
    for part in relation.parts:
        assert part.partition is not None
        value = part.partition["mood"]
        term = "mood IS NULL" if value is None else "mood = '{}'".format(value.replace("'", "''"))
        expected = exported(tables, query=f"SELECT id, even, amount, day FROM moods WHERE {term}", format=format_)
        assert unpacked((tmp_path / part.path).read_bytes(), compression) == expected
    assert verify(tmp_path, tables).ok


@pytest.mark.parametrize(
    ("by", "text"),
    [
        ("mood", "mood::text"),
        ("even", "even::text"),
        ("amount", "amount::text"),
        ("day", "day::text"),
        ("id", "id::text"),
    ],
)
def test_values_of_types(tables: str, tmp_path: Path, by: str, text: str) -> None:
    dump(tables, tmp_path, tables="moods", partition_by={"moods": by})
    expected = asked(tables, f"SELECT id::text, {text} FROM moods ORDER BY id")
    assert sorted(by_duckdb(tmp_path / "public.moods", f"id::text, {by}")) == sorted(expected)
    names = [column.name for column in manifest_of(tmp_path).relations[0].columns]
    assert by not in names
    assert len(names) == 4


PICTURES = {"year": "YYYY", "month": "YYYY-MM", "day": "YYYY-MM-DD", "hour": 'YYYY-MM-DD"T"HH24'}


@pytest.mark.parametrize("transform", PICTURES)
@pytest.mark.parametrize("column", ["at", "local", "instant"])
def test_parts_of_times(tables: str, tmp_path: Path, column: str, transform: str) -> None:
    by = {"times": f"{column}:{transform}"}
    if (column, transform) == ("at", "hour"):
        with pytest.raises(SpecError, match=r"partition_by: hour needs a timestamp, and 'at' of public\.times is date"):
            dump(tables, tmp_path, tables="times", partition_by=by)
        return
    # Parquet has no infinity: there the folder alone tells it.
    dump(tables, tmp_path, tables="times", options={"unrepresentable": "null"}, partition_by=by)
    era = f"CASE WHEN {column} < '0001-01-01' THEN ' BC' ELSE '' END"
    finite = f"to_char({column}::timestamp, '{PICTURES[transform]}') || {era}"
    text = f"CASE WHEN isfinite({column}) THEN {finite} ELSE {column}::text END"
    expected = asked(tables, f"SELECT id, {text} FROM times ORDER BY id")
    assert len({value for _, value in expected}) >= 6
    assert by_duckdb(tmp_path / "public.times", f"id, {transform}") == expected
    assert by_pyarrow(tmp_path / "public.times", transform, ["id", transform]) == expected


def test_the_day_is_that_of_the_time_zone_of_the_export(tables: str, tmp_path: Path) -> None:
    zone = {"timeZone": "America/New_York"}
    dump(tables, tmp_path, tables="times", format="csv", options=zone, partition_by={"times": "instant:day"})
    query = "SELECT (instant AT TIME ZONE 'America/New_York')::date::text FROM times WHERE id = 1"
    [(day,)] = asked(tables, query)
    assert day != asked(tables, "SELECT instant::date::text FROM times WHERE id = 1")[0][0]
    assert (tmp_path / "public.times" / f"day={day}").is_dir()


def test_a_column_that_is_called_like_a_folder(tables: str, tmp_path: Path) -> None:
    result = dump(tables, tmp_path, tables="moods", partition_by={"moods": "day:day"})
    expected = asked(tables, "SELECT id, day::text FROM moods ORDER BY id")
    assert by_duckdb(tmp_path / "public.moods", "id, day_day") == expected
    assert by_duckdb(tmp_path / "public.moods", "id, day::text") == expected
    assert result.manifest.relations[0].partition_columns == ("day_day",)


def test_a_view_a_query_and_a_table_beside_them(tables: str, tmp_path: Path) -> None:
    result = dump(
        tables,
        tmp_path,
        tables=["moods", "recent"],
        queries={"top": "SELECT id, mood, even FROM moods ORDER BY mood"},
        format="csv",
        partition_by={"recent": "day:month", "top": "mood"},
    )
    assert verify(tmp_path).ok
    rows = {relation.full_name: relation.rows for relation in result.manifest.relations}
    assert rows == {"public.moods": 300, "public.recent": 200, "top": 300}
    assert "public.moods/part-00000.csv" in files(tmp_path)
    assert "public.recent/month=2026-11/part-00000.csv" in files(tmp_path)
    assert "top/mood=it%27s%2Fok/part-00000.csv" in files(tmp_path)


def test_a_partitioned_table(dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE parted (id int, kind text) PARTITION BY RANGE (id);"
            "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50);"
            "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (50) TO (100);"
            "INSERT INTO parted SELECT g, 'k' || g % 3 FROM generate_series(0, 99) g"
        )
    by = {"parted": "kind"}
    dump(dsn, tmp_path / "a", partition_by=by)
    assert by_duckdb(tmp_path / "a" / "public.parted", "id, kind") == asked(dsn, "SELECT * FROM parted ORDER BY id")
    assert len(files(tmp_path / "a")) == 3
    with pytest.raises(SpecError, match="partition_by 'parted': its own partitions have folders already"):
        dump(dsn, tmp_path / "b", partition_by=by, partition_folders=True)
    assert files(tmp_path / "b") == []


def test_an_empty_table_has_no_files(tables: str, tmp_path: Path) -> None:
    result = dump(tables, tmp_path, tables="empty", partition_by={"empty": "kind"})
    assert (result.files, result.rows, files(tmp_path)) == (0, 0, [])
    assert verify(tmp_path, tables).ok


def test_part_size_is_that_of_a_file(tables: str, tmp_path: Path) -> None:
    query = {"one": "SELECT id, pad, 'a' AS kind FROM events WHERE id <= 10000"}
    result = dump(tables, tmp_path, queries=query, format="csv", part_size=1 << 20, partition_by={"one": "kind"})
    names = [Path(name).name for name in files(tmp_path)]
    assert names == ["part-00000.csv", *(f"part-00000_{at}.csv" for at in range(1, 5))]
    sizes = [part.bytes for part in result.manifest.relations[0].parts]
    assert all(0.9 * (1 << 20) < size <= 1.1 * (1 << 20) for size in sizes[:-1]), sizes
    assert result.rows == 10000
    assert verify(tmp_path).ok


def test_it_is_replaced_as_any_other_set_is(tables: str, tmp_path: Path) -> None:
    how: dict[str, Any] = {"tables": "moods", "format": "csv", "partition_by": {"moods": "mood"}}
    for destination in (str(tmp_path / "usual"), f"{tmp_path}/placed/{{schema}}/t={{table}}"):
        dump(tables, destination, part_size=1 << 20, **how)
        again = dump(tables, destination, overwrite=True, **how)
        root = Path(again.destination)
        assert {Path(name).name for name in files(root)} == {"part-00000-1.csv"}
        assert len(files(root)) == 3
        assert verify(root).ok
        dump(tables, destination, tables="moods", format="csv", overwrite=True)
        assert len(files(root)) == 1
        assert verify(root).ok


def test_verify_finds_what_is_wrong(tables: str, tmp_path: Path) -> None:
    result = dump(tables, tmp_path, tables="moods", format="csv", partition_by={"moods": "mood"})
    first, second, third = (part.path for part in result.manifest.relations[0].parts)
    (tmp_path / first).unlink()
    changed = tmp_path / second
    changed.write_bytes(changed.read_bytes().swapcase())
    (tmp_path / third).with_name("part-00000_1.csv").write_text("id\n")
    told = {fault.subject: fault.kind.value for fault in verify(tmp_path).faults}
    assert told == {first: "missing", second: "changed", third.replace("00000", "00000_1"): "extra"}


def test_rows_that_changed_since_are_told(dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE t AS SELECT g AS id, g % 5 AS kind, repeat('x', 1000) AS pad FROM generate_series(1, 20000) g"
        )
        dump(dsn, tmp_path, format="csv", partition_by={"t": "kind"}, fingerprints=True)
        assert verify(tmp_path, dsn).ok
        conn.execute("UPDATE t SET id = -1 WHERE id = 1")
        report = verify(tmp_path, dsn)
        assert report.faults == ()
        assert "segments changed since" in report.unchecked[0].reason
        conn.execute("DELETE FROM t WHERE id > 19990")
        assert verify(tmp_path, dsn).faults == ()


def test_against_the_database_a_wrong_count_of_the_files_of_a_run_is_found(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a table of which one segment changed since, the parts of the others are still compared."""
    monkeypatch.setattr(relations, "routed_bytes", lambda _: 8 << 20)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE t AS SELECT g AS id, g % 5 AS kind, repeat('x', 1000) AS pad FROM generate_series(1, 20000) g"
        )
        dump(dsn, tmp_path, format="csv", partition_by={"t": "kind"}, fingerprints=True)
        conn.execute("DELETE FROM t WHERE id = 1")
    manifest = manifest_of(tmp_path)
    [relation] = manifest.relations
    last = relation.parts[-1]
    assert last.first_segment != 0
    wrong = json.loads((tmp_path / "manifest.json").read_bytes())
    wrong["relations"][0]["parts"][-1]["rows"] += 1
    (tmp_path / "manifest.json").write_text(json.dumps(wrong))
    faults = [fault for fault in verify(tmp_path, dsn).faults if fault.kind.value == "database"]
    assert len(faults) == 1
    assert "5 files of them have" in faults[0].reason


BAD: list[tuple[dict[str, str], str]] = [
    ({"nothing": "id"}, "nothing.*is no relation of this dump"),
    ({"moods": "nope"}, "there is no column 'nope' in public.moods; it has id, mood, even, amount, day"),
    ({"moods": "nope:day"}, "there is no column 'nope' in public.moods"),
    ({"moods": "day:week"}, "knows year, month, day, hour, or the value itself, and not 'week' of 'day'"),
    ({"moods": "id:day"}, "day needs a date or timestamp, and 'id' of public.moods is integer"),
    ({"docs": "doc"}, "cannot be laid into folders by 'doc', which is jsonb; its values must be a boolean, number"),
    ({"docs": "data"}, "which is bytea"),
    ({"docs": "list"}, r"which is text\[\]"),
    ({"docs": "real"}, "which is double precision"),
    ({"lone": "id"}, "'id' is the only column of public.lone: keep it in the files"),
    ({"lone": "id:day", "public.lone": "id"}, "day needs a date"),
    ({"moods": "id", "public.moods": "id"}, "public.moods is named twice"),
    ({"twice": "a"}, "twice has 2 columns called 'a': rename one with AS"),
]


@pytest.mark.parametrize(("by", "message"), BAD, ids=[next(iter(by.items()))[1] for by, _ in BAD])
def test_what_cannot_be(tables: str, tmp_path: Path, by: dict[str, str], message: str) -> None:
    with psycopg.connect(tables, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE IF NOT EXISTS docs (id int, doc jsonb, data bytea, list text[], real float8);"
            "CREATE TABLE IF NOT EXISTS lone (id int)"
        )
    queries = {"twice": "SELECT 1 AS a, 2 AS a"} if "twice" in by else None
    with pytest.raises(SpecError, match=message) as told:
        dump(tables, tmp_path, tables="*", format="csv", queries=queries, partition_by=by)
    assert told.value.field == "partition_by"
    assert files(tmp_path) == []


@pytest.mark.parametrize("keep", [False, True])
def test_columns_that_differ_only_in_capital_letters(dsn: str, tmp_path: Path, keep: bool) -> None:
    """Readers would give the value of the folder for both."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE dup AS SELECT 1 AS id, 'x'::text AS \"Day\", date '2026-11-25' AS \"day\"")
    message = r"partition_by: 'day' and 'Day' of public.dup differ only in capital letters.*use --query"
    with pytest.raises(SpecError, match=message):
        dump(dsn, tmp_path, partition_by={"dup": "day"}, keep_partition_column=keep)
    query = {"named": 'SELECT id, "Day", "day" AS at FROM dup'}
    dump(dsn, tmp_path, queries=query, partition_by={"named": "at"}, keep_partition_column=keep)
    assert by_duckdb(tmp_path / "named", 'id, "Day", "at"::text') == [(1, "x", "2026-11-25")]


def test_a_column_whose_name_is_too_long_for_a_folder(dsn: str, tmp_path: Path) -> None:
    """Each character takes three in the name of a folder."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f'CREATE TABLE t (id int, day text, "{"%" * 63}" date)'.encode())
        conn.execute("INSERT INTO t VALUES (1, 'x', '2026-11-25'), (2, 'y', '2026-11-26'), (3, 'z', NULL)")
    by = {"t": "%" * 63 + ":day"}
    result = dump(dsn, tmp_path, tables="t", partition_by=by)
    names = sorted(Path(name).parts[1].split("=") for name in files(tmp_path))
    assert [value for _, value in names] == ["2026-11-25", "2026-11-26", "__HIVE_DEFAULT_PARTITION__"]
    assert len({key for key, _ in names}) == 1
    assert verify(tmp_path, dsn).ok
    assert result.losses == {}
    dump(dsn, tmp_path, tables="t", partition_by=by, overwrite=True)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
@pytest.mark.parametrize("transform", PICTURES)
def test_the_last_and_first_times_that_there_are(dsn: str, tmp_path: Path, zone: str, transform: str) -> None:
    """In the zone of the export they may be beyond what a timestamp can be, and are printed all the same."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE ends (id int, at timestamptz); INSERT INTO ends VALUES"
            " (1, '294276-12-31 23:00:00Z'), (2, '4714-11-24 00:00:00Z BC'), (3, '1800-01-01 00:00Z'),"
            " (4, '0001-01-01 00:00Z'), (5, '10000-01-01 00:00Z'), (6, 'infinity'), (7, '2026-11-25 23:59:59.999999Z')"
        )
    how: dict[str, Any] = {"format": "csv", "options": {"timeZone": zone}, "partition_by": {"ends": f"at:{transform}"}}
    manifest = dump(dsn, tmp_path, **how).manifest
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(f"SET TimeZone = '{zone}'")
        printed = [text for (text,) in conn.execute("SELECT at::text FROM ends").fetchall()]
    length = {"year": 1, "month": 2, "day": 3, "hour": 4}[transform]
    expected = set()
    for text in printed:
        pieces = re.match(r"(\d+)-(\d+)-(\d+) (\d+)", text)
        cut = text if pieces is None else "-".join(pieces.groups()[: min(length, 3)])
        hour = f"T{pieces[4]}" if pieces is not None and transform == "hour" else ""
        expected.add(cut + hour + (" BC" if text.endswith(" BC") else ""))
    [relation] = manifest.relations
    assert {(part.partition or {})[transform] for part in relation.parts} == expected


def test_a_request_that_is_wrong_by_itself(tables: str, tmp_path: Path) -> None:
    wrong: Any = {"moods": 1}
    with pytest.raises(SpecError, match="keep_partition_column: is for relations with partition_by"):
        dump(tables, tmp_path, keep_partition_column=True)
    with pytest.raises(SpecError, match="partition_by: must be the names of relations with a column each"):
        dump(tables, tmp_path, partition_by=wrong)
    for wrong in (["moods:id"], "moods:id", [], "", 1):
        message = r'partition_by: must be a mapping, as \{"schema.table": "column:day"\} \(got '
        with pytest.raises(SpecError, match=message):
            dump(tables, tmp_path, partition_by=wrong)
        with pytest.raises(SpecError, match="queries: must be a mapping"):
            dump(tables, tmp_path, queries=wrong)
        with pytest.raises(SpecError, match="watermarks: must be a mapping"):
            dump(tables, tmp_path, watermarks=wrong)


def test_too_many_files(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = "the values of 'shop' make more than 11 files of public.events: choose a column with fewer values"
    monkeypatch.setattr(file_count, "DUMP_FILES", 11)
    with pytest.raises(SpecError, match=message):
        dump(tables, tmp_path, tables="events", partition_by=BY_SHOP)
    assert files(tmp_path) == []
    result = dump(tables, tmp_path, tables=["events", "moods"], partition_by=BY_SHOP, keep_going=True)
    assert [each.name for each in result.missing] == ["events"]
    assert files(tmp_path) == ["public.moods/part-00000.parquet"]
    assert not verify(tmp_path).ok


def test_files_are_counted_for_all_parts_together(
    module_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part alone has fewer than the limit; it is met when the first file too many is begun, and not at the end."""
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(
            "CREATE TABLE counted AS SELECT g AS id, (hashint4(g) & 2147483647) % 40 AS key,"
            " repeat(md5(g::text), 30) AS pad FROM generate_series(1, 70000) g"
        )
    begun: list[str] = []
    original = FolderStore.file

    def file(store: FolderStore, path: str) -> FolderFile:
        begun.append(path)
        return original(store, path)

    monkeypatch.setattr(FolderStore, "file", file)
    monkeypatch.setattr(file_count, "DUMP_FILES", 60)
    with pytest.raises(SpecError, match=r"make more than 60 files of public\.counted"):
        dump(module_dsn, tmp_path, tables="counted", format="csv", workers=2, partition_by={"counted": "key"})
    assert len([path for path in begun if "counted" in path]) <= 60
    assert files(tmp_path) == []


def test_a_manifest_that_would_be_too_large(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_count, "MANIFEST_BYTES", 3_000)
    with pytest.raises(SpecError, match=r"the values of 'shop' make a manifest of more than 0 MiB of public\.events"):
        dump(tables, tmp_path, tables="events", partition_by=BY_SHOP)
    assert files(tmp_path) == []
    monkeypatch.undo()
    monkeypatch.setattr(relations, "MANIFEST_BYTES", 3_000)
    with pytest.raises(SpecError, match="the manifest would be larger"):
        dump(tables, tmp_path, tables="events", partition_by=BY_SHOP)
    assert files(tmp_path) == []


def test_on_the_command_line(cli: Cli, tables: str, tmp_path: Path) -> None:
    line = ("dump", "-t", "events", "-t", "odd", "-o", str(tmp_path), "-f", "csv")
    by = ("--partition-by", "public.events:created_at:month", "--partition-by", "odd:kind")
    said = succeeded(cli(*line, *by, "--dry-run", dsn=tables)).decode()
    assert "public.events: a folder month=… for each value, by created_at, read in 2 parts" in said
    assert "at least 3 files and manifest.json" in said
    assert files(tmp_path) == []
    done = cli(*line, *by, dsn=tables)
    assert done.returncode == 0
    lost = len([kind for kind in ODD if kind in NAMELESS[1:]]) * 4 + 4
    assert f"kind {lost}" in done.stderr.decode().replace("'", "").replace(": ", " ")
    assert (tmp_path / "public.events" / "month=2026-11" / "part-00001.csv").is_file()
    told = complaint(cli(*line, "--partition-by", "events:nope", "--overwrite", dsn=tables), 2)
    assert "--partition-by: there is no column 'nope'" in told
    assert "must be TABLE:COLUMN" in complaint(cli(*line, "--partition-by", "events", dsn=tables), 2)
    again = ("--partition-by", "events:id") * 2
    assert "names events twice" in complaint(cli(*line, *again, "--overwrite", dsn=tables), 2)


@pytest.mark.parametrize("make", [lambda: {"rate_limit": 40e6}, lambda: {"workers": 3, "part_size": 8 << 20}])
def test_with_other_options(tables: str, tmp_path: Path, make: Callable[[], dict[str, Any]]) -> None:
    manifest = tmp_path / "sets" / "a.json"
    result = dump(
        tables, tmp_path / "sets" / "files", manifest=manifest, tables="events", partition_by=BY_SHOP, **make()
    )
    assert result.rows == 80000
    assert verify(manifest, tables).ok
