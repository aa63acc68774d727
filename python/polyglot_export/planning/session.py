"""What each worker sets before it imports the snapshot."""

from __future__ import annotations

from psycopg import sql

from polyglot_export.planning.locate import Located, settings_for
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.segments import Cut
from polyglot_export.postgres.settings import TABLE_SETTINGS, path_setting, worker_settings

__all__ = ["worker_session"]

EARLY_LOCK_LEAVES = 256
"""Leaves that every worker locks at once. The server's lock table has about 6,400 places by default
(``max_locks_per_transaction`` times connections), and leader and workers fill one a leaf each."""


def worker_session(moment: Moment, found: Located, segments: Cut) -> tuple[str, ...]:
    """The statements of a worker's session, the later ones win.

    Args:
        moment: Whose settings a worker shares.
        found: What is read.
        segments: How it is read.
    """
    connection = moment.leader.connection
    # Several parts of a query are parallel already; and where the server shares one among workers of its own, rows and
    # the terms of a sum come in another order each time.
    in_parts = segments.below is not None or len(segments.scans) > 1
    return (
        *path_setting(moment.leader.search_path),
        *moment.settings,
        *(TABLE_SETTINGS if in_parts else settings_for(found.relation)),
        *worker_settings(connection),
        *(lock.as_string(connection) for lock in _early_lock(found, segments)),
    )


def _early_lock(found: Located, segments: Cut) -> tuple[sql.Composable, ...]:
    """Let each worker lock all leaves when it begins, not when it reaches them: see ``settings.WORKER_SETTINGS``."""
    lock = sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE")
    relation, below = found.relation, segments.below
    if below is not None:
        return (lock.format(sql.SQL("ONLY {}").format(below.identifier)),) if below.lockable else ()
    if relation is None or not relation.lockable or len(segments.scans) > EARLY_LOCK_LEAVES:
        return ()
    return (lock.format(relation.identifier),)
