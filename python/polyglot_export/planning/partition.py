"""By what the rows of a relation are laid into folders: a column's value, or the year, month, day or hour of it.

The server makes the value, as text, so that a folder is called what the server prints.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from psycopg import sql

from polyglot_export.errors import SpecError
from polyglot_export.planning.locate import Located
from polyglot_export.postgres.catalogue.columns import SourceColumn
from polyglot_export.postgres.catalogue.types import Type

__all__ = ["TRANSFORMS", "Partition", "partition_of", "reads_column"]

FIELD: Final = "partition_by"

_TIMES = frozenset({"date", "timestamp", "timestamptz"})
_VALUES = frozenset(
    {
        "bool",
        "int2",
        "int4",
        "int8",
        "oid",
        "numeric",
        "text",
        "varchar",
        "bpchar",
        "name",
        "char",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "uuid",
        "inet",
        "cidr",
        "macaddr",
        "macaddr8",
    }
)
"""Types of PostgreSQL whose text is a name for a folder. Of others it is a document, bytes, or not the same twice: the
text of a float depends on a setting, that of money on the server's language."""
_NAMES = "a boolean, number without a binary fraction, text, date or time, uuid, network address or enum"


class Partition(NamedTuple):
    """A partitioning that the columns of a relation allow."""

    column: SourceColumn
    key: str
    """What stands before the ``=`` in the name of a folder."""
    expression: sql.Composable
    """The value as text; NULL where the column is NULL."""
    in_file: bool
    """Whether the column is in the files too."""


def _as_text(value: sql.Composable) -> sql.Composable:
    """Not by a cast: somebody may have made one."""
    return sql.SQL("pg_catalog.format('%s', {})").format(value)


class _Cut(NamedTuple):
    """How a date or timestamp becomes a part of its text in ISO form, which has its BC and infinity as they are."""

    type: str
    least: str
    most: str
    """Between the two a year has four digits, so that the part is so long …"""
    length: int
    pattern: str
    """… and beyond them it is what a slower expression finds …"""
    kept: str
    """… and keeps."""

    def of(self, reference: sql.Composable, type_name: str) -> sql.Composable:
        """The part of a value.

        Args:
            reference: The column.
            type_name: Its type, without domains.
        """
        # Without its zone, the first or last of all timestamps is out of range in most zones; as text it never is.
        read_as = type_name if self.type == "timestamp" else self.type
        value = sql.SQL("CAST({} AS pg_catalog.{})").format(reference, sql.SQL(read_as))
        return sql.SQL(
            "CASE WHEN {value} OPERATOR(pg_catalog.>=) {least} AND {value} OPERATOR(pg_catalog.<=) {most}"
            " THEN pg_catalog.translate(pg_catalog.left({text}, {length}), ' ', 'T')"
            " ELSE pg_catalog.regexp_replace({text}, {pattern}, {kept}) END"
        ).format(
            value=value,
            text=_as_text(value),
            least=sql.SQL(f"'{self.least}'::pg_catalog.{read_as}"),
            most=sql.SQL(f"'{self.most}'::pg_catalog.{read_as}"),
            length=sql.SQL(str(self.length)),
            pattern=sql.SQL(self.pattern),
            kept=sql.SQL(self.kept),
        )


_DATES = ("date", "0001-01-01", "9999-12-31")
_TIMESTAMPS = ("timestamp", "0001-01-01 00:00:00", "9999-12-31 23:59:59.999999")

TRANSFORMS: Final = {
    "year": _Cut(*_DATES, 4, r"'^([0-9]+)-[0-9]+-[0-9]+'", r"'\1'"),
    "month": _Cut(*_DATES, 7, r"'^([0-9]+-[0-9]+)-[0-9]+'", r"'\1'"),
    "day": _Cut(*_DATES, 10, r"'^([0-9]+-[0-9]+-[0-9]+)'", r"'\1'"),
    "hour": _Cut(*_TIMESTAMPS, 13, r"'^([0-9]+-[0-9]+-[0-9]+) ([0-9]+):[0-9]+:[0-9.]+([-+][0-9:]+)?'", r"'\1T\2'"),
}
"""What a date or timestamp may be cut to, in the time zone of the export; each makes the text. (The settings of every
session read a backslash in a literal as it stands.)"""


def reads_column(found: Located, given: str) -> bool:
    """Whether ``column``, or ``column:day`` and the like, names a column that is there."""
    return any(column.name in (given, _cut(given)[0]) for column in found.exposed)


