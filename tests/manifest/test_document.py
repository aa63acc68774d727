"""A manifest is written and read; what is read is outside data."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export import ManifestError
from polyglot_export.errors import SpecError
from polyglot_export.limits import MANIFEST_BYTES
from polyglot_export.manifest.document import Manifest, PartEntry
from tests.manifest.helpers import FULL, PART, RELATION, SHA256, SMALL

every_manifest = pytest.mark.parametrize("manifest", [SMALL, FULL], ids=["small", "full"])


def edited(manifest: Manifest, *path: str | int, value: Any) -> bytes:
    """The file of a manifest with one member changed, and its old digest."""
    content = json.loads(manifest.to_json())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(content).encode()


@every_manifest
def test_what_is_written_is_read(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest.with_digest()


@every_manifest
def test_the_same_content_is_the_same_bytes(manifest: Manifest) -> None:
    again = Manifest.from_json(manifest.to_json()).to_json()
    assert again == manifest.to_json()


def test_the_digest_can_be_made_by_others() -> None:
    """As the page says: SHA-256 of the JSON without the digest, with sorted names and no white space, in UTF-8."""
    content = json.loads(FULL.to_json())
    digest = content.pop("digest")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert digest == f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def test_a_part_and_a_column_have_a_line_each() -> None:
    lines = [line.strip() for line in FULL.to_json().decode().splitlines()]
    assert sum(line.startswith('{"path": ') and line.rstrip(",").endswith("}") for line in lines) == 1
    assert sum(line.startswith('{"name": ') and '"type": ' in line for line in lines) == 2


def test_names_are_camel_case() -> None:
    def names(value: Any) -> set[str]:
        if isinstance(value, dict):
            return set(value) | {name for item in value.values() for name in names(item)}
        return {name for item in value for name in names(item)} if isinstance(value, list) else set()

    own = names(json.loads(replace(FULL, relations=()).to_json()))
    assert "_" not in "".join(own)
    assert {"formatVersion", "takenAt", "systemIdentifier"} <= own


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("complete",), True),
        (("relations", 0, "parts", 0, "rows"), 1),
        (("relations", 0, "parts", 0, "partition", "state"), "new"),
        (("relations", 0, "name"), "order"),
        (("digest",), "sha256:" + "0" * 64),
        (("digest",), ""),
    ],
)
def test_a_change_is_seen(path: tuple[str | int, ...], value: Any) -> None:
    content = edited(FULL, *path, value=value)
    with pytest.raises(ManifestError, match="was changed"):
        Manifest.from_json(content)
    assert not Manifest.from_json(content, check_digest=False).intact


def test_other_white_space_and_order_are_no_change() -> None:
    content = json.dumps(dict(reversed(json.loads(FULL.to_json()).items()))).encode()
    assert Manifest.from_json(content) == FULL.with_digest()


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "a\0b", "..\\x", "\ud800"],
)
def test_a_path_stays_below_the_manifest(path: str) -> None:
    with pytest.raises(SpecError):
        replace(PART, path=path)
    with pytest.raises(ManifestError, match=r"relations\.0\.parts\.0\.path"):
        Manifest.from_json(edited(FULL, "relations", 0, "parts", 0, "path", value=path))
    if path:
        with pytest.raises(ManifestError, match=r"relations\.0\.folder"):
            Manifest.from_json(edited(FULL, "relations", 0, "folder", value=path))


@pytest.mark.parametrize("path", ["a", "a.b/c", "...", "a..b", "..a/b..", "ä 😀/\n", '"', "C:x", "~", "%2F"])
def test_odd_paths_are_kept(path: str) -> None:
    manifest = replace(SMALL, relations=(replace(RELATION, parts=(replace(PART, path=path),)),))
    assert Manifest.from_json(manifest.to_json()).relations[0].parts[0].path == path


def test_a_path_is_named_once() -> None:
    with pytest.raises(SpecError, match="named twice"):
        replace(SMALL, relations=(RELATION, replace(RELATION, name="other")))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Expecting value"),
        (b"\xff\xfe", "decode"),
        (b"[]", "no JSON object"),
        (b"{}", "tool: is missing"),
        (b'{"a": 1, "a": 2}', "'a' is given twice"),
        (b'{"a": 1.5}', "1.5"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": 1e999}', "1e999"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"formatVersion": 2}', "has version 2"),
        (b'{"formatVersion": 0}', "is missing"),
        (b" " * (MANIFEST_BYTES + 1), "at most"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "limit"),
    ],
)
def test_what_is_no_manifest(content: bytes, says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        Manifest.from_json(content)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("complete",), "maybe", "complete: must be true or false"),
        (("surprise",), 1, "unknown member 'surprise'"),
        (("options", "format"), "avro", "options.format: must be 'csv'"),
        (("relations", 0, "kind"), "index", r"relations\.0\.kind: must be 'table'"),
        (("relations", 0, "rows"), -1, r"relations\.0\.rows: must be greater"),
        (("relations", 0, "losses"), {"a": -1}, r"relations\.0\.losses\.a: must be a whole number"),
        (("relations", 0, "parts", 0, "sha256"), "ABC", "64 hexadecimal"),
        (("relations", 0, "parts", 0, "partition"), {"day": 3}, "must be a string"),
        (("options", "formatOptions"), [], "must be an object"),
        (("options", "partitionBy"), {"a": None}, "must be a string"),
    ],
)
def test_a_wrong_member_is_named(path: tuple[str | int, ...], value: Any, says: str) -> None:
    with pytest.raises(ManifestError, match=says):
        Manifest.from_json(edited(FULL, *path, value=value))


def test_what_could_not_be_read_again_is_not_written() -> None:
    long = replace(SMALL, source=replace(SMALL.source, database="x" * MANIFEST_BYTES))
    with pytest.raises(ManifestError, match="at most"):
        long.to_json()


@given(st.binary(max_size=200))
def test_any_bytes_are_an_error_of_ours(content: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_json(content)


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_characters="/\\\0", codec="utf-8"), min_size=3), st.integers(0)),
        max_size=5,
    )
)
def test_any_names_and_counts_are_kept(parts: list[tuple[str, int]]) -> None:
    entries = tuple(
        PartEntry(path=f"{number}/{name}x", bytes=rows, rows=rows, sha256=SHA256, partition={name: name})
        for number, (name, rows) in enumerate(parts)
    )
    manifest = replace(SMALL, relations=(replace(RELATION, parts=entries),))
    assert Manifest.from_json(manifest.to_json()) == manifest.with_digest()
