"""The files that every reader is given: one for each type, with the options that change it, and what it must hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from polyglot_export import export

__all__ = ["SAMPLES", "Sample", "files"]

UUIDS = ("f47ac10b-58cc-4372-a567-0e02b2c3d479", "00000000-0000-0000-0000-000000000000")
STAMPS = ("2026-01-31 12:00:00.000001", "1969-12-31 23:59:59.999999", "2200-06-01 00:00:00")
WHOLE_STAMPS = ("2026-01-31 12:00:00.001", "1969-12-31 23:59:59.999", "2200-06-01 00:00:00")
OLD_DATES = ("1582-10-04", "0001-01-01", "1500-02-28")
OLD_STAMPS = ("1582-10-04 23:00:00", "0001-01-01 00:00:00", "1850-06-01 12:00:00")
DOCUMENTS = ('{"a": [1, null]}', '"x"', "null")


@dataclass(frozen=True, slots=True)
class Sample:
    """A column of one type in a file of its own, so that a reader which refuses the file refuses only that."""

    type: str
    values: tuple[str, ...]
    note: str = ""
    """What tells it from another sample of the same type."""
    options: dict[str, str] = field(default_factory=dict)
    meaning: str = "text"
    """How a value is compared: as text, a number, a float, a date …"""
    printed: str = "{}::text"
    """SQL of what a reader must see, as text."""

    @property
    def title(self) -> str:
        """As the table calls it."""
        options = ", ".join(f"`{name}={value}`" for name, value in self.options.items())
        return ", ".join(part for part in (f"`{self.type}`", self.note, options) if part)

    @property
    def is_list(self) -> bool:
        """Whether the values are arrays."""
        return self.type.endswith("[]")


_MICROS = "(extract(epoch FROM {}) * 1000000)::bigint::text"
_STAMP = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
_LOCAL = "to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')"
_HEX = "encode({}, 'hex')"


def _stamps(type_: str, printed: str) -> list[Sample]:
    return [
        Sample(type_, STAMPS, meaning="timestamp", printed=printed),
        Sample(type_, OLD_STAMPS, "before 1900", meaning="timestamp", printed=printed),
        Sample(type_, OLD_STAMPS, "before 1900", {"profile": "spark"}, "timestamp", printed),
        Sample(type_, WHOLE_STAMPS, "", {"timestamps": "millis"}, "timestamp", printed),
        Sample(type_, STAMPS, "", {"timestamps": "int96"}, "timestamp", printed),
        Sample(type_, OLD_STAMPS, "before 1900", {"timestamps": "int96"}, "timestamp", printed),
    ]


SAMPLES: tuple[Sample, ...] = (
    Sample("boolean", ("t", "f")),
    Sample("smallint", ("-32768", "32767"), meaning="number"),
    Sample("integer", ("-2147483648", "2147483647"), meaning="number"),
    Sample("bigint", ("-9223372036854775808", "9007199254740993", "9223372036854775807"), meaning="number"),
    Sample("oid", ("0", "4294967295"), meaning="number"),
    Sample("real", ("1.5", "-0.1", "3.4028235e38", "NaN", "Infinity"), meaning="real"),
    Sample("double precision", ("0.1", "-1.7976931348623157e308", "NaN", "-Infinity"), meaning="float"),
    Sample("numeric(9,2)", ("-9999999.99", "0.10"), meaning="number"),
    Sample("numeric(18,4)", ("99999999999999.9999", "-0.0001"), meaning="number"),
    Sample("numeric(38,10)", ("9999999999999999999999999999.9999999999", "-0.0000000001"), meaning="number"),
    Sample("numeric", ("1.500", "123456789012345678901234567890123456789012345.1")),
    Sample("text", ("Zoë 😀", "", "a\nb", "NULL")),
    Sample("bytea", ("\\x00ff", "\\x", "\\x616263"), meaning="bytes", printed=_HEX),
    Sample("date", ("2026-01-31", "1969-12-31", "9999-12-31"), meaning="date"),
    Sample("date", OLD_DATES, "before 1583", meaning="date"),
    Sample("date", OLD_DATES, "before 1583", {"profile": "spark"}, "date"),
    Sample("time", ("12:34:56.000001", "00:00:00", "23:59:59.999999"), meaning="time"),
    Sample("time", ("12:34:56.000001", "24:00:00"), "", {"time": "text"}),
    Sample("time", ("12:34:56.000001", "24:00:00"), "", {"time": "int64"}, "number", _MICROS),
    *_stamps("timestamp", _LOCAL),
    *_stamps("timestamptz", _STAMP),
    Sample("interval", ("1 year -3 days 04:05:06.7", "00:00:00")),
    Sample("uuid", UUIDS, meaning="uuid"),
    Sample("uuid", UUIDS, "", {"uuid": "text"}),
    Sample("json", DOCUMENTS),
    Sample("json", DOCUMENTS, "", {"json": "text"}),
    Sample("integer[]", ("{1,NULL,3}", "{}"), meaning="number"),
    Sample("text[]", ("{a,NULL,é}", "{}")),
    Sample("uuid[]", (f"{{{UUIDS[0]},NULL}}", "{}"), meaning="uuid"),
    Sample("uuid[]", (f"{{{UUIDS[0]},NULL}}", "{}"), "", {"uuid": "text"}),
    Sample(
        "inet",
        ("10.0.0.1/8", "::1"),
        "and all else that is written as text",
        printed="CASE WHEN {0} IS NOT NULL THEN format('%s', {0}) END",
    ),
)


def files(
    conn: psycopg.Connection, dsn: str, folder: Path, samples: Sequence[Sample] = SAMPLES
) -> Iterator[tuple[Sample, Path, list[object]]]:
    """Write each file: the sample, its path, and the values that it must hold, as the server prints them.

    The first column, ``id``, has a value in every row; ``v`` is NULL in the last one.
    """
    for at, sample in enumerate(samples):
        rows = ", ".join(["(%s)"] * (len(sample.values) + 1))
        values = psycopg.ClientCursor(conn).mogrify(f"VALUES {rows}".encode(), [*sample.values, None])
        conn.execute(_table(at, sample, values))
        # What a reader without a type for bytes has to know.
        path = folder / f"{at:02}-{sample.meaning}.parquet"
        with export(dsn, f"sample_{at}", format="parquet", order_by=["id"], options=sample.options) as chunks:
            path.write_bytes(b"".join(chunks))
        yield sample, path, _expected(conn, at, sample)


def _table(at: int, sample: Sample, values: str) -> bytes:
    numbered = f"SELECT row_number() OVER () AS id, u::{sample.type} AS v FROM ({values}) AS w(u)"
    return f"SET TimeZone = 'UTC'; CREATE TABLE sample_{at} AS {numbered}".encode()


def _expected(conn: psycopg.Connection, at: int, sample: Sample) -> list[object]:
    printed = sample.printed.format("v")
    if sample.is_list:
        printed = (
            "(SELECT array_agg("
            + sample.printed.format("e")
            + " ORDER BY o) FROM unnest(v) WITH ORDINALITY AS u(e, o))"
        )
        printed = f"CASE WHEN v IS NOT NULL THEN coalesce({printed}, '{{}}') END"
    return [row[0] for row in conn.execute(f"SELECT {printed} FROM sample_{at} ORDER BY id".encode()).fetchall()]
