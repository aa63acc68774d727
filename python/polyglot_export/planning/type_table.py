"""Types with a decoder."""

from __future__ import annotations

__all__ = ["NATIVE"]

NATIVE: dict[str, tuple[str, str]] = {
    "bool": ("bool", "boolean"),
    "int2": ("int2", "int16"),
    "int4": ("int4", "int32"),
    "int8": ("int8", "int64"),
    "oid": ("oid", "int64"),
    "float4": ("float4", "float"),
    "float8": ("float8", "double"),
    "numeric": ("numeric", "decimal"),
    "text": ("text", "string"),
    "varchar": ("text", "string"),
    "bpchar": ("text", "string"),
    "name": ("text", "string"),
    "char": ("char", "string"),
    "bytea": ("bytea", "bytes"),
    "date": ("date", "date"),
    "time": ("time", "time"),
    "timetz": ("timetz", "string"),
    "timestamp": ("timestamp", "timestamp"),
    "timestamptz": ("timestamptz", "timestamptz"),
    "interval": ("interval", "string"),
    "uuid": ("uuid", "uuid"),
    "json": ("json", "json"),
    "jsonb": ("jsonb", "json"),
}
"""Types of ``pg_catalog`` with a decoder: name → decoder, Parquet type (``decimal`` depends on the modifier)."""
