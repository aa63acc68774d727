"""Finds the manifest of a set of files."""

from __future__ import annotations

import os
import re
from itertools import islice

from polyglot_export.destinations.store import Store
from polyglot_export.destinations.stores import store
from polyglot_export.errors import ManifestError, SpecError
from polyglot_export.limits import MANIFEST_BYTES
from polyglot_export.manifest.document import MANIFEST, Manifest
from polyglot_export.manifest.members import folder as folder_member

__all__ = ["ENDING", "claim_number", "claim_path", "locate", "path_below", "read_manifest"]

ENDING = ".json"
"""A destination that ends so is a manifest; any other one has its manifest in it."""


_CLAIM = re.compile(r"\.manifest\.json\.(\d{1,9})\.claim")


def claim_path(number: int) -> str:
    """The name of the file by which a dump that is being written keeps other ones out of its place."""
    return f".{MANIFEST}.{number}.claim"


def claim_number(path: str) -> int | None:
    """Of a claim, which is no part of the set; ``None`` for any other file."""
    match = _CLAIM.fullmatch(path)
    return None if match is None else int(match[1])


def path_below(target: str, manifest: str) -> str | None:
    """Where something is, seen from the folder of a manifest.

    Args:
        target: A file or folder, as the user wrote it.
        manifest: The file of the manifest, as the user wrote it.

    Returns:
        The path, with which a manifest names it; empty text for the folder itself, ``None`` if it is not below it.
    """
    if "://" in target or "://" in manifest:
        folder = f"{manifest.rpartition('/')[0]}/"
        if "://" not in manifest or not f"{target}/".startswith(folder):
            return None
        below = target.removeprefix(folder.removesuffix("/")).removeprefix("/").removesuffix("/")
    else:
        below = os.path.relpath(os.path.realpath(target), os.path.dirname(os.path.realpath(manifest)))  # noqa: PTH120
        below = "" if below == "." else below
    try:
        return folder_member(below)
    except SpecError:
        return None


def locate(destination: str) -> tuple[Store, str]:
    """The store of a set of files, and the path of its manifest in it.

    Args:
        destination: The folder or URL of the set, or its manifest.

    Raises:
        SpecError: There is no store of this kind.
        ManifestError: It is a file that is no manifest.
    """
    folder, slash, name = destination.rpartition("/")
    if name.endswith(ENDING) and not os.path.isdir(destination):  # noqa: PTH112 - it may be no path at all
        return store(f"{folder}{slash}" or "."), name
    if os.path.isfile(destination):  # noqa: PTH113
        raise ManifestError(f"{destination} is a file: name the folder that it is in, or its manifest (…{ENDING})")
    return store(destination), MANIFEST


def read_manifest(place: Store, path: str) -> Manifest:
    """The manifest of a set; whether it was changed tells :attr:`Manifest.intact`.

    Raises:
        ManifestError: There is none, or it cannot be read.
        TargetFailed: The store does not answer.
    """
    size = place.size(path)
    if size is None:
        raise ManifestError(f"there is no {path} in {place.url}{_beside(place)}")
    if size > MANIFEST_BYTES:
        raise ManifestError(f"{path} has {size} bytes, and a manifest has at most {MANIFEST_BYTES}")
    return Manifest.from_json(place.read(path, 0, size), check_digest=False)


def _beside(place: Store) -> str:
    """What a folder without a manifest is."""
    return "; the files in it are no complete set" if any(islice(place.files(), 1)) else ""
