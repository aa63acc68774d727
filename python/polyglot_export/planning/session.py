"""What each worker sets before it imports the snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from polyglot_export.planning.locate import Located, settings_for
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Scan
from polyglot_export.postgres.settings import worker_settings

__all__ = ["worker_session"]

EARLY_LOCK_LEAVES = 256
"""Leaves that every worker locks at once. The server's lock table has about 6,400 places by default
(``max_locks_per_transaction`` times connections), and leader and workers fill one a leaf each."""


def worker_session(moment: Moment, found: Located, scans: Sequence[Scan]) -> tuple[str, ...]:
    """The statements of a worker's session, the later ones win.

    Args:
        moment: Whose settings a worker shares.
        found: What is read.
        scans: How it is read.
    """
    connection = moment.leader.connection
    return (
        *moment.settings,
        *settings_for(found.relation),
        *worker_settings(connection),
        *(lock.as_string(connection) for lock in _early_lock(found, scans)),
    )


def _early_lock(found: Located, scans: Sequence[Scan]) -> tuple[sql.Composable, ...]:
    """Let each worker lock all leaves when it begins, not when it reaches them: see ``settings.WORKER_SETTINGS``."""
    relation = found.relation
    if relation is None or not relation.lockable or len(scans) > EARLY_LOCK_LEAVES:
        return ()
    return (sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(relation.identifier),)
