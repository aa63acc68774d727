"""A set of files is verified: what holds, and each way in which it does not."""

from __future__ import annotations

import gzip
import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import (
    Cancelled,
    CancelToken,
    Fault,
    FaultKind,
    ManifestError,
    SpecError,
    TargetFailed,
    Unchecked,
    VerifyProgress,
    VerifyReport,
    verify,
)
from polyglot_export.compressions import Compression
from polyglot_export.destinations.folder import FolderStore
from polyglot_export.formats.registry import Format
from polyglot_export.limits import VERIFY_READ_BYTES
from polyglot_export.manifest import verify as verifying
from polyglot_export.manifest.document import MANIFEST, MissingRelation
from tests.manifest.helpers import FULL
from tests.manifest.sets import edit, made, part, paths, rewrite

TABLES = """
CREATE TABLE orders AS SELECT g AS id, 'line
' || g || '"' AS note, ARRAY[g, NULL] AS numbers FROM generate_series(1, 3000) g;
CREATE TABLE empty (LIKE orders);
CREATE TABLE "odd/../name
😀""'" AS SELECT 1 AS "a/b";
"""
ODD = "odd/../name\n😀\"'"


@pytest.fixture(scope="module")
def dsn(module_dsn: str) -> str:
    with psycopg.connect(module_dsn, autocommit=True) as conn:
        conn.execute(TABLES.encode())
    return module_dsn


every_form = pytest.mark.parametrize(
    ("format_", "compression"),
    [
        pytest.param(format_, compression, id=f"{format_}-{compression}")
        for format_ in Format
        for compression in ((None, *Compression) if format_.record.is_text else (None,))
    ],
)


def only_fault(report: VerifyReport) -> tuple[FaultKind, str]:
    """The one thing that is wrong."""
    assert not report.ok
    assert report.unchecked == ()
    [fault] = report.faults
    return fault.kind, fault.subject


# --- what holds --------------------------------------------------------------------------------------------------


@every_form
def test_a_set_that_is_what_it_was(format_: Format, compression: Compression | None, dsn: str, tmp_path: Path) -> None:
    manifest = made(dsn, tmp_path, ["orders", "empty", ODD], format_, compression)
    report = verify(tmp_path)
    assert (report.faults, report.unchecked, report.ok) == ((), (), True)
    assert (report.files, report.rows) == (6, 6002)
    assert report.bytes == sum((tmp_path / path).stat().st_size for path in paths(manifest))
    assert report.manifest == manifest.with_digest()
    assert report.destination == str(tmp_path)


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_workers_changes_nothing(workers: int, dsn: str, tmp_path: Path) -> None:
    manifest = made(dsn, tmp_path, ["orders", "empty"])
    first, *_, last = paths(manifest)
    (tmp_path / first).unlink()
    (tmp_path / last).write_bytes(b"x")
    report = verify(tmp_path, workers=workers)
    assert [(fault.kind, fault.subject) for fault in report.faults] == [
        (FaultKind.MISSING, first),
        (FaultKind.SHORT, last),
    ]
    assert report.files == 2


def test_the_manifest_may_be_named(dsn: str, tmp_path: Path) -> None:
    manifest = made(dsn, tmp_path, ["orders"])
    (tmp_path / "others.txt").write_bytes(b"not mine")
    (tmp_path / MANIFEST).rename(tmp_path / "orders.json")
    assert verify(tmp_path / "orders.json").ok
    # Among its own files nothing else may lie.
    (tmp_path / paths(manifest)[0]).with_name("part-00002.csv").write_bytes(b"")
    assert only_fault(verify(tmp_path / "orders.json"))[0] is FaultKind.EXTRA


def test_csv_with_options(dsn: str, tmp_path: Path) -> None:
    made(dsn, tmp_path, ["orders", "empty"], delimiter="|", quote="'", escape="\\", header=False, force_quote="*")
    report = verify(tmp_path)
    assert (report.ok, report.rows) == (True, 6000)


