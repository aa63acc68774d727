"""The moment of an export: locks and a snapshot, taken so that either all rows are of one moment or there is an error.

"One moment, or an error" in ``docs/architecture.md`` gives the reasons for the order of the steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Self, TypeGuard

from psycopg import sql

from polyglot_export import sqlstates
from polyglot_export.errors import SourceChanged, StatementFailed, StatementTimeout
from polyglot_export.planning.locate import Located, Moved, Wanted, hold, locate, look_up, settings_for
from polyglot_export.planning.plan import Resolved
from polyglot_export.planning.storage import Storage, storage_of, storage_query
from polyglot_export.postgres.caller import CallerSettings, caller_settings
from polyglot_export.postgres.catalogue.relations import Relation, ancestors
from polyglot_export.postgres.leader import Held, Leader, Row
from polyglot_export.postgres.settings import WORKER_SETTINGS, lock_setting, session_settings
from polyglot_export.sources.base import RelationName, Source

__all__ = ["Choose", "Moment", "Wanted"]

ATTEMPTS = 5
"""How often the moment is tried to be taken. Each failure needs someone to rewrite a relation in the milliseconds
between snapshot and lock, so more than two are hardly ever needed."""
PAUSE = 0.05
"""Seconds before the second attempt; twice that before the third, and so on."""
_GONE = (
    sqlstates.UNDEFINED_TABLE,
    sqlstates.INVALID_SCHEMA_NAME,
    sqlstates.WRONG_OBJECT_TYPE,
    sqlstates.INTERNAL_ERROR,
)
"""What LOCK answers for a relation that was dropped or replaced since its look-up."""


AS_THE_LOGIN = CallerSettings()
Choose = Callable[[Leader], Sequence[Wanted]]
"""Looks up what a moment shall be of, in a transaction that is rolled back: a query in that of the export would take
the snapshot before the locks."""


class Moment:
    """A leader's transaction with its locks and its snapshot: what is read within it is of one moment.

    It lasts as long as its leader stays in the transaction; several plans may be made in it and read at the same time.

    Attributes:
        leader: The control connection that holds it.
        settings: The ``SET LOCAL`` statements of every export in it.
        sources: What is read, one for each source that was given.
        locked: The OIDs of the tables and views that are locked.
        snapshot: The identifier under which workers import the snapshot.
    """

    def __init__(
        self, leader: Leader, settings: tuple[str, ...], sources: tuple[Located, ...], held: Held, snapshot: str
    ) -> None:
        """Use :meth:`open`."""
        self.leader = leader
        self.settings = settings
        self.sources = sources
        self.locked = held.relations
        self.snapshot = snapshot
        self._storage: dict[int, Storage] | None = None

    @classmethod
    def open(
        cls,
        leader: Leader,
        sources: Sequence[Source],
        *,
        time_zone: str = "UTC",
        lock_timeout: float | None = None,
        caller: CallerSettings = AS_THE_LOGIN,
    ) -> Self:
        """Lock the sources, take the snapshot, and prove that nothing moved in between.

        Args:
            leader: Connected, outside a transaction. Its transaction stays open.
            sources: What plans of this moment may read.
            time_zone: Zone of timestamptz in text.
            lock_timeout: Seconds to wait for each lock; ``None`` waits as long as it takes.
            caller: The role and the settings under which everything is looked up and read.

        Raises:
            StatementTimeout: Another session held a lock for too long.
            SpecError: A source, the time zone, the role or a setting is wrong; ``field`` names it.
            AccessDenied: The login may not read a source, or become the role.
            SourceChanged: A relation was rewritten each time its moment was being taken.
        """
        reads = [source.reads for source in sources]
        views = not reads or any(not isinstance(each, RelationName) or each.views is not False for each in reads)
        if not any(isinstance(each, RelationName) for each in reads):
            wanted = [Wanted(source, None) for source in sources]
            return cls.of(
                leader, None, wanted, time_zone=time_zone, lock_timeout=lock_timeout, views=views, caller=caller
            )

        def choose(leader: Leader) -> list[Wanted]:
            return [Wanted(source, look_up(leader, source)) for source in sources]

        return cls.of(leader, choose, time_zone=time_zone, lock_timeout=lock_timeout, views=views, caller=caller)

    @classmethod
    def of(
        cls,
        leader: Leader,
        choose: Choose | None,
        wanted: Sequence[Wanted] = (),
        *,
        time_zone: str = "UTC",
        lock_timeout: float | None = None,
        views: bool = True,
        again: Choose | None = None,
        caller: CallerSettings = AS_THE_LOGIN,
    ) -> Self:
        """The same for what is looked up anew at each attempt.

        Args:
            leader: As above.
            choose: Looks up what is wanted; ``None`` where nothing of it can be looked up.
            wanted: In that case, what is wanted.
            time_zone: As above.
            lock_timeout: As above.
            views: Whether views may be read.
            again: Asked within the snapshot; the moment is taken again until it finds the same as ``choose``.
            caller: As above.

        Raises:
            PolyglotError: As above, and what the two raise.
        """
        settings = session_settings(leader.connection, time_zone, views=views)
        settings += caller_settings(leader.connection, caller)
        moved: Moved | None = None
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE * attempt)
            if choose is not None:
                wanted = _chosen(leader, choose, settings)
            try:
                moment = cls._take(leader, wanted, settings, lock_timeout)
                if again is not None and list(again(leader)) != list(wanted):
                    raise Moved(["what is read"])
                return moment
            except StatementFailed as error:
                if error.sqlstate != sqlstates.LOCK_NOT_AVAILABLE or lock_timeout is None:
                    raise
                raise _locked(wanted, lock_timeout, error) from None
            except Moved as error:
                moved = error
                leader.rollback()
        raise SourceChanged(
            f"{moved} was rewritten or dropped each time its moment was being taken ({ATTEMPTS} attempts)"
        )

    @classmethod
    def _take(
        cls, leader: Leader, wanted: Sequence[Wanted], settings: tuple[str, ...], lock_timeout: float | None
    ) -> Self:
        relations = [each.relation for each in wanted]
        _begin_locked(leader, relations, (*settings, lock_setting(lock_timeout)))
        located = locate(leader, wanted)
        for found in located:
            hold(leader, found)
        tables = [each.relation.oid for each in located if _is_plain(each.relation)]
        held, snapshot, stored = leader.export_snapshot(*([storage_query(leader.version, tables)] if tables else []))
        if held.moved:
            raise Moved(held.moved)
        moment = cls(leader, settings, located, held, snapshot)
        moment._storage = storage_of(stored[0]) if tables else {}
        return moment

    def storage(self, relation: Relation | None) -> Storage | None:
        """How a table of the moment is stored; ``None`` for anything else, and where others inherit from it.

        Raises:
            PolyglotError: The server does not answer.
        """
        if not _is_plain(relation):
            return None
        if self._storage is None:
            tables = [each.relation.oid for each in self.sources if _is_plain(each.relation)]
            self._storage = storage_of(self.leader.catalogue(storage_query(self.leader.version, tables)))
        return self._storage.get(relation.oid)

    def see_nothing_new(self, statement: str, title: str) -> None:
        """See that a whole statement reads what the moment holds.

        A worker plans such a statement itself, and must have met only what is locked. Its first chunk shows that it has
        planned; what was added before it did so, a partition for example, is among what the same statement locks now.

        Args:
            statement: What the worker planned.
            title: Of what is read, for the error.

        Raises:
            SourceChanged: It reads a relation that does not belong to the moment.
        """
        self.leader.run("; ".join([*WORKER_SETTINGS, f"EXPLAIN {statement}"]))
        new = self.leader.held().relations - self.locked
        # To know which rows a partition may hold, the planner locks the tables above it, and does not read them.
        if new and new - ancestors(self.leader, self.locked):
            raise SourceChanged(
                f"a partition or child table was added to {title} while its moment was being taken; start again"
            )

    def see_same_meaning(self, statements: Collection[Resolved]) -> None:
        """See that the names in statements have meant the same all the time. The moment is over then.

        Args:
            statements: The :attr:`polyglot_export.planning.plan.Plan.resolved` of what was read.

        Raises:
            SourceChanged: Some may have been read with other functions or relations than the rest.
            PolyglotError: The server does not answer.
        """
        from polyglot_export.planning.meanwhile import see_same_meaning

        see_same_meaning(self.leader, self.locked, statements, self._anew)

    def _anew(self, queries: Sequence[sql.Composable]) -> list[list[Row]]:
        """What the catalogue says now. A session that waited for the locks has no time to change it before."""
        self.leader.begin(self.settings, None)
        return self.leader.catalogue_at_once(queries)

    def close(self) -> None:
        """End the moment; the server releases the locks. Idempotent."""
        self.leader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_plain(relation: Relation | None) -> TypeGuard[Relation]:
    return relation is not None and relation.kind == "r" and not relation.has_children


def _locked(wanted: Sequence[Wanted], seconds: float, error: StatementFailed) -> StatementTimeout:
    """Why there is no export, with what the server does not say: of what, and for how long."""
    titles = [each.source.title or getattr(each.source.reads, "name", "the query") for each in wanted]
    names = titles[0] if len(titles) == 1 else f"one of {len(titles)} relations"
    return StatementTimeout(
        f"{names} is locked by another session, and did not become free within {seconds:g} seconds; try again later",
        sqlstate=error.sqlstate,
    )


def _chosen(leader: Leader, choose: Choose, settings: tuple[str, ...]) -> Sequence[Wanted]:
    """Look up what is wanted, in a transaction of its own; that of the export leaves it as it begins."""
    leader.begin_with_next(settings)
    try:
        return choose(leader)
    except BaseException:
        leader.rollback()
        raise


def _begin_locked(leader: Leader, relations: Sequence[Relation | None], settings: tuple[str, ...]) -> None:
    """Open the transaction with the locks that LOCK can take, before anything takes the snapshot."""
    lockable = [relation for relation in relations if relation is not None and relation.lockable]
    of_sources = dict.fromkeys(statement for relation in relations for statement in settings_for(relation))
    names = sql.SQL(", ").join(relation.identifier for relation in lockable)
    try:
        leader.begin((*settings, *of_sources), names if lockable else None)
    except StatementFailed as error:
        if error.sqlstate in _GONE:
            raise Moved(relation.title for relation in lockable) from None
        raise
