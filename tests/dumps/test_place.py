"""What was in the place before a dump, and what is there after one that failed."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from polyglot_export import PolyglotError, SpecError, TargetFailed, dump, verify
from polyglot_export.destinations.folder import FolderStore
from polyglot_export.dumps import claim as claims
from polyglot_export.dumps import relations
from polyglot_export.dumps.claim import Claim
from polyglot_export.manifest.document import MANIFEST
from polyglot_export.manifest.location import claim_path
from tests.cli.helpers import complaint, succeeded, wait_until
from tests.dumps.helpers import files, manifest_of, same
from tests.fixtures.process import Cli


@pytest.fixture(scope="module")
def tables(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE a AS SELECT g AS id FROM generate_series(1, 10) g; CREATE TABLE b AS TABLE a")
    return module_dsn


def claim(process: int, *, host: str | None = None, renewed: float | None = None) -> bytes:
    return json.dumps(
        {
            "host": host or socket.gethostname(),
            "namespace": str(Path("/proc/self/ns/pid").readlink()),
            "process": process,
            "started": "2026-11-25 10:00:00 UTC",
            "renewed": renewed or time.time(),
        }
    ).encode()


def test_a_dump_is_not_written_over(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, format="csv")
    before = (tmp_path / MANIFEST).read_bytes(), files(tmp_path)
    with pytest.raises(SpecError, match="holds a dump already; --overwrite"):
        dump(tables, tmp_path, format="csv")
    assert ((tmp_path / MANIFEST).read_bytes(), files(tmp_path)) == before


def test_overwrite_replaces_all_of_it(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, format="csv")
    dump(tables, tmp_path, format="csv", tables="a", overwrite=True)
    assert files(tmp_path) == ["public.a/part-00000-1.csv"]
    assert verify(tmp_path).ok
    dump(tables, tmp_path, format="ndjson", overwrite=True)
    assert files(tmp_path) == ["public.a/part-00000-2.ndjson", "public.b/part-00000-2.ndjson"]
    assert verify(tmp_path).ok


def test_overwrite_that_fails_leaves_what_was_there(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, format="csv")
    before = (tmp_path / MANIFEST).read_bytes(), files(tmp_path)
    with pytest.raises(PolyglotError, match="division by zero"):
        dump(tables, tmp_path, format="csv", queries={"bad": "SELECT 1 / (id - 5) AS x FROM a"}, overwrite=True)
    assert ((tmp_path / MANIFEST).read_bytes(), files(tmp_path)) == before
    assert verify(tmp_path).ok


def test_half_a_dump_is_refused_or_replaced(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, format="csv")
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(SpecError, match="2 files of a dump that was never complete"):
        dump(tables, tmp_path, format="csv")
    dump(tables, tmp_path, format="csv", overwrite=True)
    assert files(tmp_path) == ["public.a/part-00000-1.csv", "public.b/part-00000-1.csv"]
    assert verify(tmp_path).ok


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_files_are_never_touched(tables: str, tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SpecError, match=r"holds files that are no dump's: notes.txt"):
        dump(tables, tmp_path, overwrite=overwrite)
    assert files(tmp_path) == ["notes.txt"]


def test_a_place_that_cannot_be(tables: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PolyglotError, match="Not a directory"):
        dump(tables, tmp_path / "file" / "out")
    with pytest.raises(SpecError, match="no place for a set of files"):
        dump(tables, "-")
    with pytest.raises(SpecError, match="nothing is known of ftp://"):
        dump(tables, "ftp://x/y")


@pytest.mark.parametrize("linked", ["public.other", "outside"])
def test_a_folder_behind_a_link_is_seen(dsn: str, conn: psycopg.Connection, tmp_path: Path, linked: str) -> None:
    """Files are written and removed through it, so what is there counts."""
    conn.execute("CREATE TABLE other AS SELECT g AS id FROM generate_series(1, 10) g")
    first, second = tmp_path / "first", tmp_path / "second"
    dump(dsn, first, tables="other", format="csv")
    if linked == "outside":
        (first / "public.other").rename(tmp_path / "outside")
        (first / "public.other").symlink_to(tmp_path / "outside")
    second.mkdir()
    (second / "public.other").symlink_to(first / "public.other")
    conn.execute("INSERT INTO other VALUES (11)")
    with pytest.raises(SpecError, match="never complete"):
        dump(dsn, second, tables="other", format="csv")
    # A replacement that fails leaves what was there.
    queries = {"failing": "SELECT 1 / (g - 3) AS x FROM generate_series(1, 5) g"}
    with pytest.raises(PolyglotError, match="division by zero"):
        dump(dsn, first, tables="other", queries=queries, format="csv", overwrite=True)
    assert verify(first).ok


def test_a_link_that_leads_back_up_ends(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE TABLE looped AS SELECT 1 AS id")
    dump(dsn, tmp_path, tables="looped", format="csv")
    (tmp_path / "public.looped" / "up").symlink_to(tmp_path)
    assert verify(tmp_path).ok


def test_two_at_once_one_wins(tables: str, tmp_path: Path) -> None:
    (tmp_path / ".manifest.json.0.claim").write_bytes(claim(1))
    with pytest.raises(SpecError, match=r"another dump is being written .* since 2026-11-25 .*process 1 on"):
        dump(tables, tmp_path)
    assert files(tmp_path) == [".manifest.json.0.claim"]


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(lambda: claim(2**22 + 1), id="its process is gone"),
        pytest.param(lambda: claim(1, host="elsewhere", renewed=time.time() - 700), id="nobody renewed it"),
        pytest.param(lambda: b"{", id="broken"),
        pytest.param(lambda: b"[]", id="no claim"),
    ],
)
def test_a_claim_of_a_killed_process_is_taken_over(tables: str, tmp_path: Path, left: object) -> None:
    assert callable(left)
    (tmp_path / ".manifest.json.3.claim").write_bytes(left())
    dump(tables, tmp_path, format="csv")
    assert files(tmp_path) == ["public.a/part-00000.csv", "public.b/part-00000.csv"]


def test_a_claim_of_another_machine_holds(tables: str, tmp_path: Path) -> None:
    (tmp_path / ".manifest.json.3.claim").write_bytes(claim(2**22 + 1, host="elsewhere"))
    with pytest.raises(SpecError, match="process 4194305 on elsewhere"):
        dump(tables, tmp_path)


def test_a_claim_that_was_lost_is_noticed(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a process that was stopped for so long that another one took its place."""
    held = Claim.see_held

    def lost(self: Claim) -> None:
        (tmp_path / ".manifest.json.0.claim").unlink()
        held(self)

    monkeypatch.setattr(Claim, "see_held", lost)
    with pytest.raises(PolyglotError, match="another dump has taken"):
        dump(tables, tmp_path, format="csv")
    assert files(tmp_path) == []


