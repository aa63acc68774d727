"""What a dump holds, compared with what the server says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from polyglot_export import verify
from polyglot_export.manifest.document import MANIFEST, Manifest
from tests.library.helpers import copied

__all__ = ["content", "files", "held_by", "manifest_of", "same"]


def files(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too, without the manifest."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(name for path in found if (name := str(path.relative_to(folder))) != MANIFEST)


def manifest_of(folder: Path) -> Manifest:
    """Its manifest, which must be intact."""
    return Manifest.from_json((folder / MANIFEST).read_bytes())


def held_by(folder: Path) -> dict[str, Any]:
    """Its manifest as another program reads it."""
    found: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
    return found


def content(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """The bytes of each relation of a dump in csv: its parts, with the header of the first one alone."""
    found = {}
    for relation in manifest.relations:
        parts = [(folder / part.path).read_bytes() for part in relation.parts]
        header = parts[0][: parts[0].index(b"\n") + 1] if parts[0] else b""
        found[relation.full_name] = header + b"".join(part.removeprefix(header) for part in parts)
    return found


def same(conn: psycopg.Connection, folder: Path) -> Manifest:
    """See that a dump in csv is what the server says of every relation in it, and that it can be verified."""
    manifest = manifest_of(folder)
    for relation in manifest.relations:
        if relation.schema is not None:
            name = sql.Identifier(relation.schema, relation.name).as_string(conn)
            expected = copied(conn, f"SELECT * FROM {name}")
            assert content(folder, manifest)[relation.full_name] == expected, relation.full_name
            counted = conn.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()
            assert counted == (relation.rows,)
    report = verify(folder)
    assert report.ok, (report.faults, report.unchecked)
    return manifest
