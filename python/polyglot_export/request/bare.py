"""The spec of an export that asks for a source, a format, a compression and a limit, and for nothing else.

That is most exports of the command line. Importing pydantic and building the models of ``request/spec.py`` takes longer
than connecting, so for them the same members are put together here, with the defaults written out; a test compares both
for every format.
"""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from polyglot_export.compressions import Compression
from polyglot_export.formats.names import Format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polyglot_export.request.spec import ExportSpec

__all__ = ["bare_spec"]

MAX_LIMIT: Final = 2**63 - 1

_CSV: Final = {
    "time_zone": "UTC",
    "profile": None,
    "delimiter": ",",
    "header": True,
    "null": "",
    "quote": '"',
    "escape": None,
    "force_quote": (),
    "line_end": "lf",
    "bom": False,
    "formula_guard": False,
}
_JSON: Final = {"time_zone": "UTC", "big_numbers": "number"}
_OPTIONS: Final[Mapping[Format, Mapping[str, Any]]] = MappingProxyType(
    {
        Format.CSV: _CSV,
        Format.TSV: _CSV | {"delimiter": "\t"},
        Format.JSON: _JSON,
        Format.NDJSON: _JSON,
        Format.XML: {
            "time_zone": "UTC",
            "root": "records",
            "record": "record",
            "json_types": "containers",
            "invalid_xml_chars": "error",
        },
        Format.PARQUET: {
            "time_zone": "UTC",
            "compression": "snappy",
            "numeric_fallback": "string",
            "unrepresentable": "error",
            "time24": "error",
            "arrays": "list",
        },
    }
)


class _BareSpec(NamedTuple):
    """The members of ``spec.ExportSpec``."""

    format: Format
    dataset: str | None
    query: str | None
    limit: int | None
    compression: Compression | None
    options: SimpleNamespace
    columns: None = None
    filter: tuple[()] = ()
    order_by: tuple[()] = ()
    compression_as: str = "encoding"
    delivery: str = "stream"


def bare_spec(
    format_name: str, *, dataset: str | None, query: str | None, limit: int | None, compression: str | None
) -> ExportSpec | None:
    """A spec without pydantic.

    Args:
        format_name: One of the values of :class:`Format`.
        dataset: The table or view.
        query: The statement; one of the two is given.
        limit: At most this many rows.
        compression: One of the values of :class:`Compression`.

    Returns:
        ``None`` where something is wrong with it: the validated model then says what.
    """
    named = dataset if query is None else query
    too_many = limit is not None and not 0 <= limit <= MAX_LIMIT
    if (
        not named
        or (dataset is not None and query is not None)
        or too_many
        or (compression is not None and format_name == "parquet")
    ):
        return None
    chosen = Format(format_name)
    spec = _BareSpec(
        chosen,
        dataset,
        query,
        limit,
        Compression(compression) if compression is not None else None,
        SimpleNamespace(**_OPTIONS[chosen]),
    )
    return cast("ExportSpec", spec)
