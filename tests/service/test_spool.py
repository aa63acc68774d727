"""The spool: files that are complete or not there, a limit, and nothing of a dead replica's that nobody wants."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export.errors import SpecError, TargetFailed
from polyglot_export.service.errors import SpoolFull
from polyglot_export.service.prepared.spool import Spool

LIMIT = 100_000


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """An open spool in an empty directory."""
    opened = Spool(tmp_path / "spool", LIMIT)
    opened.open()
    yield opened
    opened.close(keep=False)


def write(spool: Spool, job_id: str, data: bytes) -> str:
    """A finished file; gives its name."""
    name = spool.name(job_id, 1)
    with spool.create(name) as file:
        file.write(data)
        file.commit()
    return name


def files(folder: Path) -> list[str]:
    """The names of all files below a folder, but the locks."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock")


def test_a_file_appears_when_it_is_complete(spool: Spool, tmp_path: Path) -> None:
    name = spool.name("job", 2)
    with spool.create(name) as file:
        file.write(b"one\n")
        file.write(b"two\n")
        assert not (tmp_path / "spool" / name).exists()
        (part,) = files(tmp_path)
        assert part.startswith(".job.2.")
        digest = file.commit()
    assert (digest, file.size) == (hashlib.sha256(b"one\ntwo\n").hexdigest(), 8)
    assert (tmp_path / "spool" / name).read_bytes() == b"one\ntwo\n"
    assert files(tmp_path) == ["job.2"]


def test_others_of_this_machine_read_nothing(spool: Spool, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = tmp_path / "spool" / write(spool, "job", b"secret")
        made = Spool(tmp_path / "another" / "spool", LIMIT)
        made.open()
        made.close(keep=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "another" / "spool").stat().st_mode) == 0o700


def test_a_failure_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(KeyError), spool.create(spool.name("job", 1)) as file:
        file.write(b"data")
        raise KeyError
    assert files(tmp_path) == []


def test_the_limit_is_that_of_all_files(spool: Spool) -> None:
    write(spool, "one", bytes(60_000))
    write(spool, "two", bytes(LIMIT - 60_000))
    with pytest.raises(SpoolFull, match="POLYGLOT_SPOOL_LIMIT"):
        spool.check_room()
    with pytest.raises(SpoolFull), spool.create(spool.name("three", 1)) as file:
        file.write(b"x")
    spool.remove(spool.name("one", 1))
    spool.check_room()
    write(spool, "three", bytes(60_000))


def test_the_limit_counts_what_is_being_written(spool: Spool) -> None:
    with spool.create(spool.name("one", 1)) as first, spool.create(spool.name("two", 1)) as second:
        first.write(bytes(60_000))
        second.write(bytes(40_000))
        with pytest.raises(SpoolFull):
            second.write(b"x")
        second.commit()
    write(spool, "three", bytes(60_000))


def test_the_limit_is_that_of_all_replicas(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "spool", LIMIT)
    other.open()
    write(other, "one", bytes(60_000))
    with pytest.raises(SpoolFull):
        write(spool, "two", bytes(60_000))
    other.close(keep=False)
    write(spool, "two", bytes(60_000))


def test_a_reader_keeps_a_file_that_is_removed(spool: Spool) -> None:
    name = write(spool, "job", b"data")
    with os.fdopen(spool.open_file(name), "rb") as reader:
        spool.remove(name)
        spool.remove(name)
        assert reader.read() == b"data"


def test_the_end_leaves_nothing_or_what_is_finished(tmp_path: Path) -> None:
    for keep, left in ((False, []), (True, ["done.1"])):
        spool = Spool(tmp_path, LIMIT)
        spool.open()
        write(spool, "done", b"data")
        with spool.create(spool.name("begun", 1)) as file:
            file.write(b"data")
            spool.close(keep=keep)
        assert files(tmp_path) == left
        assert len(list(tmp_path.iterdir())) == len(left)


def test_without_a_directory_there_is_a_private_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    spool = Spool(None, LIMIT)
    spool.open()
    spool.open()
    path = tmp_path / write(spool, "job", b"data")
    assert path.read_bytes() == b"data"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [file.job_id for file in spool.survey()] == ["job"]
    spool.close(keep=False)
    assert list(tmp_path.iterdir()) == []


