"""What an export is called and declared as: media type, file name, encoding."""

from __future__ import annotations

import re
from urllib.parse import quote

from polyglot_export.request.spec import ExportSpec

__all__ = ["DEFAULT_STEM", "file_headers", "file_name"]

DEFAULT_STEM = "export"
"""The file's name where the request names no dataset."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
"""What no file system or an important one refuses, or reads as a path."""


def file_headers(spec: ExportSpec, stem: str) -> dict[str, str]:
    """The headers of a file that are known before the export runs.

    A compressed file is by default the file in an encoding (``Content-Encoding``), which clients undo; with
    ``compressionAs: "file"`` it is a compressed file, which clients keep as it is.
    """
    headers = {
        "Content-Type": spec.format.record.content_type(spec.options),
        "Content-Disposition": _disposition(file_name(spec, stem)),
    }
    if spec.compression is not None:
        if spec.compression_as == "file":
            headers["Content-Type"] = spec.compression.record.media_type
        else:
            headers["Content-Encoding"] = spec.compression.value
    return headers


def file_name(spec: ExportSpec, stem: str) -> str:
    """``orders.csv``, or ``orders.csv.gz`` where the compressed file itself is what is saved."""
    name = f"{_UNSAFE.sub('_', stem).strip('. ') or DEFAULT_STEM}{spec.format.record.endings[0]}"
    if spec.compression is not None and spec.compression_as == "file":
        name += spec.compression.record.ending
    return name


def _disposition(name: str) -> str:
    """RFC 6266: ``filename`` in ASCII for old clients, ``filename*`` (RFC 8187) with every character for all others."""
    plain = "".join(character if character.isascii() and character != "%" else "_" for character in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
