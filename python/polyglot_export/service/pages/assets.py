"""The files of the page: read once, named by their digest, packed once."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from polyglot_export.service.pages.formats import described_formats

__all__ = ["Asset", "Assets", "assets"]

FOLDER = "app"
INDEX = "index.html"
FORMATS = "formats.json"
"""Made of the records of the formats."""
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
VERSION = b"VERSION"
"""In the index: the digest of all the other files, which is a part of their addresses."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    content: bytes
    packed: bytes
    """The same as gzip."""
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All of them. Memory: 150 kB."""

    files: Mapping[str, Asset]
    version: str

    def index(self) -> Asset:
        """The page itself."""
        return self.files[INDEX]


@cache
def assets() -> Assets:
    """What the package has, and what is made of its records."""
    folder = resources.files("polyglot_export.service.pages").joinpath(FOLDER)
    contents = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(tuple(MEDIA_TYPES))}
    contents[FORMATS] = json.dumps(described_formats(), separators=(",", ":")).encode()
    index = contents.pop(INDEX)
    version = hashlib.sha256(b"".join(contents[name] for name in sorted(contents))).hexdigest()[:16]
    contents[INDEX] = index.replace(VERSION, version.encode())
    return Assets({name: _asset(name, content) for name, content in contents.items()}, version)


def _asset(name: str, content: bytes) -> Asset:
    media_type = MEDIA_TYPES["." + name.rpartition(".")[2]]
    return Asset(content, gzip.compress(content, 9, mtime=0), media_type, hashlib.sha256(content).hexdigest()[:32])
