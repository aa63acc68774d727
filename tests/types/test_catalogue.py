"""The tables themselves: that nothing is left out of them unnoticed."""

from __future__ import annotations

import psycopg

from tests.types.catalogue import Catalogue
from tests.types.values.generic import WITHOUT_VALUES

FEWEST_COLUMNS = 500
FEWEST_VALUES = 4_000


def test_every_type_of_the_catalogue_has_a_column(catalogue: Catalogue) -> None:
    """All but composites with a pseudo-type in them, which the server refuses."""
    covered = {column.type.oid for column in catalogue.columns}
    with psycopg.connect(catalogue.dsn) as connection:
        rows = connection.execute(
            "WITH RECURSIVE pseudo(oid) AS (SELECT oid FROM pg_type WHERE typtype = 'p' UNION SELECT t.oid FROM pseudo,"
            " LATERAL (SELECT t.oid FROM pg_type AS t WHERE t.typelem = pseudo.oid UNION ALL SELECT t.oid FROM pg_type AS t"
            " JOIN pg_attribute AS a ON a.attrelid = t.typrelid AND t.typrelid <> 0 WHERE a.atttypid = pseudo.oid) AS t) SELECT oid"
            " FROM pseudo"
        ).fetchall()
    impossible = {oid for (oid,) in rows}
    assert {catalogue.types[oid].name for oid in set(catalogue.types) - covered - impossible} == set()
    assert len(catalogue.columns) >= FEWEST_COLUMNS


def test_every_type_has_values(catalogue: Catalogue) -> None:
    empty = {column.type.name for column in catalogue.columns if not column.values}
    assert empty - WITHOUT_VALUES - {"empty_enum"} - _unsupported(catalogue) == set()
    assert sum(len(column.values) for column in catalogue.columns) >= FEWEST_VALUES


def test_listed_values_are_values(newest: Catalogue) -> None:
    """A value that is misspelled would be left out in silence; an older server may not know one yet."""
    unsupported = _unsupported(newest)
    assert [value for value in newest.refused if value.partition(":")[0] not in unsupported] == []


def _unsupported(catalogue: Catalogue) -> set[str]:
    """A server may be built without libxml (the wheel's is)."""
    with psycopg.connect(catalogue.dsn) as connection:
        try:
            connection.execute("SELECT '<a/>'::xml")
        except psycopg.errors.FeatureNotSupported:
            return {"xml"}
    return set()
