"""Every type of the catalogue with the options of CSV: those of its own change it, no others do."""

from __future__ import annotations

import psycopg
import pytest

from tests.library.helpers import copied, exported
from tests.types.catalogue import Catalogue, Column, quoted

OPTIONS = {
    "delimiter": ",",
    "decimalComma": True,
    "booleans": "1/0",
    "dateFormat": "%d.%m.%Y",
    "timestampFormat": "%d.%m.%Y %H:%M:%S.%f",
}
# Rounded up by ``timestamp(1)``, the last moment is one that ``to_char`` refuses.
TIMES = "CASE WHEN {text} LIKE '294277-%' THEN '01.01.294277 00:00:00.000000' WHEN isfinite({0}) AND {0} >= '0001-01-01' THEN to_char({0}, 'DD.MM.YYYY HH24:MI:SS.US') ELSE {0}::text END"
# ``to_char`` makes a timestamp of a date, which not every date can be.
DATES = (
    "CASE WHEN isfinite({0}) AND {0} >= '0001-01-01' THEN lpad(extract(day FROM {0})::text, 2, '0') || '.' ||"
    " lpad(extract(month FROM {0})::text, 2, '0') || '.' || lpad(extract(year FROM {0})::text,"
    " greatest(4, length(extract(year FROM {0})::text)), '0') ELSE {0}::text END"
)
CHANGED = {
    "bool": "{0}::int::text",
    "float4": "translate({0}::text, '.', ',')",
    "float8": "translate({0}::text, '.', ',')",
    "numeric": "translate({0}::text, '.', ',')",
    "date": DATES,
    "timestamp": TIMES.replace("{text}", "{0}::text"),
    "timestamptz": TIMES.replace("{0}", "({0} AT TIME ZONE 'UTC')").replace("{text}", "{0}::text"),
}


def test_every_type_with_the_options_for_people(catalogue: Catalogue) -> None:
    seen = set()
    with psycopg.connect(catalogue.dsn, autocommit=True) as conn:
        for table in catalogue.tables:
            seen |= {_native(catalogue, column) for column in table.columns}
            selected = ["id", *(_expected(catalogue, column) for column in table.columns)]
            expected = copied(conn, f"SELECT {', '.join(selected)} FROM {table.name}")
            assert exported(catalogue.dsn, table.name, options=OPTIONS) == expected, table.name
    assert CHANGED.keys() <= seen


@pytest.mark.parametrize("encoding", ["utf-16le", "gb18030"])
def test_every_type_in_an_encoding(catalogue: Catalogue, encoding: str) -> None:
    """Both have every character of the samples."""
    mark = b"\xff\xfe" if encoding == "utf-16le" else b""
    with psycopg.connect(catalogue.dsn, autocommit=True) as conn:
        for table in catalogue.tables:
            expected = copied(conn, f"SELECT * FROM {table.name}").decode().encode(encoding)
            assert exported(catalogue.dsn, table.name, options={"encoding": encoding}) == mark + expected, table.name


def _native(catalogue: Catalogue, column: Column) -> str:
    type_, _ = catalogue.under(column.type.oid)
    return type_.name if type_.schema == "pg_catalog" else ""


def _expected(catalogue: Catalogue, column: Column) -> str:
    name = quoted(column.name)
    form = CHANGED.get(_native(catalogue, column), "{0}")
    return f"{form.replace('{0}', name)} AS {name}"
