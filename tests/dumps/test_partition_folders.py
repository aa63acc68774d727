"""A folder for each partition: which files there are, and that each holds the rows of its partition."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from polyglot_export import SpecError, dump, verify
from polyglot_export.dumps import relations
from tests.cli.helpers import succeeded
from tests.dumps.helpers import files, manifest_of, same
from tests.fixtures.process import Cli
from tests.library.helpers import copied

TABLES = """
CREATE SCHEMA cold;
CREATE TABLE events (id int, at date, note text) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE "Events, 2/ü" PARTITION OF events FOR VALUES FROM ('2026-02-01') TO ('2026-03-01') PARTITION BY LIST (id);
CREATE TABLE cold.odd PARTITION OF "Events, 2/ü" FOR VALUES IN (1, 3, 5);
CREATE TABLE cold."odd." PARTITION OF "Events, 2/ü" DEFAULT;
CREATE TABLE events_none PARTITION OF events FOR VALUES FROM ('2026-03-01') TO ('2026-04-01');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
INSERT INTO events SELECT g % 7, date '2026-01-01' + g % 59, repeat('x', 900) FROM generate_series(1, 40000) g;
INSERT INTO events VALUES (1, NULL, 'no date'), (2, '2030-01-01', 'late');
CREATE TABLE plain AS SELECT g AS id FROM generate_series(1, 10) g;
VACUUM ANALYZE;
"""
LEAVES = {
    "public.events_1": "public.events_1",
    "cold.odd": "cold.odd",
    'cold."odd."': "cold.odd%2E",
    "public.events_none": "public.events_none",
    "public.events_rest": "public.events_rest",
}


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        for statement in TABLES.split(";\n"):
            conn.execute(statement.encode())
    return module_dsn


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)}


def leaf_rows(conn: psycopg.Connection, folder: Path, leaf: str, below: str) -> None:
    """See that the files of a leaf's folder are the leaf."""
    parts = sorted((folder / "public.events" / below).glob("part-*.csv"))
    content = [part.read_bytes() for part in parts]
    header = content[0][: content[0].index(b"\n") + 1]
    columns = sql.SQL(header.decode().strip())
    expected = copied(conn, sql.SQL("SELECT {} FROM {}").format(columns, sql.SQL(leaf)).as_string(conn))
    assert header + b"".join(part.removeprefix(header) for part in content) == expected


def test_each_partition_has_its_rows(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, format="csv", partition_folders=True)
    folders = {Path(name).parent.as_posix() for name in files(tmp_path)}
    assert folders == {"public.plain", *(f"public.events/{below}" for below in LEAVES.values())}
    with psycopg.connect(tables, autocommit=True) as conn:
        for leaf, below in LEAVES.items():
            leaf_rows(conn, tmp_path, leaf, below)
        same(conn, tmp_path)
    assert {each.name: each.folder for each in manifest_of(tmp_path).relations} == {
        "events": "public.events",
        "plain": "public.plain",
    }


def test_the_files_do_not_depend_on_the_workers(tables: str, tmp_path: Path) -> None:
    found = []
    for workers in (1, 2, 7):
        folder = tmp_path / str(workers)
        dump(tables, folder, format="csv", partition_folders=True, part_size=8 << 20, workers=workers)
        found.append(digests(folder))
        with psycopg.connect(tables, autocommit=True) as conn:
            for leaf, below in LEAVES.items():
                leaf_rows(conn, folder, leaf, below)
    assert found[0] == found[1] == found[2]
    assert len(found[0]) > len(LEAVES) + 1, "a partition of 17 MB has several files"


def test_they_are_replaced_as_others_are(tables: str, tmp_path: Path) -> None:
    placed = f"{tmp_path}/placed/{{schema}}/t={{table}}"
    for destination in (str(tmp_path / "usual"), placed):
        dump(tables, destination, format="csv", partition_folders=True)
        again = dump(tables, destination, format="csv", partition_folders=True, tables="events", overwrite=True)
        root = Path(again.destination)
        assert {name.rpartition("-")[2] for name in files(root)} == {"1.csv"}
        assert len(files(root)) == len(LEAVES)
        assert verify(root).ok
        dump(tables, destination, format="csv", overwrite=True)
        assert len(files(root)) == 2
        assert verify(root).ok


def test_a_table_that_is_not_read_by_its_partitions_keeps_one_folder(tables: str, tmp_path: Path) -> None:
    with psycopg.connect(tables, autocommit=True) as conn:
        conn.execute("CREATE ROLE one_folder LOGIN PASSWORD 'x'; GRANT SELECT ON events TO one_folder")
    login = psycopg.conninfo.make_conninfo(tables, user="one_folder", password="x")
    dump(login, tmp_path, format="csv", tables="events", partition_folders=True)
    assert files(tmp_path) == ["public.events/part-00000.csv"]
    with psycopg.connect(tables, autocommit=True) as conn:
        same(conn, tmp_path)


def test_partitions_whose_full_names_read_the_same_have_a_folder_each(dsn: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            'CREATE SCHEMA "a.b"; CREATE SCHEMA a; CREATE TABLE t (id int) PARTITION BY LIST (id);'
            'CREATE TABLE "a.b".c PARTITION OF t FOR VALUES IN (1); CREATE TABLE a."b.c" PARTITION OF t FOR VALUES IN (2);'
            "INSERT INTO t VALUES (1), (2)"
        )
    dump(dsn, tmp_path, format="csv", tables="t", partition_folders=True)
    assert files(tmp_path) == ["public.t/a%2Eb.c/part-00000.csv", "public.t/a.b%2Ec/part-00001.csv"]
    assert (tmp_path / "public.t/a%2Eb.c/part-00000.csv").read_text() == "id\n1\n"


def test_on_the_command_line(cli: Cli, tables: str, tmp_path: Path) -> None:
    line = ("dump", "-t", "events", "-o", str(tmp_path), "--partition-folders")
    said = succeeded(cli(*line, "--dry-run", dsn=tables)).decode()
    assert "public.events  " in said
    assert f"{len(LEAVES)} files" in said
    assert files(tmp_path) == []
    succeeded(cli(*line, dsn=tables))
    assert len(files(tmp_path)) == len(LEAVES)


def test_too_many_files(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations, "DUMP_FILES", len(LEAVES) - 1)
    with pytest.raises(SpecError, match=r"would make more than 4 files of public\.events"):
        dump(tables, tmp_path, partition_folders=True)
    assert files(tmp_path) == []
