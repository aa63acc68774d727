"""What every kind of destination promises. A kind that is added to the registry needs a place here, and is tested by
having one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import ClassVar

import psycopg
import pytest

from polyglot_export import TargetFailed, export_to_file
from polyglot_export.destinations.base import Destination
from polyglot_export.destinations.descriptor import DescriptorDestination, SpecialFileDestination
from polyglot_export.destinations.file import FileDestination
from polyglot_export.destinations.naming import choose
from polyglot_export.destinations.object_store import ObjectDestination
from polyglot_export.destinations.registry import destination, destination_kinds, kind_of
from polyglot_export.destinations.stdout import StdoutDestination
from polyglot_export.formats.registry import Format
from tests.fixtures.disk import small_file_system
from tests.fixtures.object_stores import Cloud, cloud_of

DATA = os.urandom(300_000)
"""More than a pipe holds."""
FULL = "No space left on device"


class Place(ABC):
    """A place of one kind, and what has arrived there."""

    kind: ClassVar[type[Destination]]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def made(cls, request: pytest.FixtureRequest, folder: Path) -> Place:  # noqa: ARG003 - for those that need one
        """A place of a test, which has this folder."""
        return cls(folder)

    @property
    @abstractmethod
    def name(self) -> str:
        """As a user writes it."""

    @abstractmethod
    def arrived(self, act: Callable[[], None]) -> bytes | None:
        """What is there after ``act``; ``None`` for nothing at all."""

    def open(self) -> Destination:
        """The destination, opened, with somebody at the other end where there is one."""
        return destination(self.name).__enter__()

    @abstractmethod
    def leave(self) -> None:
        """Whoever is at the other end leaves."""

    @abstractmethod
    def full(self) -> str | None:
        """The name of such a place that takes no byte, where that can be had with a name."""


class AtomicPlace(Place):
    """One whose results appear complete or not at all, and can be looked at."""

    @abstractmethod
    def there(self) -> bytes | None:
        """What is there now under the name; ``None`` for nothing at all."""

    @abstractmethod
    def prepare(self, content: bytes) -> None:
        """Put something there that an export will replace."""

    def arrived(self, act: Callable[[], None]) -> bytes | None:
        act()
        return self.there()

    def leave(self) -> None:
        """Nobody is there."""

    def full(self) -> str | None:
        return None


class FilePlace(AtomicPlace):
    """A file in a folder."""

    kind = FileDestination

    @property
    def name(self) -> str:
        return str(self.folder / "x.csv")

    def there(self) -> bytes | None:
        found = [path for path in self.folder.iterdir() if not path.name.endswith(".part")]
        assert [entry.name for entry in found] in ([], ["x.csv"]), "nothing else is left there"
        return found[0].read_bytes() if found else None

    def prepare(self, content: bytes) -> None:
        Path(self.name).write_bytes(content)


class Piped(Place):
    """A descriptor whose other end is read in a thread."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reading, self.writing = os.pipe()

    def arrived(self, act: Callable[[], None]) -> bytes | None:
        read = bytearray()

        def drain() -> None:
            while piece := os.read(self.reading, 1 << 16):
                read.extend(piece)

        reader = threading.Thread(target=drain)
        reader.start()
        try:
            act()
        finally:
            os.close(self.writing)
            reader.join(20)
            os.close(self.reading)
        return bytes(read)

    def leave(self) -> None:
        os.close(self.reading)


class DescriptorPlace(Piped):
    """``/dev/fd/N`` of a pipe."""

    kind = DescriptorDestination

    @property
    def name(self) -> str:
        return f"/dev/fd/{self.writing}"

    def full(self) -> str | None:
        return f"/dev/fd/{os.open('/dev/full', os.O_WRONLY)}"


