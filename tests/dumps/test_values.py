"""The names of folders for values: as other readers undo them, and as a dump knows its own files again."""

from __future__ import annotations

from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from polyglot_export.dumps.layout import Layout
from polyglot_export.dumps.values import part_of, value_file, value_folder
from polyglot_export.formats.registry import Format

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)


@given(key=st.text("aZ_=/% ü", min_size=1, max_size=70), value=st.none() | TEXT, again=st.integers(0, 12))
@example(key="k", value="%" * 300, again=0)
@example(key="k", value="ü/" * 90, again=3)
@example(key="%" * 63 + "_day", value="2026-11-25", again=0)
def test_a_file_is_known_again(key: str, value: str | None, again: int) -> None:
    folder = value_folder(key, value)
    assert len(folder.name.encode()) <= 200
    assert "/" not in folder.name
    assert folder.name.count("=") == 1
    assert folder.name.split("=")[0] == value_folder(key, None).name.split("=")[0], "readers need the same one in all"
    if value and folder.tells_all:
        assert unquote(folder.name.split("=")[1]) == value
    if len(key) <= 50:
        assert unquote(folder.name.split("=")[0]) == key
    for destination, below in (("lake", "public.t"), ("lake/{schema}/t={table}", "public/t=t"), ("lake", "top")):
        layout = Layout(destination, Format.CSV, None)
        for generation in (0, 3):
            part = layout.part(below, 7, generation)
            path = value_file(part, folder.name, again)
            assert layout.generation_of(path) == generation
            assert part_of(path) == part


def test_values_that_are_shortened_stay_apart() -> None:
    names = {value_folder("k", "x" * 300 + end).name for end in "abc"}
    assert len(names) == 3
    assert not any(value_folder("k", "x" * 300 + end).tells_all for end in "abc")


def test_files_of_others_are_not_known() -> None:
    layout = Layout("lake", Format.PARQUET, None)
    for path in (
        "day=1/part-00000.parquet",
        "t/day=1/part-00000-0a1b.c000.snappy.parquet",
        "t/day=1/month=2/part-00000.parquet",
        "t/day/part-00000.parquet",
        "a.b/c.d/day=1/part-00000.parquet",
    ):
        assert layout.generation_of(path) is None, path
