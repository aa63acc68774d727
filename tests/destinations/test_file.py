"""The file as a destination: complete or absent, with the right rights, through links, and never over a special file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from polyglot_export.destinations.file import FileDestination
from polyglot_export.destinations.registry import destination
from polyglot_export.errors import TargetFailed
from tests.cli.helpers import names


def write(path: Path | str, data: bytes) -> None:
    """The whole life of a place."""
    with destination(os.fspath(path)) as place:
        place.write(data)
        place.commit()


def test_appears_only_when_committed(tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    with FileDestination(target) as place:
        place.write(b"one\n")
        assert not target.exists()
        (part,) = names(tmp_path)
        assert part.startswith(".x.csv.")
        assert part.endswith(".part")
        place.write(b"two\n")
        place.commit()
        assert target.read_bytes() == b"one\ntwo\n"
    assert names(tmp_path) == ["x.csv"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    target.write_bytes(b"old")
    with pytest.raises(KeyError), FileDestination(target) as place:
        place.write(b"new")
        raise KeyError
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["x.csv"]


def test_without_commit_nothing_remains(tmp_path: Path) -> None:
    with FileDestination(tmp_path / "x.csv") as place:
        place.write(b"new")
    assert names(tmp_path) == []


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    target.write_bytes(b"old")
    with target.open("rb") as reader:
        write(target, b"new and longer")
        assert reader.read() == b"old"
    assert target.read_bytes() == b"new and longer"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_honours_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write(tmp_path / "x.csv", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.csv").stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_replaced_file_hands_its_rights_on(tmp_path: Path, mode: int) -> None:
    target = tmp_path / "x.csv"
    target.write_bytes(b"old")
    target.chmod(mode)
    with FileDestination(target) as place:
        part = tmp_path / next(name for name in names(tmp_path) if name.endswith(".part"))
        assert stat.S_IMODE(part.stat().st_mode) == 0o600, "what is secret is readable while it is written"
        place.commit()
    assert stat.S_IMODE(target.stat().st_mode) == mode


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another owner")
def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    target.write_bytes(b"old")
    os.chown(target, 12345, 23456)
    write(target, b"new")
    assert (target.stat().st_uid, target.stat().st_gid) == (12345, 23456)


def test_a_symbolic_link_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "x.csv"
    link.symlink_to("../real/y.csv")
    write(link, b"made")
    assert link.is_symlink()
    assert (tmp_path / "real" / "y.csv").read_bytes() == b"made"
    write(link, b"replaced")
    assert link.is_symlink()
    assert (tmp_path / "real" / "y.csv").read_bytes() == b"replaced"
    assert names(tmp_path / "links") == ["x.csv"]
    assert names(tmp_path / "real") == ["y.csv"]


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "x.csv" + "y" * 240])
def test_the_longest_names_fit(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, b"data")
    assert names(tmp_path) == [name]


def test_dev_null_is_written_and_stays(tmp_path: Path) -> None:
    write("/dev/null", b"data")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert names(tmp_path) == []


def test_a_fifo_is_written_and_stays(tmp_path: Path) -> None:
    fifo = tmp_path / "x.csv"
    os.mkfifo(fifo)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    data = os.urandom(1 << 20)
    write(fifo, data)
    reader.join(10)
    assert read == [data]
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert names(tmp_path) == ["x.csv"]


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_names_of_standard_output_append_to_it(tmp_path: Path, name: str) -> None:
    """Opened by its name, a redirected file would be written from its start again."""
    target = tmp_path / "log"
    target.write_bytes(b"before\n")
    program = f"from polyglot_export.destinations.registry import destination\nwith destination({name!r}) as place:\n    place.write(b'after\\n'); place.commit()"
    with target.open("ab") as output:
        subprocess.run(
            [sys.executable, "-c", program],
            stdout=output,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert target.read_bytes() == b"before\nafter\n"
    assert names(tmp_path) == ["log"]


def test_a_non_blocking_pipe_gets_every_byte() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    data = os.urandom(1 << 20)
    read = bytearray()

    def drain() -> None:
        while piece := os.read(reading, 1000):
            read.extend(piece)

    reader = threading.Thread(target=drain)
    reader.start()
    write(f"/dev/fd/{writing}", data)
    os.close(writing)
    reader.join(10)
    os.close(reading)
    assert bytes(read) == data


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing/x.csv", "No such file or directory"),
        ("file/x.csv", "Not a directory"),
        ("folder", "Is a directory"),
        ("loop", "Too many levels"),
    ],
)
def test_a_target_that_cannot_be(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    before = names(tmp_path)
    with pytest.raises(TargetFailed, match=reason) as caught, FileDestination(tmp_path / name):
        pass
    assert str(tmp_path / name) in caught.value.message
    assert names(tmp_path) == before


def test_a_target_that_became_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    with pytest.raises(TargetFailed, match="Is a directory"), FileDestination(target) as place:
        target.mkdir()
        place.commit()
    assert names(tmp_path) == ["x.csv"]
    assert target.is_dir()


def test_a_closed_file_takes_nothing(tmp_path: Path) -> None:
    with FileDestination(tmp_path / "x.csv") as place:
        place.commit()
    with pytest.raises(TargetFailed, match="it is closed"):
        place.write(b"late")
    with pytest.raises(TargetFailed, match="it is closed"):
        place.commit()
    assert (tmp_path / "x.csv").read_bytes() == b""