def test_more_bytes_than_are_read_at_a_time(tmp_path: Path) -> None:
    """A row of several pieces, beside small ones; a row of 100 MB is in tests/memory."""
    home = tmp_path / "public.orders"
    home.mkdir()
    row = b'"' + b"x\n" * (3 * VERIFY_READ_BYTES // 4) + b'"\n'
    (home / "part-00000.csv").write_bytes(b"a\n" + 3 * row + b"1\n")
    one = part(tmp_path, "public.orders/part-00000.csv", 4)
    relation = replace(FULL.relations[0], rows=4, parts=(one,))
    rewrite(tmp_path, replace(FULL, complete=True, missing=(), options=plain_csv(), relations=(relation,)))
    report = verify(tmp_path)
    assert (report.ok, report.rows, report.bytes) == (True, 4, one.bytes)


def plain_csv() -> Any:
    return replace(FULL.options, format=Format.CSV, compression=None, format_options={})


# --- what does not -----------------------------------------------------------------------------------------------


@every_form
def test_a_flipped_bit(format_: Format, compression: Compression | None, dsn: str, tmp_path: Path) -> None:
    path = paths(made(dsn, tmp_path, ["orders"], format_, compression))[0]
    content = bytearray((tmp_path / path).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / path).write_bytes(content)
    assert only_fault(verify(tmp_path)) == (FaultKind.CHANGED, path)


def test_a_missing_file(dsn: str, tmp_path: Path) -> None:
    path = paths(made(dsn, tmp_path, ["orders"]))[1]
    (tmp_path / path).unlink()
    assert only_fault(verify(tmp_path)) == (FaultKind.MISSING, path)


def test_an_extra_file(dsn: str, tmp_path: Path) -> None:
    made(dsn, tmp_path, ["orders"])
    (tmp_path / "public.gone").mkdir()
    (tmp_path / "public.gone" / "part\n0.csv").write_bytes(b"")
    report = verify(tmp_path)
    assert only_fault(report) == (FaultKind.EXTRA, "public.gone/part\n0.csv")


@pytest.mark.parametrize(("change", "kind"), [(-1, FaultKind.SHORT), (1, FaultKind.LONG)])
def test_another_size(change: int, kind: FaultKind, dsn: str, tmp_path: Path) -> None:
    path = paths(made(dsn, tmp_path, ["orders"]))[0]
    content = (tmp_path / path).read_bytes()
    (tmp_path / path).write_bytes(content[:change] if change < 0 else content + b"\n")
    report = verify(tmp_path)
    assert only_fault(report) == (kind, path)
    assert f"{len(content) + change:,} bytes, and the manifest says {len(content):,}" in report.faults[0].reason


@every_form
def test_another_count(format_: Format, compression: Compression | None, dsn: str, tmp_path: Path) -> None:
    """The manifest and its digest fit the file, and both say something that the file does not hold."""
    manifest = made(dsn, tmp_path, ["orders"], format_, compression)
    relation = manifest.relations[0]
    one, two = relation.parts
    rewrite(
        tmp_path, replace(manifest, relations=(replace(relation, rows=6001, parts=(replace(one, rows=3001), two)),))
    )
    report = verify(tmp_path)
    assert only_fault(report) == (FaultKind.COUNT, one.path)
    assert report.faults[0].reason == "it has 3,000 rows, and the manifest says 3,001"


def test_a_file_of_another_format(dsn: str, tmp_path: Path) -> None:
    manifest = made(dsn, tmp_path, ["orders"])
    path = paths(manifest)[0]
    (tmp_path / path).write_bytes(gzip.compress(b"a\n1"))
    relation = manifest.relations[0]
    entry = part(tmp_path, path, 3000)
    rewrite(tmp_path, replace(manifest, relations=(replace(relation, parts=(entry, relation.parts[1])),)))
    report = verify(tmp_path)
    assert only_fault(report) == (FaultKind.COUNT, path)


def test_sums_of_the_manifest(dsn: str, tmp_path: Path) -> None:
    manifest = made(dsn, tmp_path, ["orders"])
    rewrite(tmp_path, replace(manifest, relations=(replace(manifest.relations[0], rows=3000),)))
    report = verify(tmp_path)
    assert only_fault(report) == (FaultKind.COUNT, "public.orders")


def test_an_edited_manifest(dsn: str, tmp_path: Path) -> None:
    made(dsn, tmp_path, ["orders"])
    edit(tmp_path, "source", "database", value="other")
    assert only_fault(verify(tmp_path)) == (FaultKind.CHANGED, MANIFEST)


def test_files_are_checked_below_an_edited_manifest_too(dsn: str, tmp_path: Path) -> None:
    path = paths(made(dsn, tmp_path, ["orders"]))[0]
    edit(tmp_path, "relations", 0, "parts", 0, "sha256", value="0" * 64)
    assert [(fault.kind, fault.subject) for fault in verify(tmp_path).faults] == [
        (FaultKind.CHANGED, MANIFEST),
        (FaultKind.CHANGED, path),
    ]


def test_a_set_that_is_not_complete(dsn: str, tmp_path: Path) -> None:
    manifest = made(dsn, tmp_path, ["orders"])
    rewrite(
        tmp_path, replace(manifest, complete=False, missing=(MissingRelation(schema="crm", name="x", reason="denied"),))
    )
    report = verify(tmp_path)
    assert only_fault(report) == (FaultKind.MISSING, "crm.x")
    assert report.faults[0].reason == "not in the set: denied"
    rewrite(tmp_path, replace(manifest, complete=False))
    assert only_fault(verify(tmp_path)) == (FaultKind.MISSING, MANIFEST)


def test_what_was_left_out_on_purpose_is_told(dsn: str, tmp_path: Path) -> None:
    manifest = made(dsn, tmp_path, ["orders"])
    rewrite(tmp_path, replace(manifest, missing=(MissingRelation(schema="crm", name="x", reason="denied"),)))
    report = verify(tmp_path)
    assert report.ok
    assert report.remarks == ("crm.x was left out: denied",)


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.csv", "public.orders/../../secret.csv"])
def test_a_manifest_leads_nowhere_else(path: str, dsn: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    made(dsn, folder, ["orders"])
    (tmp_path / "secret.csv").write_bytes(b"a\n")
    edit(folder, "relations", 0, "parts", 0, "path", value=path)
    with pytest.raises(ManifestError, match="must be a path below"):
        verify(folder)


def reading(monkeypatch: pytest.MonkeyPatch, path: str, read: Callable[[bytes, int], bytes]) -> None:
    """Let reads of a file give something else: made of what is there, and where it begins."""
    whole = FolderStore.read

    def other(self: FolderStore, name: str, start: int, length: int) -> bytes:
        found = whole(self, name, start, length)
        return read(found, start) if name == path else found

    monkeypatch.setattr(FolderStore, "read", other)


def test_what_cannot_be_read_is_not_checked(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = paths(made(dsn, tmp_path, ["orders"]))[0]

    def fail(_found: bytes, _start: int) -> bytes:
        raise TargetFailed("the disk is broken")

    reading(monkeypatch, path, fail)
    report = verify(tmp_path)
    assert report.faults == ()
    assert report.unchecked == (Unchecked(path, "the disk is broken"),)
    assert (report.ok, report.files) == (False, 1)


def test_a_file_that_becomes_shorter_while_it_is_read(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = paths(made(dsn, tmp_path, ["orders"]))[0]
    reading(monkeypatch, path, lambda found, start: found[: max(0, 99 - start)])
    report = verify(tmp_path)
    assert only_fault(report) == (FaultKind.SHORT, path)
    assert report.faults[0].reason.startswith("it has 99 bytes")


def test_a_store_may_give_less_than_was_asked_for(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = paths(made(dsn, tmp_path, ["orders"]))[0]
    reading(monkeypatch, path, lambda found, _start: found[:9999])
    assert verify(tmp_path).ok


# --- wrong use ---------------------------------------------------------------------------------------------------


def test_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"there is no manifest\.json in .*x$"):
        verify(tmp_path / "x")
    (tmp_path / "part-00000.csv").write_bytes(b"")
    with pytest.raises(ManifestError, match="the files in it are no complete set"):
        verify(tmp_path)
    with pytest.raises(ManifestError, match="is a file: name the folder"):
        verify(tmp_path / "part-00000.csv")


def test_no_json(tmp_path: Path) -> None:
    (tmp_path / MANIFEST).write_bytes(b"{")
    with pytest.raises(ManifestError, match="this is no manifest"):
        verify(tmp_path)


def test_options_that_are_none(dsn: str, tmp_path: Path) -> None:
    made(dsn, tmp_path, ["orders"])
    edit(tmp_path, "options", "formatOptions", value={"delimiter": "ab"})
    with pytest.raises(ManifestError, match=r"options\.formatOptions\.delimiter"):
        verify(tmp_path)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_a_wrong_number_of_workers(workers: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="workers"):
        verify(tmp_path, workers=workers)


def test_no_such_store() -> None:
    with pytest.raises(SpecError, match="ftp://x"):
        verify("ftp://x/y")


# --- while it runs -----------------------------------------------------------------------------------------------


def test_progress_is_told_in_the_calling_thread(dsn: str, tmp_path: Path) -> None:
    made(dsn, tmp_path, ["orders", "empty"])
    told: list[VerifyProgress] = []
    threads = set()

    def take(progress: VerifyProgress) -> None:
        told.append(progress)
        threads.add(threading.current_thread())

    report = verify(tmp_path, on_progress=take)
    assert threads == {threading.current_thread()}
    assert told[-1] == VerifyProgress(4, 4, report.bytes, report.bytes, 6000)


def test_a_check_can_be_cancelled(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(dsn, tmp_path, ["orders"])
    token = CancelToken()
    whole = FolderStore.read

    def read(self: FolderStore, path: str, start: int, length: int) -> bytes:
        if path != MANIFEST:
            token.cancel()
        return whole(self, path, start, length)

    monkeypatch.setattr(FolderStore, "read", read)
    with pytest.raises(Cancelled):
        verify(tmp_path, token=token)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("polyglot-")]


def test_an_error_of_the_caller_ends_all_threads(dsn: str, tmp_path: Path) -> None:
    made(dsn, tmp_path, ["orders"])

    def fail(_progress: VerifyProgress) -> None:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        verify(tmp_path, on_progress=fail)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("polyglot-")]


def test_findings_are_lines() -> None:
    assert str(Fault(FaultKind.EXTRA, "a.csv", "why")) == "extra     a.csv: why"
    assert str(Unchecked("a.csv", "why")) == "unchecked a.csv: why"


def test_a_folder_full_of_other_files(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are not told one by one for ever."""
    made(dsn, tmp_path, ["orders"])
    for number in range(5):
        (tmp_path / f"{number}.txt").touch()
    monkeypatch.setattr(verifying, "EXTRA_FILES", 3)
    found = [str(fault) for fault in verify(tmp_path).faults]
    assert found[:3] == [f"extra     {number}.txt: the manifest does not name it" for number in range(3)]
    assert found[3:] == [f"extra     {tmp_path}: the manifest does not name more files than these 3"]


def test_folders_in_folders(dsn: str, tmp_path: Path) -> None:
    """However deep: nothing recurses."""
    made(dsn, tmp_path, ["empty"])
    before = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(1_500):
            Path("d").mkdir()
            os.chdir("d")
        Path("x").touch()
        os.chdir(before)
        assert [fault.kind for fault in verify(tmp_path).faults] == [FaultKind.EXTRA]
    finally:
        os.chdir(before)
        # pytest's own removal recurses.
        subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)
