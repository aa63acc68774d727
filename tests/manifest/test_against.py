"""A set is compared with its database: what was exported wrongly, what changed since, and what cannot be told."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import ConnectionFailed, FaultKind, SpecError, dump, export_to_file, verify
from polyglot_export.manifest.document import MANIFEST, Manifest
from tests.cli.helpers import complaint, succeeded
from tests.fixtures.process import Cli
from tests.fixtures.server import Database
from tests.library.helpers import as_role, new_role

TABLES = """
CREATE TABLE t AS SELECT g AS id, repeat('x', 900) AS pad FROM generate_series(1, 20000) g;
CREATE TABLE small AS SELECT g AS id FROM generate_series(1, 10) g;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (200);
INSERT INTO parted SELECT generate_series(0, 199);
CREATE VIEW seen AS SELECT * FROM small WHERE id < 4;
"""


@pytest.fixture
def folder(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> Path:
    """A dump with fingerprints, in parts."""
    conn.execute(TABLES.encode())
    dump(dsn, tmp_path / "set", format="csv", views=True, fingerprints=True, part_size=8 << 20)
    return tmp_path / "set"


def told(dsn: str, folder: Path) -> tuple[list[str], list[str]]:
    report = verify(folder, dsn)
    assert all(fault.kind is FaultKind.DATABASE for fault in report.faults)
    return [f"{each.subject}: {each.reason}" for each in report.faults], [
        f"{each.subject}: {each.reason}" for each in report.unchecked
    ]


def rewrite(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest, with a digest that fits."""
    given = json.loads((folder / MANIFEST).read_bytes())
    change(given)
    manifest = Manifest.from_json(json.dumps(given).encode(), check_digest=False)
    (folder / MANIFEST).write_bytes(manifest.to_json())


def test_an_untouched_database_holds(dsn: str, folder: Path) -> None:
    assert told(dsn, folder) == ([], [])
    report = verify(folder, dsn)
    assert report.ok


def test_what_a_fingerprint_is(folder: Path) -> None:
    relations = {each.name: each for each in Manifest.from_json((folder / MANIFEST).read_bytes()).relations}
    prints = relations["t"].fingerprints or ()
    assert [each.segment for each in prints] == list(range(len(prints)))
    assert len(prints) >= 3
    assert sum(each.count for each in prints) == 20000
    assert prints[-1].end_page is None
    assert [each.relation for each in relations["parted"].fingerprints or ()] == [
        '"public"."parted_1"',
        '"public"."parted_2"',
    ]
    assert relations["seen"].fingerprints is None


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE t SET id = id WHERE id = 1", "public.t: 2 of 3 segments changed since"),
        ("DELETE FROM t WHERE id = 20000", "public.t: 1 of 3 segments changed since"),
        ("DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (20001, 'new')", "public.t: 2 of 3 segments changed since"),
        ("TRUNCATE t", "public.t: 3 of 3 segments changed since"),
        ("UPDATE parted SET id = id WHERE id = 150", "public.parted: 1 of 2 segments changed since"),
        ("ALTER TABLE parted DETACH PARTITION parted_2", None),
    ],
)
def test_what_changed_since_is_told_apart(
    dsn: str, conn: psycopg.Connection, folder: Path, statement: str, expected: str | None
) -> None:
    conn.execute(statement.encode())
    faults, unchecked = told(dsn, folder)
    if expected is None:
        assert faults == ["public.parted: it is unchanged since, and has 100 rows, and its files have 200"]
        return
    assert faults == []
    assert unchecked == [expected]


def test_vacuum_and_freezing_change_nothing(dsn: str, conn: psycopg.Connection, folder: Path) -> None:
    conn.execute("VACUUM (FREEZE, ANALYZE)")
    assert told(dsn, folder) == ([], [])


def test_rows_that_were_moved_are_said_to_have_changed(dsn: str, conn: psycopg.Connection, folder: Path) -> None:
    conn.execute("DELETE FROM t WHERE id < 5000")
    conn.execute("VACUUM FULL t")
    faults, unchecked = told(dsn, folder)
    assert faults == []
    assert unchecked == ["public.t: 3 of 3 segments changed since"]