def test_files_of_another_layout_are_no_dumps(tables: str, tmp_path: Path) -> None:
    """Half a dump in a folder below is not of this place, and neither is a file of another tool."""
    dump(tables, tmp_path / "2026", format="csv")
    (tmp_path / "2026" / MANIFEST).unlink()
    with pytest.raises(SpecError, match=r"no dump's: 2026/public.a/part-00000.csv, 2026/"):
        dump(tables, tmp_path, format="csv", overwrite=True)
    (tmp_path / "spark" / "day=1").mkdir(parents=True)
    (tmp_path / "spark" / "day=1" / "part-00000.parquet").touch()
    with pytest.raises(SpecError, match=r"no dump's: day=1/part-00000.parquet"):
        dump(tables, tmp_path / "spark", overwrite=True)
    placed = f"{tmp_path}/placed/{{schema}}/t={{table}}"
    dump(tables, placed, format="csv")
    dump(tables, placed, format="csv", overwrite=True)
    assert files(tmp_path / "placed") == ["public/t=a/part-00000-1.csv", "public/t=b/part-00000-1.csv"]


OTHERS = [
    "other/day=2026-01-01/part-00000.gz",
    "other/day=2026-01-01/part-00000.csv",
    "public.other/part-00000.csv",
    "public.a/part-00000.gz",
    "public.a/day=1/part-00000.tar.gz",
    "public.a/part-00000.parquet.gz",
]
"""Called as files of a dump are, or nearly so."""


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("complete", [False, True])
def test_a_file_that_only_looks_like_a_part_is_never_removed(
    cli: Cli, tables: str, tmp_path: Path, other: str, complete: bool
) -> None:
    if complete:
        dump(tables, tmp_path, tables="a", format="csv")
    (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / other).write_text("mine")
    before = files(tmp_path)
    with pytest.raises(SpecError, match=f"holds files that are no dump's: {other}"):
        dump(tables, tmp_path, tables="a", format="csv", overwrite=True)
    told = complaint(cli("dump", "-o", str(tmp_path), "-t", "a", "--overwrite", "--dry-run", dsn=tables), 2)
    assert f"holds files that are no dump's: {other}" in told
    assert files(tmp_path) == before
    assert (tmp_path / other).read_text() == "mine"