class SpecialFilePlace(Place):
    """A FIFO."""

    kind = SpecialFileDestination

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        os.mkfifo(folder / "x.csv")

    @property
    def name(self) -> str:
        return str(self.folder / "x.csv")

    def arrived(self, act: Callable[[], None]) -> bytes | None:
        read: list[bytes] = []
        reader = threading.Thread(target=lambda: read.append(Path(self.name).read_bytes()))
        reader.start()
        act()
        reader.join(20)
        return read[0]

    def open(self) -> Destination:
        self.reader = os.open(self.name, os.O_RDONLY | os.O_NONBLOCK)
        return super().open()

    def leave(self) -> None:
        os.close(self.reader)

    def full(self) -> str | None:
        return "/dev/full"


class StdoutPlace(Piped):
    """Standard output, which is a pipe meanwhile."""

    kind = StdoutDestination
    name = "-"

    def arrived(self, act: Callable[[], None]) -> bytes | None:
        def write() -> None:
            with self._redirected():
                act()

        return super().arrived(write)

    def open(self) -> Destination:
        with self._redirected():
            return super().open()

    @contextmanager
    def _redirected(self) -> Iterator[None]:
        with os.fdopen(self.writing, "w", closefd=False) as pipe, redirect_stdout(pipe):
            yield

    def full(self) -> str | None:
        return None


class ObjectPlace(AtomicPlace):
    """An object in a bucket; each provider has a class."""

    kind = ObjectDestination
    fixture: ClassVar[str]

    @classmethod
    def made(cls, request: pytest.FixtureRequest, folder: Path) -> Place:
        place = cls(folder)
        place.cloud = cloud_of(request, cls.fixture)
        return place

    cloud: Cloud

    @property
    def name(self) -> str:
        return self.cloud.url("folder one/x.csv")

    def there(self) -> bytes | None:
        assert self.cloud.keys() in ([], ["folder one/x.csv"]), "nothing else is left there"
        return self.cloud.get("folder one/x.csv")

    def prepare(self, content: bytes) -> None:
        put(self.name, content)


class S3Place(ObjectPlace):
    fixture = "s3"


class GcsPlace(ObjectPlace):
    fixture = "gcs"


class AzurePlace(ObjectPlace):
    fixture = "azure"


