"""Tables with a column of every type: generated from ``pg_type``, so that a type nobody thought of has a column too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import psycopg

from tests.types.user_types import SAMPLES, make_user_types
from tests.types.values import VALUES, Sql, Value, literal
from tests.types.values.generic import CANDIDATES

__all__ = ["Catalogue", "Column", "Table", "Type", "build", "quoted", "read_types"]

COLUMNS = 40
"""Columns of a table: few statements, and rows that fit on a page once their long values are moved out of line."""

_TYPES = """
SELECT t.oid, n.nspname, t.typname, t.typtype, t.typbasetype, t.typtypmod, coalesce(e.oid, 0),
       CASE WHEN c.relkind IN ('r', 'v', 'm') THEN c.oid::regclass::text END,
       (SELECT count(*) FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)
FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
LEFT JOIN pg_type AS e ON e.typarray = t.oid LEFT JOIN pg_class AS c ON c.oid = t.typrelid
WHERE t.typisdefined AND t.typtype <> 'p' AND n.nspname <> 'pg_toast' ORDER BY t.oid
"""
_HELPERS = """
CREATE FUNCTION usable(type text, expressions text[]) RETURNS bool[] LANGUAGE plpgsql AS $$
DECLARE found bool[] := '{}'; each text; accepted bool;
BEGIN
    FOREACH each IN ARRAY expressions LOOP
        BEGIN
            EXECUTE pg_catalog.format('SELECT ((%s)::%s) IS DISTINCT FROM NULL', each, type) INTO accepted;
            found := found || accepted;
        EXCEPTION WHEN OTHERS THEN found := found || false;
        END;
    END LOOP;
    RETURN found;
