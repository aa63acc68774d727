"""A moment that several exports share: what it was opened with is locked, and what comes later must be as it was.

A table that is asked for after the snapshot was taken is locked then, and its moment is the snapshot's only if nobody
has changed it in between: rewritten or truncated it, given its columns other types, or taken partitions from it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import SourceChanged, SpecError, StatementFailed, StatementTimeout
from polyglot_export.planning.locate import Located, Moved, Wanted, hold, locate, look_up, see_same_types, settings_for
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Resolved
from polyglot_export.postgres.catalogue.relations import Relation, oid_array
from polyglot_export.postgres.leader import Held, Leader, Row
from polyglot_export.postgres.settings import lock_setting, zone_setting
from polyglot_export.postgres.shared_leader import SharedLeader
from polyglot_export.sources.base import Source

__all__ = ["SharedMoment"]

_CHANGED_TREES = sql.SQL(
    "WITH RECURSIVE tree(root, oid) AS ("
    " SELECT c.oid, c.oid FROM pg_class AS c WHERE c.oid = ANY ({oids}::oid[]) AND c.relkind = 'p'"
    " UNION ALL SELECT tree.root, i.inhrelid FROM tree JOIN pg_inherits AS i ON i.inhparent = tree.oid),"
    " now(root, oid) AS (SELECT c.oid, t.relid FROM pg_class AS c, pg_partition_tree(c.oid) AS t"
    " WHERE c.oid = ANY ({oids}::oid[]) AND c.relkind = 'p')"
    " SELECT c.oid::regclass::text FROM pg_class AS c WHERE c.oid = ANY ({oids}::oid[]) AND ("
    "(c.relkind = 'r' AND c.relhassubclass)"
    " OR EXISTS (SELECT FROM tree WHERE tree.root = c.oid AND NOT EXISTS"
    " (SELECT FROM now WHERE now.root = tree.root AND now.oid = tree.oid)))"
)
"""Partitioned tables that have lost a partition since the snapshot, which ``pg_partition_tree`` does not read by; and
tables with children, of which no function tells."""


class SharedMoment:
    """Hands out parts of one moment, each for one export; any thread may ask."""

    def __init__(
        self, leader: SharedLeader, moment: Moment, lock_timeout: float | None, beside: Callable[[], Leader]
    ) -> None:
        """Set up with a moment of that leader, and with what connects to the same server again."""
        self.leader = leader
        self._beside = beside
        self._leader = leader
        self._moment = moment
        self._lock_timeout = lock_timeout
        self._locked = set(moment.locked)

    @property
    def snapshot(self) -> str:
        """The identifier under which workers import it."""
        return self._moment.snapshot

    def part(self, source: Source, time_zone: str) -> Moment:
        """A moment of one source, to be planned and read like any other. Closing it closes nothing.

        Raises:
            SourceChanged: The source is not any more what it was in the snapshot.
            PolyglotError: As :meth:`polyglot_export.planning.moment.Moment.open`.
        """
        with self._leader.step():
            zone = zone_setting(self._leader.connection, time_zone)
            try:
                self._leader.run("; ".join([zone, lock_setting(self._lock_timeout)]))
            except StatementFailed as error:
                reason = f"the server does not know the time zone {time_zone!r}"
                raise SpecError("options.timeZone", reason, sqlstate=error.sqlstate) from None
            found, held = self._proved(source)
            self._locked |= held.relations
            settings = (*self._moment.settings, zone)
            return _Part(self._leader, settings, (found,), held, self.snapshot, self._locked, self._beside)

    def close(self) -> None:
        """End the moment and all that was handed out. Idempotent."""
        self._moment.close()

    def _proved(self, source: Source) -> tuple[Located, Held]:
        try:
            relation = look_up(self._leader, source)
            self._lock(relation)
            (found,) = locate(self._leader, [Wanted(source, relation)])
            hold(self._leader, found)
            if relation is not None:
                see_same_types(self._leader, found)
            held = self._leader.held()
            moved = held.moved or self._changed_trees(held.relations - self._locked)
            if moved:
                raise Moved(moved)
        except Moved as error:
            advice = "name it when the moment is opened, so that it is locked before the snapshot"
            raise SourceChanged(f"{error} may have changed since the snapshot was taken; {advice}") from None
        except StatementFailed as error:
            if error.sqlstate == sqlstates.UNDEFINED_COLUMN and not isinstance(error, SpecError):
                raise SourceChanged(f"a column was dropped since the snapshot was taken: {error.message}") from None
            raise
        return found, held

    def _lock(self, relation: Relation | None) -> None:
        settings = settings_for(relation)
        if settings:
            self._leader.run("; ".join(settings))
        if relation is None or not relation.lockable:
            return
        try:
            self._leader.run(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(relation.identifier))
        except StatementFailed as error:
            if error.sqlstate in (sqlstates.UNDEFINED_TABLE, sqlstates.INTERNAL_ERROR):
                raise Moved([relation.title]) from None
            if error.sqlstate == sqlstates.LOCK_NOT_AVAILABLE and self._lock_timeout is not None:
                reason = f"{relation.title} is locked by another session, and did not become free within"
                text = f"{reason} {self._lock_timeout:g} seconds; try again later"
                raise StatementTimeout(text, sqlstate=error.sqlstate) from None
            raise

    def _changed_trees(self, new: frozenset[int]) -> tuple[str, ...]:
        if not new:
            return ()
        return tuple(row[0] for row in self._leader.catalogue(_CHANGED_TREES.format(oids=oid_array(sorted(new)))))


class _Part(Moment):
    """What one export reads of it."""

    def __init__(
        self,
        leader: SharedLeader,
        settings: tuple[str, ...],
        sources: tuple[Located, ...],
        held: Held,
        snapshot: str,
        locked: set[int],
        beside: Callable[[], Leader],
    ) -> None:
        super().__init__(leader, settings, sources, held, snapshot)
        self._shared = leader
        self._locked = locked
        self._beside = beside

    def see_nothing_new(self, statement: str, title: str) -> None:
        """As of a moment; what the exports beside it have locked meanwhile is nothing new."""
        with self._shared.step():
            self.locked = frozenset(self._locked)
            super().see_nothing_new(statement, title)

    def see_same_meaning(self, statements: Collection[Resolved]) -> None:
        """As of a moment, which goes on for the others."""
        with self._shared.step():
            self.locked = frozenset(self._locked)
            super().see_same_meaning(statements)

    def _anew(self, queries: Sequence[sql.Composable]) -> list[list[Row]]:
        with self._beside() as now:
            now.begin((), None)
            return now.catalogue_at_once(queries)

    def close(self) -> None:
        """Nothing: others read on."""