PLACES: tuple[type[Place], ...] = (
    FilePlace,
    DescriptorPlace,
    SpecialFilePlace,
    StdoutPlace,
    S3Place,
    GcsPlace,
    AzurePlace,
)


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place of each kind that the registry has."""
    (tmp_path / "place").mkdir()
    made: Place = request.param.made(request, tmp_path / "place")
    return made


def put(name: str, *chunks: bytes) -> None:
    """The whole life of a destination."""
    with destination(name) as opened:
        for chunk in chunks:
            opened.write(chunk)
        opened.commit()


def test_every_kind_has_a_place_here() -> None:
    assert {place.kind for place in PLACES} == set(destination_kinds())
    assert all(issubclass(place, AtomicPlace) == place.kind.capabilities.atomic for place in PLACES)


def test_the_name_leads_to_its_kind(place: Place) -> None:
    assert kind_of(place.name) is place.kind
    assert type(destination(place.name)) is place.kind
    assert place.kind.kind


def test_every_chunk_arrives_whole_and_in_order(place: Place) -> None:
    pieces = [DATA[at : at + 70_000] for at in range(0, len(DATA), 70_000)]
    assert place.arrived(lambda: put(place.name, *pieces)) == DATA


def test_no_chunk_at_all(place: Place) -> None:
    assert place.arrived(lambda: put(place.name)) == b""


def test_nothing_appears_before_the_commit(place: Place) -> None:
    def act() -> None:
        with destination(place.name) as opened:
            opened.write(DATA)
            if isinstance(place, AtomicPlace):
                assert place.there() is None
            opened.commit()
            if isinstance(place, AtomicPlace):
                assert place.there() == DATA

    assert place.arrived(act) == DATA


def test_without_commit_nothing_is_left(place: Place) -> None:
    def act() -> None:
        with pytest.raises(KeyError), destination(place.name) as opened:
            opened.write(DATA)
            raise KeyError

    assert place.arrived(act) == (None if place.kind.capabilities.atomic else DATA)


def test_what_was_there_stays_until_the_commit(place: Place) -> None:
    if not isinstance(place, AtomicPlace):
        return
    place.prepare(b"old")

    def act() -> None:
        with destination(place.name) as opened:
            opened.write(DATA)
            assert place.there() == b"old"

    assert place.arrived(act) == b"old"
    assert place.arrived(lambda: put(place.name, b"new")) == b"new"


def test_abandoned_while_it_is_written(place: Place) -> None:
    def act() -> None:
        opened = destination(place.name)
        opened.__enter__()
        opened.write(DATA)
        opened.abandon()
        if isinstance(place, AtomicPlace):
            assert place.there() is None
        assert not list(place.folder.glob(".*.part")), "the temporary file is gone before it is closed"
        opened.discard()

    assert place.arrived(act) == (None if place.kind.capabilities.atomic else DATA)


def test_closed_it_takes_nothing(place: Place) -> None:
    def act() -> None:
        with destination(place.name) as opened:
            opened.write(b"all")
            opened.commit()
            opened.discard()
        with pytest.raises(TargetFailed, match="it is closed"):
            opened.write(b"late")
        with pytest.raises(TargetFailed, match="it is closed"):
            opened.commit()

    assert place.arrived(act) == b"all"


def test_a_full_place_says_so(place: Place, tmp_path: Path) -> None:
    full = place.full()
    if full is not None:
        with pytest.raises(TargetFailed, match=FULL):
            put(full, DATA)
    elif place.kind is FileDestination:
        with small_file_system(tmp_path / "small", 1) as folder:
            with pytest.raises(TargetFailed, match=FULL):
                put(str(folder / "x.csv"), *[DATA] * 5)
            assert not list(folder.iterdir())
    elif not place.kind.capabilities.atomic:
        with Path("/dev/full").open("wb") as stdout:
            done = subprocess.run(
                [sys.executable, "-c", PUT.format(name=place.name)],
                stdout=stdout,
                stderr=subprocess.PIPE,
                check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        assert FULL in done.stderr.decode()


PUT = """
from polyglot_export.destinations.registry import destination
with destination({name!r}) as opened:
    opened.write(bytes(1 << 20))
    opened.commit()
"""


def test_a_reader_that_leaves(place: Place) -> None:
    """Where there can be one, ``pipe()`` is what to watch for it, and a write says that it has left."""
    opened = place.open()
    place.leave()
    assert (opened.pipe() is not None) == place.kind.capabilities.streaming
    if opened.pipe() is not None:
        with pytest.raises(TargetFailed) as raised:
            opened.write(DATA)
        assert isinstance(raised.value.__cause__, BrokenPipeError)
    opened.discard()


@pytest.mark.parametrize(
    "name",
    [
        "x y.csv",
        "ünï 😀.csv",
        "-x.csv",
        "x\ny.csv",
        "%2e.csv",
        "~.csv",
        "s3:__x.csv",
        "\"'`$(x).csv",
        "x" * 251 + ".csv",
    ],
)
def test_odd_names_are_only_names(name: str, tmp_path: Path) -> None:
    """Of files, the one kind whose names a user makes up."""
    path = tmp_path / name
    assert choose(str(path), None, None).format is Format.CSV
    put(str(path), DATA)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == DATA


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(TargetFailed, match="cannot write"):
        put(f"{tmp_path}/x\0y.csv", DATA)


def test_the_library_writes_into_each(place: Place, dsn: str, conn: psycopg.Connection) -> None:
    conn.execute("CREATE TABLE t AS SELECT g AS id FROM generate_series(1, 3) AS g")
    results = []
    assert place.arrived(lambda: results.append(export_to_file(dsn, "t", place.name))) == b"id\n1\n2\n3\n"
    assert results[0].rows == 3
