"""Parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from polyglot_export.errors import SpecError
from polyglot_export.fields import left_out
from polyglot_export.formats.base import EncoderOptions, FormatRecord, Memory
from polyglot_export.formats.columnar import MANIFEST, ColumnarOptions
from polyglot_export.limits import (
    PARQUET_COLUMN_BYTES,
    PARQUET_COLUMNS_BYTES,
    PARQUET_PAGES_PER_SEGMENT,
    PARQUET_ROW_BYTES,
    PARQUET_ROW_FACTOR,
)

__all__ = ["PARQUET", "ParquetOptions"]


SPARK: dict[str, Any] = {"uuid": "text", "time": "text"}
"""What the profile ``spark`` turns on: Spark refuses a file as a whole for one column of these types, whether it is
asked for or not (``ParquetToSparkSchemaConverter.convertPrimitiveField``). It takes all other types of ours."""
SPARK_MARKS = (("org.apache.spark.version", "3.5.0"),)
"""What the profile says in the footer. Spark 3 takes days before 1582-10-15 and instants before 1900 for possibly
Julian, and ends the query, unless this entry has a version from 3.1 on (``DataSourceUtils.datetimeRebaseSpec`` and
``int96RebaseSpec``). Ours are Gregorian throughout, as those of that version."""
PLAIN: dict[str, Any] = {"uuid": "uuid", "time": "time"}
"""The same options where no profile is asked for."""


def _by_profile(name: str) -> Any:
    """A field whose default depends on ``profile``."""
    return field(default=None, metadata=left_out(shown=PLAIN[name]))


@dataclass(frozen=True, slots=True)
class ParquetOptions(ColumnarOptions):
    """Parquet with logical types, written as a stream."""

    profile: Literal["spark"] | None = None
    """``spark`` writes only what Spark reads: uuid and time as text."""
    compression: Literal["snappy", "zstd", "lz4_raw", "gzip", "none"] = "snappy"
    """Of the pages inside the file."""
    uuid: Literal["uuid", "text"] = _by_profile("uuid")
    """Whether a uuid has its own logical type; ``text`` is for readers that do not know it."""
    time: Literal["time", "text", "int64"] = _by_profile("time")
    """``int64`` is a plain number of microseconds since midnight; it and ``text`` can hold 24:00:00."""
    timestamps: Literal["micros", "millis", "int96"] = "micros"
    """Of timestamp and timestamptz. ``millis`` cannot hold microseconds (``unrepresentable``); ``int96`` is what old
    engines read instead of a TIMESTAMP."""
    json: Literal["json", "text"] = "json"
    """``text`` leaves out the JSON logical type."""
    geometry: Literal["postgres", "wkt", "ewkt", "geojson", "geoparquet"] = "postgres"  # type: ignore[assignment] # one more
    """``geoparquet`` is WKB, with what GeoParquet says of it in the footer."""

    def _complete(self) -> None:
        for name, value in (SPARK if self.profile == "spark" else PLAIN).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def written_as(self) -> Mapping[str, str]:
        """By the options of the types."""
        changed = {
            "uuid": {"uuid": "uuid", "text": "string"}[self.uuid],
            "time": {"time": "time", "text": "string", "int64": "int64"}[self.time],
            "json": {"json": "json", "text": "string"}[self.json],
        }
        if self.time == "time" and self.time24 == "text":
            changed["time"] = "string"
        for name in ("timestamp", "timestamptz"):
            changed[name] = {"micros": name, "millis": f"{name}(millis)", "int96": "int96"}[self.timestamps]
        return changed

    @property
    def refused(self) -> Mapping[str, str]:
        """By Spark."""
        return {"uuid": "UUID", "time": "TIME"}

    @property
    def remedy(self) -> str:
        """For Spark."""
        return "for which Spark refuses the whole file; profile=spark writes text"


def _encoder_options(options: ParquetOptions, targets: Sequence[str], manifest: Mapping[str, str]) -> EncoderOptions:
    if not targets:
        raise SpecError("columns", "parquet needs at least one column")
    marks = SPARK_MARKS if options.profile == "spark" else ()
    return EncoderOptions(
        "parquet",
        parquet_compression=options.compression,
        unrepresentable_as_null=options.unrepresentable == "null",
        metadata=(*((MANIFEST.format(key), value) for key, value in manifest.items()), *marks),
    )


PARQUET = FormatRecord(
    name="parquet",
    title="Parquet",
    endings=(".parquet",),
    media_type="application/vnd.apache.parquet",
    options=ParquetOptions,
    encoder_options=_encoder_options,
    reading=lambda _options: EncoderOptions("parquet"),
    is_text=False,
    columnar=True,
    pages_per_segment=PARQUET_PAGES_PER_SEGMENT,
    memory=Memory(
        row_bytes=PARQUET_ROW_BYTES,
        row_factor=PARQUET_ROW_FACTOR,
        column_bytes=PARQUET_COLUMN_BYTES,
        columns_bytes=PARQUET_COLUMNS_BYTES,
        row_groups=True,
    ),
)
