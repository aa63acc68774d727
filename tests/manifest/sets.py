"""Sets of files to be verified: tables that were exported, with the manifest that belongs to them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from polyglot_export import export_to_file
from polyglot_export.compressions import Compression
from polyglot_export.fields import write_record
from polyglot_export.formats.registry import Format
from polyglot_export.manifest.document import MANIFEST, Manifest, PartEntry, RelationEntry, WriteOptions
from tests.manifest.helpers import SMALL

__all__ = ["edit", "made", "paths", "rewrite"]


def made(
    dsn: str,
    folder: Path,
    tables: list[str],
    format_: Format = Format.CSV,
    compression: Compression | None = None,
    **options: Any,
) -> Manifest:
    """Export each table twice, as two parts, and write the manifest."""
    relations = []
    for table in tables:
        home = quote(f"public.{table}", safe="")
        (folder / home).mkdir(parents=True)
        ending = format_.record.endings[0] + (compression.record.ending if compression else "")
        parts = []
        for number in range(2):
            path = f"{home}/part-{number:05}{ending}"
            source = '"' + table.replace('"', '""') + '"'
            result = export_to_file(dsn, source, folder / path, options=options)
            parts.append(part(folder, path, result.rows))
        relations.append(
            RelationEntry(
                schema="public",
                name=table,
                kind="table",
                folder=home,
                rows=sum(each.rows for each in parts),
                parts=tuple(parts),
            )
        )
    written = WriteOptions(
        format=format_, compression=compression, format_options=write_record(format_.record.options(**options))
    )
    manifest = replace(SMALL, options=written, relations=tuple(relations))
    (folder / MANIFEST).write_bytes(manifest.to_json())
    return manifest


def part(folder: Path, path: str, rows: int) -> PartEntry:
    """The entry of a file as it is."""
    content = (folder / path).read_bytes()
    return PartEntry(path=path, bytes=len(content), rows=rows, sha256=hashlib.sha256(content).hexdigest())


def paths(manifest: Manifest) -> list[str]:
    """The files of a set."""
    return [each.path for relation in manifest.relations for each in relation.parts]


def rewrite(folder: Path, manifest: Manifest) -> None:
    """Write another manifest, with its digest."""
    (folder / MANIFEST).write_bytes(manifest.to_json())


def edit(folder: Path, *steps: str | int, value: Any) -> None:
    """Change a member of the manifest by hand, with or without its digest."""
    content = json.loads((folder / MANIFEST).read_bytes())
    place = content
    for step in steps[:-1]:
        place = place[step]
    place[steps[-1]] = value
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
