"""What the footer of a Parquet file says of its geometries: GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0/)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from polyglot_export.planning.choose import Choice
from polyglot_export.planning.columns import SHOWN_COLUMNS
from polyglot_export.planning.geometry import geometry_of
from polyglot_export.postgres.catalogue.types import Types

__all__ = ["GeoColumn", "crs_remark", "geo_columns", "geo_metadata"]

VERSION = "1.1.0"
KEY = "geo"
"""Of the footer's entry."""
WGS84 = 4326
"""The SRID whose coordinates are those of OGC:CRS84, which a column has that names no CRS: longitude first, as WKB
always has it."""
_TYPES = (
    "Point",
    "LineString",
    "Polygon",
    "MultiPoint",
    "MultiLineString",
    "MultiPolygon",
    "GeometryCollection",
)
"""By PostGIS's number, from 1 (its ``liblwgeom.h``); GeoParquet has no others."""


class GeoColumn(NamedTuple):
    """A column of WKB, as the modifier of its type describes it (``liblwgeom.h``, ``TYPMOD_GET_SRID`` and the like)."""

    name: str
    modifier: int
    spherical: bool

    @property
    def srid(self) -> int:
        """Of every value; 0 where they may differ or have none."""
        if self.modifier < 0:
            return 0
        packed = self.modifier
        return ((packed & 0x0FFFFF00) - (packed & 0x10000000)) >> 8

    @property
    def types(self) -> list[str]:
        """What every value is; nothing where that is not known, or is a type that GeoParquet has no name for."""
        number = (self.modifier & 0xFC) >> 2 if self.modifier >= 0 else 0
        measured = self.modifier & 1
        if measured or not 1 <= number <= len(_TYPES):
            return []
        return [_TYPES[number - 1] + (" Z" if self.modifier & 2 else "")]

    def described(self) -> dict[str, Any]:
        """The members of the specification's "Column metadata"."""
        column: dict[str, Any] = {"encoding": "WKB", "geometry_types": self.types}
        if self.srid != WGS84:
            # "Explicitly set to null": the readers do not know it. PROJJSON is all that is allowed beside that, and
            # PostgreSQL has none.
            column["crs"] = None
        if self.spherical:
            column["edges"] = "spherical"
        return column


def geo_columns(choices: Iterable[Choice], types: Types) -> list[GeoColumn]:
    """The columns of an export that are geometries."""
    found = []
    for choice in choices:
        type_, modifier = geometry_of(choice, types)
        if type_ is not None:
            found.append(GeoColumn(choice.target, modifier, type_.name == "geography"))
    return found


def geo_metadata(columns: list[GeoColumn]) -> tuple[tuple[str, str], ...]:
    """The footer's entry; nothing where there are no geometries: the specification has no file without one."""
    if not columns:
        return ()
    document = {
        "version": VERSION,
        "primary_column": columns[0].name,
        "columns": {column.name: column.described() for column in columns},
    }
    return ((KEY, json.dumps(document, ensure_ascii=False)),)


def crs_remark(columns: list[GeoColumn]) -> tuple[str, ...]:
    """That the file cannot say in which system the coordinates are."""
    unknown = [column for column in columns if column.srid != WGS84]
    if not unknown:
        return ()
    names = ", ".join(f"{column.name!r} (SRID {column.srid or 'of each value'})" for column in unknown[:SHOWN_COLUMNS])
    more = f" and {len(unknown) - SHOWN_COLUMNS:,} more" if len(unknown) > SHOWN_COLUMNS else ""
    remark = (
        f"the file names no coordinate system for {names}{more}; GeoParquet has a name only for longitude and latitude"
        f" (SRID {WGS84}), into which ST_Transform in a query puts them"
    )
    return (remark,)
