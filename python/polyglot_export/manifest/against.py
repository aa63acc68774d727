"""Compares a manifest with the database that its files are of: are the rows there that the files have?

Rows that changed since are told apart from rows that were exported wrongly where the server can tell: in the snapshot
of the export while somebody holds it, or by the fingerprints of segments. Everything else is said to be unchecked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.cancel import CancelToken
from polyglot_export.errors import ManifestError, PolyglotError, StatementFailed
from polyglot_export.fields import read_record
from polyglot_export.manifest.document import Manifest, PartEntry, RelationEntry, SegmentFingerprint
from polyglot_export.manifest.moment import system_identifier_of
from polyglot_export.manifest.report import Fault, FaultKind, Unchecked
from polyglot_export.planning.filters import filter_terms
from polyglot_export.planning.fingerprint import TID_HASH, fingerprint
from polyglot_export.planning.locate import Wanted, locate, look_up
from polyglot_export.planning.statement import Statement
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.settings import session_settings
from polyglot_export.request.spec import FilterTerm
from polyglot_export.sources.table import TableSource

__all__ = ["Against"]

Finding = Fault | Unchecked

_GONE = (sqlstates.UNDEFINED_OBJECT, sqlstates.INVALID_PARAMETER_VALUE)
"""What SET TRANSACTION SNAPSHOT answers when nobody holds the snapshot any more."""


class Against:
    """Asks one database.

    Args:
        dsn: URI or key=value string; ``None`` leaves it to libpq's environment variables and files.
        token: Ends the comparison.
    """

    def __init__(self, dsn: str | None, token: CancelToken | None = None) -> None:
        self._dsn = dsn
        self._token = token

    def __call__(self, manifest: Manifest) -> Iterator[Finding]:
        """What does not hold, and what could not be told.

        Raises:
            ConnectionFailed: The database cannot be reached or refused the login.
            PolyglotError: What else the server says.
        """
        with Leader.open(self._dsn, application_name="polyglot verify", token=self._token) as leader:
            other = _other_database(leader, manifest)
            if other is not None:
                yield other
                return
            terms = _terms(manifest.options.filter)
            held = _begin(leader, manifest)
            for relation in manifest.relations:
                own = _terms(relation.filter or ())
                yield from _Comparison(leader, manifest, relation, (*terms, *own), held=held).findings()


class _Comparison:
    """One relation."""

    def __init__(
        self, leader: Leader, manifest: Manifest, relation: RelationEntry, terms: tuple[FilterTerm, ...], *, held: bool
    ) -> None:
        self._leader = leader
        self._relation = relation
        self._limit = relation.limit if relation.limit is not None else manifest.options.limit
        self._terms = terms
        self._held = held

    def findings(self) -> Iterator[Finding]:
        """What the database says of it."""
        if self._relation.schema is None:
            yield self._unchecked("a manifest does not keep the text of a query, so its rows cannot be counted again")
            return
        if self._relation.sql_where is not None:
            yield self._unchecked("its rows fulfil a condition in SQL, which is not run again to count them")
            return
        self._leader.run("SAVEPOINT relation")
        try:
            rows = self._rows()
            yield from self._counted(rows)
        except PolyglotError as error:
            self._leader.check()
            self._leader.run("ROLLBACK TO SAVEPOINT relation")
            yield self._unchecked(f"it cannot be read: {error.message}")
        else:
            self._leader.run("RELEASE SAVEPOINT relation")

    def _counted(self, rows: int) -> Iterator[Finding]:
        same = rows == self._relation.rows
        prints = self._relation.fingerprints
        if self._held:
            if not same:
                yield self._fault(f"it has {rows:,} rows in the snapshot of the export")
        elif prints is None or self._leader.version < TID_HASH:
            if not same:
                counted = f"it has {rows:,} rows now and its files have {self._relation.rows:,}"
                yield self._unchecked(f"{counted}; without fingerprints it cannot be told whether it changed since")
        else:
            yield from self._by_segments(prints, rows)

    def _by_segments(self, prints: tuple[SegmentFingerprint, ...], rows: int) -> Iterator[Finding]:
        changed = {each.segment for each in prints if not self._is_unchanged(each)}
        if not changed:
            if rows != self._relation.rows:
                yield self._fault(f"it is unchanged since, and has {rows:,} rows")
            return
        yield self._unchecked(f"{len(changed):,} of {len(prints):,} segments changed since")
        if self._terms or self._limit is not None:
            return
        counts = {each.segment: each.count for each in prints}
        for run, parts in self._runs().items():
            known = [counts[each] for each in run if each in counts and each not in changed]
            rows = sum(part.rows for part in parts)
            if len(known) == len(run) and sum(known) != rows:
                have = "the file has" if len(parts) == 1 else f"the {len(parts):,} files of them have"
                reason = f"its segments are unchanged since, and have {sum(known):,} rows; {have} {rows:,}"
                yield Fault(FaultKind.DATABASE, parts[0].path, reason)

    def _runs(self) -> dict[range, list[PartEntry]]:
        """The files of each run of segments: several where their rows were laid into folders by a value."""
        found: dict[range, list[PartEntry]] = {}
        for part in self._relation.parts:
            if part.first_segment is not None and part.last_segment is not None:
                found.setdefault(range(part.first_segment, part.last_segment + 1), []).append(part)
        return found

    def _is_unchanged(self, segment: SegmentFingerprint) -> bool:
        # The name comes from outside: the server reads it, and its catalogue says how it is written.
        rows = self._leader.catalogue(
            sql.SQL(
                "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) FROM pg_class AS c"
                " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass({}) AND c.relkind = 'r'"
            ).format(sql.Literal(segment.relation))
        )
        if not rows:
            return False
        now = fingerprint(self._leader, rows[0][0], segment.first_page, segment.end_page)
        return (now.rows, now.sum) == (segment.count, segment.sum)

    def _rows(self) -> int:
        """How many rows the relation has that an export like this one would read."""
        source = TableSource(self._relation.name, self._relation.schema)
        (found,) = locate(self._leader, [Wanted(source, look_up(self._leader, source))])
        statement = Statement((), found.from_, filter_terms(self._leader, found, self._terms))
        limited = statement._replace(limit=self._limit)
        query = sql.SQL("SELECT pg_catalog.count(*) FROM ({}) AS q").format(limited.select())
        [(count,)] = self._leader.run(query)
        return int(count)

    def _fault(self, reason: str) -> Fault:
        reason = f"{reason}, and its files have {self._relation.rows:,}"
        return Fault(FaultKind.DATABASE, self._relation.full_name, reason)

    def _unchecked(self, reason: str) -> Unchecked:
        return Unchecked(self._relation.full_name, reason)


class _Place(NamedTuple):
    server: str | None
    database: str


def _other_database(leader: Leader, manifest: Manifest) -> Finding | None:
    leader.run("BEGIN")
    [(database,)] = leader.catalogue(sql.SQL("SELECT current_database()"))
    here = _Place(system_identifier_of(leader), database)
    leader.rollback()
    there = _Place(manifest.source.system_identifier, manifest.source.database)
    if here.database != there.database or (None not in (here.server, there.server) and here.server != there.server):
        return Unchecked(
            "the database", f"it is {_named(here)}, and the files are of {_named(there)}; nothing was compared with it"
        )
    return None


def _named(place: _Place) -> str:
    return f"{place.database!r} of server {place.server or 'unknown'}"


def _begin(leader: Leader, manifest: Manifest) -> bool:
    """Open the transaction; ``True`` in the snapshot of the export, which somebody still holds."""
    settings = session_settings(leader.connection, "UTC", views=True)
    leader.begin(settings, None)
    snapshot = sql.Literal(manifest.source.snapshot).as_string(leader.connection)
    try:
        leader.run(f"SET TRANSACTION SNAPSHOT {snapshot}")
    except StatementFailed as error:
        if error.sqlstate not in _GONE:
            raise
        leader.rollback()
        leader.begin(settings, None)
        return False
    return True


def _terms(filter_: tuple[str, ...]) -> tuple[FilterTerm, ...]:
    """The filter of an export, or of one relation.

    Raises:
        ManifestError: It is none.
    """
    try:
        return tuple(read_record(FilterTerm, json.loads(text, parse_float=Decimal)) for text in filter_)
    except (ValueError, TypeError) as error:
        raise ManifestError(f"this is no manifest: filter: {error}") from None
