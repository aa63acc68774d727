"""A folder as a store, while others remove files in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from polyglot_export import TargetFailed
from polyglot_export.destinations.folder import FolderStore

NAME = "public.orders/day=2026-11-25/part-00000.csv"


def create(store: FolderStore) -> None:
    assert store.create(NAME, b"whole")


def replace(store: FolderStore) -> None:
    store.replace(NAME, b"whole")


def remove_when_made(monkeypatch: pytest.MonkeyPatch, store: FolderStore, times: int | None) -> list[Path]:
    """Another thread ends its removal of the last file of a folder just when the folder was made for the next one: so many
    times, or always.
    """
    real = Path.mkdir
    made: list[Path] = []

    def mkdir(self: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        real(self, mode, parents, exist_ok)
        if parents and (times is None or len(made) < times):
            made.append(self)
            store.remove(NAME)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    return made


@pytest.mark.parametrize("write", [create, replace])
def test_a_folder_that_goes_when_it_was_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[FolderStore], None]
) -> None:
    store = FolderStore(tmp_path)
    made = remove_when_made(monkeypatch, store, times=3)
    write(store)
    assert len(made) == 3
    assert (tmp_path / NAME).read_bytes() == b"whole"
    assert [file.path for file in store.files()] == [NAME]


@pytest.mark.parametrize("write", [create, replace])
def test_one_that_always_goes_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[FolderStore], None]
) -> None:
    store = FolderStore(tmp_path)
    remove_when_made(monkeypatch, store, times=None)
    with pytest.raises(TargetFailed, match=r"part-00000\.csv: No such file or directory"):
        write(store)
    assert list(tmp_path.iterdir()) == []