END $$;
CREATE FUNCTION add_column(relation text, name text, type text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE %I ADD COLUMN %I %s', relation, name, type);
    RETURN true;
EXCEPTION WHEN invalid_table_definition THEN RETURN false;
END $$;
"""
"""``invalid_table_definition``: a composite with a pseudo-type in it, which no column outside of pg_catalog can
have."""


@dataclass(frozen=True, slots=True)
class Type:
    """A row of ``pg_type``."""

    oid: int
    schema: str
    name: str
    kind: str
    base: int
    modifier: int
    element: int
    relation: str | None
    """Of a row type, the table or view whose rows can be taken as values."""
    attributes: int
    labels: tuple[str, ...]

    @property
    def sql(self) -> str:
        """Qualified and quoted; without a modifier, which ``character`` would have by default."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a generated table."""

    name: str
    type: Type
    modifier: int
    values: tuple[str, ...]
    """Expressions, in the order of the rows; behind them come NULLs."""


@dataclass(frozen=True, slots=True)
class Table:
    """A generated table: ``id`` and one column a type."""

    name: str
    columns: tuple[Column, ...]


@dataclass(slots=True)
class Catalogue:
    """All of it, in one database."""

    dsn: str
    version: int
    types: dict[int, Type]
    tables: list[Table] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Listed values that the server did not take."""
    usable: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """The values of a type, as expressions; arrays ask for those of their elements again."""

    def under(self, oid: int, modifier: int = -1) -> tuple[Type, int]:
        """The type under all domains, with the modifier that holds."""
        found = self.types[oid]
        while found.kind == "d":
            found, modifier = self.types[found.base], found.modifier
        return found, modifier

    @property
    def columns(self) -> list[Column]:
        """Of all tables."""
        return [column for table in self.tables for column in table.columns]


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def build(conn: psycopg.Connection, dsn: str) -> Catalogue:
    """Make and fill the tables in the empty database of the connection."""
    # Compiling the plans of catalogue views takes longer than all the rest.
    conn.execute("SET jit = off")
    make_user_types(conn)
    types = read_types(conn)
    conn.execute(_HELPERS)
    found = Catalogue(dsn, conn.info.server_version, types)
    with conn.transaction():
        for number, chunk in enumerate(_chunks(sorted(types.values(), key=lambda type_: type_.element != 0))):
            _add_table(
                conn,
                found,
                f"types_{number:02}",
                [(_column_name(found, type_), type_, type_.sql, -1) for type_ in chunk],
            )
        _add_table(conn, found, "types_with_modifiers", list(_with_modifiers(conn, types)))
    return found


def read_types(conn: psycopg.Connection) -> dict[int, Type]:
    """All types that a column could have, by oid."""
    return {row[0]: Type(*(*row[:-1], tuple(row[-1]))) for row in conn.execute(_TYPES).fetchall()}


def _chunks(types: Sequence[Type]) -> Iterator[tuple[Type, ...]]:
    rest = iter(types)
    while chunk := tuple(islice(rest, COLUMNS)):
        yield chunk


def _column_name(found: Catalogue, type_: Type) -> str:
    alike = [other for other in found.types.values() if other.name == type_.name]
    return type_.name if len(alike) == 1 else f"{type_.schema}.{type_.name}"


_MODIFIERS = (
    "numeric(1)", "numeric(9,2)", "numeric(9,9)", "numeric(10,3)", "numeric(18,0)", "numeric(18,18)", "numeric(19,4)",
    "numeric(38,10)", "numeric(38,38)",
    "numeric(39,2)", "numeric(5,-2)", "numeric(3,5)", "numeric(1000,500)", "numeric(10,2)[]", "numeric(30,5)[]", "varchar(4)",
    "bpchar(5)", "bpchar(5)[]",
    "bit(3)", "varbit(5)", "timestamp(0)", "timestamp(3)", "timestamptz(1)", "time(0)", "time(2)[]", "timetz(3)", "interval(0)",
    "interval year to month",
    "interval day to second(2)",
)  # fmt: skip


_SINCE_15 = ("numeric(5,-2)", "numeric(3,5)")
"""Before, the scale of a numeric was between 0 and its precision."""


def _with_modifiers(conn: psycopg.Connection, types: dict[int, Type]) -> Iterator[tuple[str, Type, str, int]]:
    for name in _MODIFIERS:
        if name in _SINCE_15 and conn.info.server_version < 150000:
            continue
        with conn.transaction(force_rollback=True):
            conn.execute(f"CREATE TABLE probe (c {name})".encode())
            row = conn.execute(
                "SELECT atttypid, atttypmod FROM pg_attribute WHERE attrelid = 'probe'::regclass AND attnum = 1"
            ).fetchone()
        assert row is not None
        yield name, types[row[0]], name, row[1]


def _add_table(conn: psycopg.Connection, found: Catalogue, name: str, wanted: list[tuple[str, Type, str, int]]) -> None:
    conn.execute(f"CREATE TABLE {name} (id int)".encode())
    columns = []
    for title, type_, sql, modifier in wanted:
        added = conn.execute("SELECT add_column(%s, %s, %s)", [name, title, sql]).fetchone()
        if added == (True,):
            columns.append(Column(title, type_, modifier, _values(conn, found, type_, sql)))
    count = 1 + max((len(column.values) for column in columns), default=0)
    lines = (", ".join([str(at), *(_cell(column, at) for column in columns)]) for at in range(count))
    conn.execute(f"INSERT INTO {name} VALUES ({'), ('.join(lines)})".encode())
    found.tables.append(Table(name, tuple(columns)))


def _cell(column: Column, row: int) -> str:
    return column.values[row] if row < len(column.values) else "NULL"


def _values(conn: psycopg.Connection, found: Catalogue, type_: Type, sql: str) -> tuple[str, ...]:
    if sql != type_.sql:
        candidates = _arrays(conn, found, type_) if type_.element else _candidates(found, type_)
        return _usable(conn, candidates, sql)
    if type_.oid not in found.usable:
        candidates = _arrays(conn, found, type_) if type_.element else _candidates(found, type_)
        usable = _usable(conn, candidates, sql)
        if type_.name in VALUES:
            found.refused += [
                f"{type_.name}: {value}" for value in candidates if f"({literal(value)})::{sql}" not in usable
            ]
        found.usable[type_.oid] = usable
    return found.usable[type_.oid]


def _candidates(found: Catalogue, type_: Type) -> Sequence[Value]:
    """Listed values; else what the kind of the type offers, and text that it may take."""
    listed = VALUES.get(type_.name) or SAMPLES.get(type_.name)
    if listed is not None:
        if type_.name == "char" and found.version < 150000:
            # The server writes a high byte itself, which is no UTF-8; from 15 on it writes \ooo.
            return [value for value in listed if not isinstance(value, Sql) or "(-" not in literal(value)]
        return listed
    if type_.kind == "e":
        return type_.labels
    if type_.kind == "d":
        return (*_candidates(found, found.types[type_.base]), *CANDIDATES)
    if type_.kind == "c":
        of_nulls = Sql(f"ROW({', '.join(['NULL'] * type_.attributes)})")
        rows = [Sql(f"(SELECT the_row FROM {type_.relation} AS the_row LIMIT 1 OFFSET {at})") for at in (0, 1)]
        return (of_nulls, *rows) if type_.relation else (of_nulls, *CANDIDATES)
    return (*CANDIDATES, *(_STORED.get(type_.name, ())))


_STORED: dict[str, tuple[Sql, ...]] = {
    "pg_node_tree": (Sql("(SELECT ev_action FROM pg_rewrite ORDER BY oid LIMIT 1)"),),
    "pg_ndistinct": (Sql("(SELECT stxdndistinct FROM pg_statistic_ext_data LIMIT 1)"),),
    "pg_dependencies": (Sql("(SELECT stxddependencies FROM pg_statistic_ext_data LIMIT 1)"),),
    "pg_mcv_list": (Sql("(SELECT stxdmcv FROM pg_statistic_ext_data LIMIT 1)"),),
}
"""Types that only the server itself makes values of: taken from its catalogues."""
_BOUNDS = (
    "[-2147483648:-2147483647]={NULL,NULL}",
    "[2147483645:2147483646]={NULL,NULL}",
    "[0:0][5:5][-1:-1]={{{NULL}}}",
)
"""Bounds at both ends of an int, and of several dimensions. An empty array has none: the server refuses
``[3:2]={}``."""


def _arrays(conn: psycopg.Connection, found: Catalogue, array: Type) -> list[Value]:
    """Empty, of NULLs, of all values, with bounds and with dimensions."""
    element = found.types[array.element]
    elements = _values(conn, found, element, element.sql)
    arrays: list[Value] = ["{}", "{NULL}", "[3:4]={NULL,NULL}", "{{NULL},{NULL}}", *_BOUNDS]
    if elements:
        first, last = elements[0], elements[-1]
        arrays += [
            Sql(f"ARRAY[{', '.join(elements)}]"),
            Sql(f"ARRAY[NULL, {', '.join(elements[:3])}, NULL]"),
            Sql(f"ARRAY[[{first}, NULL], [NULL, {last}]]"),
            Sql(f"array_fill({first}, ARRAY[2], ARRAY[-3])"),
            Sql(f"array_fill({first}, ARRAY[2, 1, 2], ARRAY[0, -1, 5])"),
        ]
    return arrays


def _usable(conn: psycopg.Connection, candidates: Sequence[Value], sql: str) -> tuple[str, ...]:
    """The candidates that the type takes, as expressions with its cast."""
    expressions = [literal(value) for value in candidates]
    row = conn.execute("SELECT usable(%s, %s)", [sql, expressions]).fetchone()
    assert row is not None
    return tuple(f"({each})::{sql}" for each, accepted in zip(expressions, row[0], strict=True) if accepted)