def test_a_live_replica_is_left_alone(spool: Spool, tmp_path: Path) -> None:
    other = Spool(tmp_path / "spool", LIMIT)
    other.open()
    write(spool, "mine", b"data")
    write(other, "theirs", b"data")
    with other.create(other.name("begun", 1)) as file:
        file.write(b"data")
        assert [(found.job_id, found.own) for found in spool.survey()] == [("mine", True)]
        file.commit()
    assert [(found.job_id, found.own) for found in other.survey()] == [("begun", True), ("theirs", True)]
    other.close(keep=False)


KILLED = """
import os, signal, sys
from pathlib import Path
from polyglot_export.service.prepared.spool import Spool
spool = Spool(Path(sys.argv[1]), 10**9)
spool.open()
with spool.create(spool.name("done", 1)) as file:
    file.write(b"data")
    file.commit()
file = spool.create(spool.name("begun", 1)).__enter__()
file.write(b"data")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_dead_replica_leaves_what_is_finished(spool: Spool, tmp_path: Path) -> None:
    """Whether a job wants it is for the store to say; what was being written goes at once."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "spool")],
        check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )
    assert killed.returncode == -9
    assert len(files(tmp_path)) == 2
    (found,) = spool.survey()
    assert (found.job_id, found.own) == ("done", False)
    assert 0 <= found.age < 60
    assert files(tmp_path) == ["done.1"]
    assert (tmp_path / "spool" / found.name).read_bytes() == b"data"
    spool.remove(found.name)
    assert len(list((tmp_path / "spool").iterdir())) == 1, "its folder goes with its last file"


def test_what_others_have_put_there_stays(spool: Spool, tmp_path: Path) -> None:
    root = tmp_path / "spool"
    (root / "notes.txt").write_text("mine")
    (root / "polyglot-spool-link").symlink_to(tmp_path)
    (root / "polyglot-spool-file").write_text("mine")
    assert spool.survey() == []
    assert sorted(path.name for path in root.iterdir() if path != root / Path(spool.name("x", 1)).parent) == [
        "notes.txt",
        "polyglot-spool-file",
        "polyglot-spool-link",
    ]


@pytest.mark.parametrize("late", [False, True])
def test_a_link_in_place_of_the_folder_is_not_followed(spool: Spool, tmp_path: Path, late: bool) -> None:
    """Whoever may write to the directory above puts it there before a file is made, or while it is written."""
    away = tmp_path / "away"
    away.mkdir()
    name = spool.name("job", 1)
    folder = (tmp_path / "spool" / name).parent

    def replace() -> None:
        folder.rename(tmp_path / "moved")
        folder.symlink_to(away)

    def written() -> None:
        file = spool.create(name)
        if not late:
            replace()
        with file:
            file.write(b"secret")
            if late:
                replace()
            file.commit()

    with pytest.raises(TargetFailed, match=r"replaced|Not a directory"):
        written()
    assert list(away.iterdir()) == []
    assert files(tmp_path / "moved") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another owner")
def test_a_folder_of_another_user_is_not_touched(spool: Spool, tmp_path: Path) -> None:
    """Below /tmp everybody may make one."""
    foreign = tmp_path / "spool" / "polyglot-spool-foreign"
    foreign.mkdir()
    for name in ("lock", "job.1", ".job.1.part"):
        (foreign / name).write_text("theirs")
    os.chown(foreign, 12345, 12345)
    assert spool.survey() == []
    assert len(list(foreign.iterdir())) == 3


def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(tmp_path / "file", LIMIT)
    with pytest.raises(SpecError, match=r"POLYGLOT_SPOOL_DIR.*file.*cannot be used") as caught:
        spool.open()
    assert caught.value.field == "POLYGLOT_SPOOL_DIR"
    with pytest.raises(TargetFailed) as told:
        spool.check_room()
    assert str(tmp_path) not in str(told.value)


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, SpoolFull, "the disk of the spool is full (No space left on device)"),
        (errno.EDQUOT, SpoolFull, "the disk of the spool is full (Disk quota exceeded)"),
        (errno.EIO, TargetFailed, "the spool cannot be written (Input/output error)"),
    ],
)
def test_what_the_disk_says_without_its_path(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], words: str
) -> None:
    def refuse(_descriptor: int, _chunk: bytes) -> None:
        raise OSError(number, os.strerror(number))

    with spool.create(spool.name("job", 1)) as file:
        monkeypatch.setattr("polyglot_export.service.prepared.part_file.write_all", refuse)
        with pytest.raises(kind) as caught:
            file.write(b"data")
    assert str(caught.value) == words
    assert files(tmp_path) == []
