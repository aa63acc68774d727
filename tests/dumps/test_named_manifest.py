"""A manifest with a name of its own: sets side by side in folders that start with the tables' names."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from polyglot_export import SpecError, dump, verify
from tests.cli.helpers import complaint, succeeded
from tests.dumps.helpers import files
from tests.dumps.test_place import claim
from tests.fixtures.object_stores import S3Cloud
from tests.fixtures.process import Cli
from tests.library.helpers import copied


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE a AS SELECT g AS id FROM generate_series(1, 10) g; CREATE TABLE b AS TABLE a")
    return module_dsn


def test_days_lie_side_by_side(cli: Cli, tables: str, tmp_path: Path) -> None:
    for day in ("day=1", "day=2"):
        destination, manifest = f"{tmp_path}/{{table}}/{day}", f"{tmp_path}/{day}.json"
        done = cli("dump", "-o", destination, "--manifest", manifest, "-f", "csv", dsn=tables)
        succeeded(done)
        assert done.stderr.decode().endswith(f" to {manifest}\n")
    expected = [f"{table}/{day}/part-00000.csv" for table in "ab" for day in ("day=1", "day=2")]
    assert files(tmp_path) == [*expected, "day=1.json", "day=2.json"]
    with psycopg.connect(tables) as conn:
        assert (tmp_path / "b/day=2/part-00000.csv").read_bytes() == copied(conn, "SELECT * FROM b")
    assert succeeded(cli("verify", str(tmp_path / "day=2.json"))) == b""
    (tmp_path / "a/day=1/part-00000.csv").unlink()
    assert [fault.subject for fault in verify(tmp_path / "day=1.json").faults] == ["a/day=1/part-00000.csv"]
    assert verify(tmp_path / "day=2.json").ok


def test_above_the_folder_of_the_files(tables: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    result = dump(tables, tmp_path / "set" / "files", manifest=tmp_path / "set.json", format="csv")
    assert result.destination == str(tmp_path / "set.json")
    parts = ["set/files/public.a/part-00000.csv", "set/files/public.b/part-00000.csv"]
    assert files(tmp_path) == ["notes.txt", "set.json", *parts]
    assert verify(result.destination).ok
    with pytest.raises(SpecError, match="holds a dump already"):
        dump(tables, tmp_path / "set" / "files", manifest=tmp_path / "set.json", format="csv")
    again = dump(
        tables, tmp_path / "set" / "files", manifest=tmp_path / "set.json", format="csv", tables="a", overwrite=True
    )
    assert files(tmp_path) == ["notes.txt", "set.json", "set/files/public.a/part-00000-1.csv"]
    assert verify(again.destination).ok


def test_half_a_dump_is_seen(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path / "files", manifest=tmp_path / "set.json", format="csv")
    (tmp_path / "set.json").unlink()
    for overwrite in (False, True):
        with pytest.raises(SpecError, match=r"files that no set.json names: files/public.a/part-00000.csv, files/"):
            dump(tables, tmp_path / "files", manifest=tmp_path / "set.json", format="csv", overwrite=overwrite)


def test_another_set_in_the_same_folders_is_never_touched(tables: str, tmp_path: Path) -> None:
    """Its files are called as those of this one are, and only a manifest tells whose they are."""
    dump(tables, f"{tmp_path}/{{table}}", manifest=tmp_path / "one.json", format="csv")
    for manifest in ("two.json", "one.json"):
        with pytest.raises(SpecError, match=r"files that no .*json names: .*part-0000"):
            dump(tables, f"{tmp_path}/{{table}}", manifest=tmp_path / manifest, format="ndjson", overwrite=True)
        (tmp_path / "b" / "part-00007.csv").write_text("id\n")
    (tmp_path / "b" / "part-00007.csv").unlink()
    assert verify(tmp_path / "one.json").ok


def test_a_failure_leaves_nothing(tables: str, tmp_path: Path) -> None:
    bad = {"bad": "SELECT 1 / (id - 5) AS x FROM a"}
    with pytest.raises(Exception, match="division by zero"):
        dump(tables, tmp_path / "files", manifest=tmp_path / "set.json", queries=bad, tables="a")
    assert files(tmp_path) == []


def test_who_writes_the_same_files_waits_whatever_the_manifest(tables: str, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / ".manifest.json.0.claim").write_bytes(claim(1))
    for manifest in (None, tmp_path / "one.json", tmp_path / "files" / "two.json"):
        with pytest.raises(SpecError, match="another dump is being written"):
            dump(tables, tmp_path / "files", manifest=manifest)


def test_a_manifest_of_the_usual_name_is_alone_in_its_folder(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path / "set" / "files", manifest=tmp_path / "set" / "manifest.json", format="csv")
    assert verify(tmp_path / "set").ok
    (tmp_path / "set" / "files" / ".manifest.json.0.claim").write_bytes(claim(1))
    assert verify(tmp_path / "set").ok, "it is being replaced"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(SpecError, match=r"no dump's: notes.txt"):
        dump(tables, tmp_path / "other" / "files", manifest=tmp_path / "other" / "manifest.json")


def test_a_file_that_is_no_manifest_is_never_replaced(tables: str, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "mine"}')
    with pytest.raises(SpecError, match="there is such a file already, which is no manifest"):
        dump(tables, tmp_path / "files", manifest=tmp_path / "package.json", overwrite=True)
    assert (tmp_path / "package.json").read_text() == '{"name": "mine"}'
    assert files(tmp_path) == ["package.json"]


@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ("out/sub/x.json", "must be in the folder of the files, out, or above it"),
        ("other/x.json", "must be in the folder of the files, out, or above it"),
        ("s3://lake/x.json", "must be in the folder of the files, out, or above it"),
        ("out/manifest", "must be the name of a file that ends in .json, without placeholders"),
        ("out/{table}.json", "must be the name of a file that ends in .json, without placeholders"),
    ],
)
def test_a_manifest_that_cannot_name_the_files(
    cli: Cli, tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert re.search(re.escape(says), complaint(cli("dump", "-o", "out", "--manifest", manifest, dsn=tables), 2))
    assert files(tmp_path) == []


def test_in_a_bucket(cli: Cli, tables: str, s3: S3Cloud) -> None:
    destination, manifest = s3.url("lake/{schema}/{table}/day=1/"), s3.url("lake/day=1.json")
    succeeded(cli("dump", "-o", destination, "--manifest", manifest, "-f", "csv", dsn=tables, env=s3.env))
    expected = ["lake/day=1.json", *(f"lake/public/{table}/day=1/part-00000.csv" for table in "ab")]
    assert s3.keys() == expected
    succeeded(cli("verify", manifest, env=s3.env))
    told = complaint(cli("dump", "-o", destination, "--manifest", s3.url("x.json"), dsn=tables, env=s3.env), 2)
    assert "holds files that no x.json names: lake/public/a/day=1/part-00000.csv, " in told
