"""What an export is called and declared as: media type, file name, encoding."""

from __future__ import annotations

import re
from urllib.parse import quote

from polyglot_export.formats.csv import CsvOptions
from polyglot_export.request.spec import Compression, ExportSpec, Format

__all__ = ["DEFAULT_STEM", "file_headers", "file_name"]

DEFAULT_STEM = "export"
"""The file's name where the request names no dataset."""

_MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.TSV: "text/tab-separated-values; charset=utf-8",
    Format.JSON: "application/json",
    Format.NDJSON: "application/x-ndjson",
    Format.XML: "application/xml",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_COMPRESSED = {Compression.GZIP: (".gz", "application/gzip"), Compression.ZSTD: (".zst", "application/zstd")}
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
"""What no file system or an important one refuses, or reads as a path."""


def file_headers(spec: ExportSpec, stem: str) -> dict[str, str]:
    """The headers of a file that are known before the export runs.

    A compressed file is by default the file in an encoding (``Content-Encoding``), which clients undo; with
    ``compressionAs: "file"`` it is a compressed file, which clients keep as it is.
    """
    headers = {"Content-Type": _media_type(spec), "Content-Disposition": _disposition(file_name(spec, stem))}
    if spec.compression is not None:
        if spec.compression_as == "file":
            headers["Content-Type"] = _COMPRESSED[spec.compression][1]
        else:
            headers["Content-Encoding"] = spec.compression.value
    return headers


def file_name(spec: ExportSpec, stem: str) -> str:
    """``orders.csv``, or ``orders.csv.gz`` where the compressed file itself is what is saved."""
    name = f"{_UNSAFE.sub('_', stem).strip('. ') or DEFAULT_STEM}.{spec.format.value}"
    if spec.compression is not None and spec.compression_as == "file":
        name += _COMPRESSED[spec.compression][0]
    return name


def _media_type(spec: ExportSpec) -> str:
    """RFC 4180 has the ``header`` parameter of text/csv."""
    media_type = _MEDIA_TYPES[spec.format]
    if spec.format is Format.CSV and isinstance(spec.options, CsvOptions):
        media_type += f"; header={'present' if spec.options.header else 'absent'}"
    return media_type


def _disposition(name: str) -> str:
    """RFC 6266: ``filename`` in ASCII for old clients, ``filename*`` (RFC 8187) with every character for all others."""
    plain = "".join(character if character.isascii() and character != "%" else "_" for character in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