@pytest.mark.parametrize("left", ["public.a/part-00001-1.csv.zst", "public.b/day=1/part-00000-1.parquet"])
def test_what_a_killed_one_left_beside_a_set_is_replaced(tables: str, tmp_path: Path, left: str) -> None:
    """It is in a folder of a relation of the set, or of the new one."""
    dump(tables, tmp_path, format="csv")
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).write_text("half")
    dump(tables, tmp_path, tables="a", format="csv", overwrite=True)
    assert files(tmp_path) == ["public.a/part-00000-2.csv"]


def test_a_manifest_that_is_none_is_never_replaced(tables: str, tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_text('{"name": "mine"}')
    with pytest.raises(SpecError, match="there is such a file already, which is no manifest"):
        dump(tables, tmp_path, format="csv", overwrite=True)
    assert (tmp_path / MANIFEST).read_text() == '{"name": "mine"}'


def test_a_dry_run_says_what_is_there(cli: Cli, tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, format="csv")
    told = complaint(cli("dump", "-o", str(tmp_path), "--dry-run", dsn=tables), 2)
    assert "holds a dump already" in told
    succeeded(cli("dump", "-o", str(tmp_path), "--dry-run", "--overwrite", dsn=tables))


def test_a_manifest_that_is_there_first_wins(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wrote it: the claim of this dump was lost while it slept, and nobody noticed."""

    def sleep(self: Claim) -> None:  # noqa: ARG001 - it stands for a method
        (tmp_path / MANIFEST).write_text("another dump's")

    monkeypatch.setattr(Claim, "see_held", sleep)
    with pytest.raises(TargetFailed, match="another dump has written its manifest"):
        dump(tables, tmp_path, format="csv")
    assert (tmp_path / MANIFEST).read_text() == "another dump's"
    assert files(tmp_path) == []


def test_a_claim_is_renewed_and_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "RENEW_SECONDS", 0.01)
    path = tmp_path / ".manifest.json.0.claim"
    with Claim(FolderStore(tmp_path), claim_path, ()) as held:
        first = json.loads(path.read_bytes())
        wait_until(lambda: json.loads(path.read_bytes())["renewed"] > first["renewed"])
        assert json.loads(path.read_bytes())["started"] == first["started"]
        path.unlink()
        # Longer than several renewals.
        time.sleep(0.2)
        assert not path.exists()
        with pytest.raises(TargetFailed, match="has taken"):
            held.see_held()


def test_a_manifest_that_would_be_too_large(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known before the rows are read, and not when the manifest is written."""
    monkeypatch.setattr(relations, "MANIFEST_BYTES", 1000)
    with pytest.raises(SpecError, match="dump fewer tables at a time, or larger parts"):
        dump(tables, tmp_path, format="csv")
    assert files(tmp_path) == []


def test_a_failure_right_after_the_manifest(tables: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of a store may be lost, and a signal may come at any time: a manifest never loses its files."""
    for name in ("create", "replace"):
        real = getattr(FolderStore, name)

        def lost(self: FolderStore, path: str, content: bytes, real: Callable[..., object] = real) -> object:
            done = real(self, path, content)
            if path == MANIFEST:
                raise TargetFailed("the answer was lost")
            return done

        monkeypatch.setattr(FolderStore, name, lost)
    for overwrite in (False, True):
        with pytest.raises(TargetFailed, match="the answer was lost"):
            dump(tables, tmp_path, format="csv", overwrite=overwrite)
        assert verify(tmp_path).faults == () or overwrite
    assert [fault.kind for fault in verify(tmp_path).faults] == ["extra", "extra"], "those of the first one"


def test_a_claim_is_no_extra_file(tables: str, tmp_path: Path) -> None:
    """While a dump is being replaced, the one that is there still holds."""
    dump(tables, tmp_path, format="csv")
    (tmp_path / ".manifest.json.0.claim").write_bytes(claim(1))
    assert verify(tmp_path).ok


def test_the_rows_are_right_after_all_that(tables: str, tmp_path: Path) -> None:
    dump(tables, tmp_path, format="csv")
    with psycopg.connect(tables, autocommit=True) as conn:
        same(conn, tmp_path)
    assert manifest_of(tmp_path).complete