def test_files_that_lack_rows_of_an_unchanged_table(dsn: str, folder: Path) -> None:
    """A short export whose manifest agrees with it."""

    def shorten(given: dict[str, Any]) -> None:
        relation = next(each for each in given["relations"] if each["name"] == "t")
        part = relation["parts"][-1]
        path = folder / part["path"]
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-1]))
        part["bytes"], part["rows"] = path.stat().st_size, part["rows"] - 1
        part["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        relation["rows"] -= 1

    rewrite(folder, shorten)
    assert verify(folder).ok
    faults, unchecked = told(dsn, folder)
    assert faults == ["public.t: it is unchanged since, and has 20,000 rows, and its files have 19,999"]
    assert unchecked == []


def test_an_unchanged_part_beside_a_changed_one(dsn: str, conn: psycopg.Connection, folder: Path) -> None:
    def shorten(given: dict[str, Any]) -> None:
        relation = next(each for each in given["relations"] if each["name"] == "t")
        relation["parts"][0]["rows"] -= 1
        relation["rows"] -= 1

    rewrite(folder, shorten)
    conn.execute("DELETE FROM t WHERE id = 20000")
    report = verify(folder, dsn)
    assert [each.kind for each in report.faults] == [FaultKind.COUNT, FaultKind.DATABASE]
    assert "its segments are unchanged since" in report.faults[1].reason


def test_in_the_snapshot_of_the_export(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    """While somebody holds it, later changes do not matter."""
    conn.execute(TABLES.encode())
    with psycopg.connect(dsn) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        (snapshot,) = holder.execute("SELECT pg_export_snapshot()").fetchone() or ("",)
        dump(dsn, tmp_path, format="csv", tables="small")
        manifest = Manifest.from_json((tmp_path / MANIFEST).read_bytes())
        held = replace(manifest, source=replace(manifest.source, snapshot=snapshot))
        (tmp_path / MANIFEST).write_bytes(held.to_json())
        conn.execute("DELETE FROM small WHERE id < 3")
        assert told(dsn, tmp_path) == ([], [])
    faults, unchecked = told(dsn, tmp_path)
    assert faults == []
    counted = "public.small: it has 8 rows now and its files have 10"
    assert unchecked == [f"{counted}; without fingerprints it cannot be told whether it changed since"]


def test_filter_and_limit_count(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(TABLES.encode())
    conn.execute(
        "CREATE TABLE exact AS SELECT g * 0.000000000000000000001::numeric AS id FROM generate_series(1, 10) g"
    )
    cases = (
        ("small", {"where": "id > 7"}),
        ("small", {"limit": 4}),
        ("small", {"where": "id > 7", "limit": 2}),
        # As a double this would be another number.
        ("exact", {"where": "id > 0.000000000000000000007"}),
        ("exact", {"where": "id = 0.000000000000000000003"}),
    )
    for number, (name, what) in enumerate(cases):
        file = tmp_path / f"{number}.csv"
        export_to_file(dsn, name, file, manifest=f"{file}.json", fingerprints=True, **what)  # type: ignore[arg-type]
        assert verify(f"{file}.json", dsn).ok


def test_what_cannot_be_told(dsn: str, conn: psycopg.Connection, folder: Path) -> None:
    conn.execute("DROP TABLE parted; ALTER TABLE small RENAME TO other; DROP VIEW seen")
    _, unchecked = told(dsn, folder)
    assert [line.partition(":")[0] for line in unchecked] == ["public.parted", "public.seen", "public.small"]
    assert all("it cannot be read: " in line for line in unchecked)


def test_a_query_and_a_login_that_may_not_read(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute(TABLES.encode())
    dump(dsn, tmp_path, format="csv", tables="small", queries={"q": "SELECT 1 AS a"})
    with new_role(conn, "reader") as role:
        faults, unchecked = told(as_role(dsn, role), tmp_path)
    assert faults == []
    assert [line.partition(":")[0] for line in unchecked] == ["public.small", "q"]
    assert "permission denied" in unchecked[0]
    assert "a manifest does not keep the text of a query" in unchecked[1]


def test_another_database(server: Database, folder: Path) -> None:
    with server.database() as other:
        faults, unchecked = told(other, folder)
    assert faults == []
    assert len(unchecked) == 1
    assert unchecked[0].startswith("the database: it is 'polyglot_")
    with pytest.raises(ConnectionFailed):
        verify(folder, "postgresql://127.0.0.1:1/x")


def test_names_in_a_manifest_are_not_sql(dsn: str, conn: psycopg.Connection, folder: Path) -> None:
    def attack(given: dict[str, Any]) -> None:
        for relation in given["relations"]:
            for each in relation.get("fingerprints") or ():
                each["relation"] = "public.small; DROP TABLE small"

    rewrite(folder, attack)
    faults, _ = told(dsn, folder)
    assert faults == []
    assert conn.execute("SELECT count(*) FROM small").fetchone() == (10,)


def test_on_the_command_line(cli: Cli, dsn: str, conn: psycopg.Connection, folder: Path, tmp_path: Path) -> None:
    assert succeeded(cli("verify", str(folder), "--against", dsn)) == b""
    conn.execute("DELETE FROM small WHERE id = 1")
    done = cli("verify", str(folder), "--against", dsn)
    assert done.returncode == 1
    lines = done.stdout.decode().splitlines()
    assert [line.partition(":")[0] for line in lines] == ["unchecked public.seen", "unchecked public.small"]
    assert lines[1] == "unchecked public.small: 1 of 1 segments changed since"
    told = complaint(cli("export", "small", "-o", str(tmp_path / "x.csv"), "--fingerprints", dsn=dsn), 2)
    assert told == "--fingerprints: stand in a manifest: give --manifest FILE too"
    with pytest.raises(SpecError, match="stand in a manifest"):
        export_to_file(dsn, "small", tmp_path / "x.csv", fingerprints=True)
