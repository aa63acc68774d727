"""What every kind of store promises. A kind that is added to the registry needs a place here, and is tested by having
one.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from polyglot_export import SpecError, TargetFailed
from polyglot_export.destinations.folder import FolderStore
from polyglot_export.destinations.object_store import ObjectStore
from polyglot_export.destinations.store import Store, StoredFile
from polyglot_export.destinations.stores import STORES, store, store_kind_of
from tests.fixtures.object_stores import Cloud, cloud_of

DATA = os.urandom(1000)
LARGE = os.urandom(1 << 20)
LARGE_TIMES = 10
"""So often it is more than a part of an upload."""


class StorePlace(ABC):
    """A store of one kind, with nothing in it."""

    kind: ClassVar[type[Store]]
    lists_unfinished: ClassVar[bool] = True
    """Whether what was begun can be listed, and ended."""

    @classmethod
    @abstractmethod
    def made(cls, request: pytest.FixtureRequest) -> StorePlace:
        """A store of a test."""

    @property
    @abstractmethod
    def url(self) -> str:
        """As a user writes it."""

    @abstractmethod
    def missing(self) -> str:
        """The URL of a store that cannot be written."""


class ObjectPlace(StorePlace):
    """A prefix of a bucket; each provider has a class."""

    kind = ObjectStore
    fixture: ClassVar[str]
    cloud: Cloud

    @classmethod
    def made(cls, request: pytest.FixtureRequest) -> StorePlace:
        place = cls()
        place.cloud = cloud_of(request, cls.fixture)
        return place

    @property
    def url(self) -> str:
        return self.cloud.url("a set/")

    def missing(self) -> str:
        return f"{self.cloud.scheme}://nosuchbucket/a set/"


class S3Place(ObjectPlace):
    fixture = "s3"


class GcsPlace(ObjectPlace):
    fixture = "gcs"


class AzurePlace(ObjectPlace):
    fixture = "azure"
    lists_unfinished = False


class FolderPlace(StorePlace):
    """A folder that is not there yet."""

    kind = FolderStore
    path: Path

    @classmethod
    def made(cls, request: pytest.FixtureRequest) -> StorePlace:
        place = cls()
        place.path = request.getfixturevalue("tmp_path")
        return place

    @property
    def url(self) -> str:
        return str(self.path / "a set")

    def missing(self) -> str:
        (self.path / "file").touch()
        return str(self.path / "file" / "a set")


PLACES: tuple[type[StorePlace], ...] = (FolderPlace, S3Place, GcsPlace, AzurePlace)


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def place(request: pytest.FixtureRequest) -> StorePlace:
    """A store of each kind that the registry has."""
    made: StorePlace = request.param.made(request)
    return made


@pytest.fixture
def opened(place: StorePlace) -> Store:
    """The same, opened."""
    return store(place.url)


def put(into: Store, path: str, *chunks: bytes) -> None:
    """The whole life of a file."""
    with into.file(path) as file:
        for chunk in chunks:
            file.write(chunk)
        file.commit()


def test_every_kind_has_a_place_here() -> None:
    assert {place.kind for place in PLACES} == set(STORES)


def test_the_url_leads_to_its_kind(place: StorePlace) -> None:
    assert store_kind_of(place.url) is place.kind
    opened = store(place.url)
    assert type(opened) is place.kind
    assert store(opened.url).url == opened.url
    assert place.kind.accepts("-") is False


def test_a_check_of_what_is_there_and_of_what_is_not(place: StorePlace) -> None:
    store(place.url).check()
    with pytest.raises(TargetFailed):
        store(place.missing()).check()


def test_a_store_that_is_empty(opened: Store) -> None:
    assert list(opened.files()) == []
    assert list(opened.unfinished()) == []
    assert opened.size("x.csv") is None
    opened.remove("x.csv")
    with pytest.raises(TargetFailed):
        opened.read("x.csv", 0, 1)


def test_files_appear_when_they_are_committed(opened: Store) -> None:
    with opened.file("b/part-00000.csv") as file:
        file.write(DATA)
        assert list(opened.files()) == []
        file.commit()
    put(opened, "a/x y.csv")
    put(opened, "ab.csv", *[LARGE] * LARGE_TIMES)
    put(opened, "b/day=2026-11-25/ünï.csv", b"x")
    found = list(opened.files())
    assert found == [
        StoredFile("a/x y.csv", 0),
        StoredFile("ab.csv", LARGE_TIMES * len(LARGE)),
        StoredFile("b/day=2026-11-25/ünï.csv", 1),
        StoredFile("b/part-00000.csv", len(DATA)),
    ]
    assert list(opened.files("a")) == found[:1], "ab.csv is not below a"
    assert list(opened.files("b/day=2026-11-25")) == found[2:3]


def test_without_commit_there_is_no_file(opened: Store) -> None:
    with pytest.raises(KeyError), opened.file("x.csv") as file:
        for _ in range(LARGE_TIMES):
            file.write(LARGE)
        raise KeyError
    assert list(opened.files()) == []
    assert list(opened.unfinished()) == []


def test_any_range_can_be_read(opened: Store) -> None:
    put(opened, "x.csv", DATA)
    assert opened.size("x.csv") == 1000
    assert opened.read("x.csv", 0, 1000) == DATA
    assert opened.read("x.csv", 10, 5) == DATA[10:15]
    assert opened.read("x.csv", 990, 100) == DATA[990:]
    assert opened.read("x.csv", 1000, 1) == opened.read("x.csv", 5000, 1) == b""


def test_of_two_that_create_a_file_one_wins(opened: Store) -> None:
    barrier = threading.Barrier(4)
    won: list[bytes] = []

    def create(content: bytes) -> None:
        barrier.wait()
        if opened.create("manifest.json", content):
            won.append(content)

    threads = [threading.Thread(target=create, args=(str(number).encode(),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert opened.read("manifest.json", 0, 10) == won[0]
    assert opened.create("manifest.json", b"late") is False
    opened.replace("manifest.json", b"new")
    assert opened.read("manifest.json", 0, 10) == b"new"


def test_what_is_removed_is_gone(opened: Store) -> None:
    put(opened, "a/x.csv", DATA)
    put(opened, "a/y.csv", DATA)
    opened.remove("a/x.csv")
    opened.remove("a/x.csv")
    assert [file.path for file in opened.files()] == ["a/y.csv"]
    opened.replace("a/x.csv", b"again")
    assert opened.size("a/x.csv") == 5


def test_what_runs_is_listed_and_can_be_ended(place: StorePlace, opened: Store) -> None:
    if not place.lists_unfinished:
        with opened.file("b/x.csv") as file:
            for _ in range(LARGE_TIMES):
                file.write(LARGE)
            assert list(opened.unfinished()) == []
        return
    with opened.file("b/x.csv") as file, opened.file("b/other.csv") as other:
        for _ in range(LARGE_TIMES):
            file.write(LARGE)
            other.write(LARGE)
        found = {each.path: each for each in opened.unfinished()}
        assert set(found) == {"b/x.csv", "b/other.csv"}
        touched = found["b/x.csv"].touched
        assert touched is not None
        assert touched <= datetime.now(UTC)
        opened.end(found["b/x.csv"])
        opened.end(found["b/x.csv"])
        other.commit()
        with pytest.raises(TargetFailed):
            file.commit()
    assert list(opened.unfinished()) == []
    assert [each.path for each in opened.files()] == ["b/other.csv"]


def test_paths_that_lead_elsewhere_are_refused(opened: Store) -> None:
    for path in ("", "../x", "a/../x", "a//x", "/x", "x/", "a/./x"):
        with pytest.raises(SpecError):
            opened.file(path)
        with pytest.raises(SpecError):
            opened.create(path, b"")
        with pytest.raises(SpecError):
            opened.read(path, 0, 1)