def partition_of(found: Located, given: str, *, keep: bool) -> Partition:
    """What a request means for a relation.

    Args:
        found: What is read.
        given: ``column``, or ``column:day`` and the like. The name of a column may have colons itself.
        keep: Leave a column that the folders stand for in the files too. One that they stand for only in part always
            stays.

    Raises:
        SpecError: There is no such column, or it cannot be partitioned by.
    """
    name, transform = _divided(found, given)
    column = _column(found, name)
    type_, _ = found.types.under(column.type, column.modifier)
    if transform is not None:
        return _by_time(found, column, type_, transform)
    if not _names_folders(type_):
        cut = f"; {', '.join(TRANSFORMS)} are of dates" if type_.name in _TIMES else ""
        reason = f"rows of {found.title} cannot be laid into folders by {name!r}, which is {column.display}; its values"
        raise SpecError(FIELD, f"{reason} must be {_NAMES}{cut}")
    if not keep and len(found.exposed) == 1:
        reason = f"{name!r} is the only column of {found.title}: keep it in the files, or they would have none"
        raise SpecError(FIELD, reason)
    _see_unlike_others(found, name)
    return Partition(column, name, _value(column.reference, type_), keep)


def _see_unlike_others(found: Located, name: str) -> None:
    """Readers expect the folder to be called as the column is, and some do not tell capital letters from small ones:
    they would give the value of the folder for another column of the files, also where the column stays in them.
    """
    alike = next((each.name for each in found.exposed if each.name != name and each.name.lower() == name.lower()), None)
    if alike is not None:
        reason = f"{name!r} and {alike!r} of {found.title} differ only in capital letters, which readers of folders do"
        raise SpecError(FIELD, f"{reason} not tell apart: use --query, with another name for one of them")


def _cut(given: str) -> tuple[str, str | None]:
    """Without and with what a date may be cut to."""
    name, colon, transform = given.rpartition(":")
    return (name, transform) if colon and transform in TRANSFORMS else (given, None)


def _divided(found: Located, given: str) -> tuple[str, str | None]:
    if any(column.name == given for column in found.exposed):
        name, transform = _cut(given)
        if transform is not None and any(
            column.name == name and _may_be_cut(found.types.under(column.type, column.modifier)[0], transform)
            for column in found.exposed
        ):
            reason = f"{given!r} of {found.title} may mean that column or the {transform} of {name!r}"
            raise SpecError(FIELD, f"{reason}: use --query, with another name for one of them")
        return given, None
    name, colon, transform = given.rpartition(":")
    if not colon:
        return given, None
    if transform not in TRANSFORMS:
        _column(found, name)
        reason = f"knows {', '.join(TRANSFORMS)}, or the value itself"
        raise SpecError(FIELD, f"{reason}, and not {transform!r} of {name!r} in {found.title}")
    return name, transform


def _column(found: Located, name: str) -> SourceColumn:
    columns = [column for column in found.exposed if column.name == name]
    if len(columns) == 1:
        return columns[0]
    if columns:
        raise SpecError(FIELD, f"{found.title} has {len(columns)} columns called {name!r}: rename one with AS")
    known = ", ".join(column.name for column in found.exposed)
    raise SpecError(FIELD, f"there is no column {name!r} in {found.title}; it has {known}")


def _by_time(found: Located, column: SourceColumn, type_: Type, transform: str) -> Partition:
    if not _may_be_cut(type_, transform):
        words = "a timestamp" if transform == "hour" else "a date or timestamp"
        reason = f"{transform} needs {words}, and {column.name!r} of {found.title} is {column.display}"
        raise SpecError(FIELD, reason)
    # Some readers do not tell capital letters from small ones.
    names = {each.name.casefold() for each in found.exposed}
    key = transform if transform not in names else f"{column.name}_{transform}"
    while key.casefold() in names:
        key += "_"
    value = TRANSFORMS[transform].of(column.reference, type_.name)
    return Partition(column, key, _unless_null(column.reference, value), True)


def _may_be_cut(type_: Type, transform: str) -> bool:
    allowed = _TIMES - {"date"} if transform == "hour" else _TIMES
    return type_.schema == "pg_catalog" and type_.name in allowed


def _names_folders(type_: Type) -> bool:
    return type_.kind == "e" or (type_.schema == "pg_catalog" and type_.name in _VALUES)


def _value(reference: sql.Composable, type_: Type) -> sql.Composable:
    if type_.name == "bool" and type_.schema == "pg_catalog":
        # As readers of such folders expect it, and not t and f.
        return sql.SQL("CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END").format(reference)
    return _unless_null(reference, _as_text(reference))


def _unless_null(reference: sql.Composable, value: sql.Composable) -> sql.Composable:
    return sql.SQL("CASE WHEN {} IS NOT NULL THEN {} END").format(reference, value)
