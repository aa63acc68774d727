"""What an export is called and declared as: media type, file name, encoding."""

from __future__ import annotations

from polyglot_export.request.spec import ExportSpec
from polyglot_export.text.file_names import disposition, safe_name

__all__ = ["DEFAULT_STEM", "file_headers", "file_name"]

DEFAULT_STEM = "export"
"""The file's name where the request names no dataset."""


def file_headers(spec: ExportSpec, stem: str) -> dict[str, str]:
    """The headers of a file that are known before the export runs.

    A compressed file is by default the file in an encoding (``Content-Encoding``), which clients undo; with
    ``compressionAs: "file"`` it is a compressed file, which clients keep as it is.
    """
    headers = {
        "Content-Type": spec.format.record.content_type(spec.options),
        "Content-Disposition": disposition(file_name(spec, stem)),
    }
    if spec.compression is not None:
        if spec.compression_as == "file":
            headers["Content-Type"] = spec.compression.record.media_type
        else:
            headers["Content-Encoding"] = spec.compression.value
    return headers


def file_name(spec: ExportSpec, stem: str) -> str:
    """``orders.csv``, or ``orders.csv.gz`` where the compressed file itself is what is saved; or what the caller has
    called it, with the ending that it lacks.
    """
    ending = spec.format.record.endings[0]
    packed = spec.compression.record.ending if spec.compression is not None and spec.compression_as == "file" else ""
    if spec.filename is None:
        return f"{safe_name(stem) or DEFAULT_STEM}{ending}{packed}"
    endings = tuple(each + packed for each in spec.format.record.endings)
    if spec.filename.lower().endswith(endings):
        return spec.filename
    return _with_ending(_with_ending(spec.filename, ending), packed)


def _with_ending(name: str, ending: str) -> str:
    return name if name.lower().endswith(ending) else name + ending
