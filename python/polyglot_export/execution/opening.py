"""Opens an export: takes a moment of the database, plans what the spec asks for, and starts the plan.

``request/spec.py`` (what the caller wants) → ``access/exposure.py`` (what that name stands for) →
``planning/moment.py`` (locks and snapshot) → ``planning/planner.py`` (SQL, columns, segments) →
``execution/export.py`` (the bytes) → ``destinations/`` (where they go).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from polyglot_export.access.exposure import EVERYTHING, Exposure
from polyglot_export.cancel import CancelToken
from polyglot_export.execution.engines.base import Engine
from polyglot_export.execution.engines.local import LOCAL
from polyglot_export.execution.export import Export, start
from polyglot_export.execution.run import RunSettings
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.planner import plan
from polyglot_export.planning.shared_moment import SharedMoment
from polyglot_export.postgres.connect import same_server
from polyglot_export.postgres.leader import Leader
from polyglot_export.postgres.shared_leader import SharedLeader

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec
    from polyglot_export.sources.base import Source

__all__ = ["explain", "open_export", "open_moment", "open_part", "open_shared"]


def open_export(
    spec: ExportSpec,
    *,
    dsn: str | None = None,
    exposure: Exposure = EVERYTHING,
    run: RunSettings | None = None,
    token: CancelToken | None = None,
    fit: Callable[[Plan], Plan] | None = None,
    engine: Engine = LOCAL,
) -> Export:
    """Connect, lock, take the snapshot and plan; no byte is read yet.

    Args:
        spec: What to export.
        dsn: URI or key=value string; ``None`` leaves it to libpq's environment variables and files.
        exposure: What may be read.
        run: Workers and sizes.
        token: Cancelling it also ends the opening, even while that waits for a lock.
        fit: Gives the plan the sizes that there is room for, or raises where there is none.
        engine: What runs the plan.

    Raises:
        SpecError: The request is wrong; ``field`` says where.
        ConnectionFailed: The database cannot be reached or refused the login.
        PolyglotError: Anything else that goes wrong before the first byte.
    """
    started = time.monotonic()
    run = run or RunSettings()
    limits = run.limits()
    token = token or CancelToken()
    moment = open_moment(spec, dsn=dsn, exposure=exposure, run=run, token=token)
    try:
        planned = plan(moment, spec, limits, session=run.session())
        return start(
            fit(planned) if fit is not None else planned,
            moment,
            spec=spec,
            token=token,
            started=started,
            rate_limit=run.rate_limit,
            idle_timeout=run.idle_timeout,
            engine=engine,
        )
    except BaseException:
        moment.close()
        raise


def open_moment(
    spec: ExportSpec,
    *,
    dsn: str | None = None,
    exposure: Exposure = EVERYTHING,
    run: RunSettings | None = None,
    token: CancelToken | None = None,
) -> Moment:
    """Connect, lock what a spec names, of several datasets all of them in their order, and take the snapshot. Arguments
    and errors are those of :func:`open_export`.

    Returns:
        What :func:`~polyglot_export.planning.planner.plan` and :func:`~polyglot_export.execution.export.start` take. It
        holds a connection and locks: close it, or start an export, which does so at its end.
    """
    run = run or RunSettings()
    sources = [exposure.source_of(each) for each in spec.each()]
    # As secrets.token_hex(4), which would load OpenSSL first.
    name = run.application_name or f"polyglot {os.urandom(4).hex()}"
    caller = run.caller()
    leader = Leader.open(dsn, application_name=name, token=token)
    try:
        return Moment.open(
            leader, sources, time_zone=spec.options.time_zone, lock_timeout=run.lock_timeout, caller=caller
        )
    except BaseException:
        leader.close()
        raise


def open_part(
    shared: SharedMoment,
    spec: ExportSpec,
    *,
    exposure: Exposure = EVERYTHING,
    run: RunSettings | None = None,
    token: CancelToken | None = None,
) -> Export:
    """The same as :func:`open_export` in a moment that is there already, and outlasts the export.

    Raises:
        SourceChanged: What is read has changed since the moment was taken.
        PolyglotError: As :func:`open_export`.
    """
    started = time.monotonic()
    run = run or RunSettings()
    limits = run.limits()
    moment = shared.part(exposure.source_of(spec), spec.options.time_zone)
    with shared.leader.step():
        planned = plan(moment, spec, limits, session=run.session())
    return start(
        planned,
        moment,
        spec=spec,
        token=token or CancelToken(),
        started=started,
        rate_limit=run.rate_limit,
        idle_timeout=run.idle_timeout,
    )


def open_shared(
    sources: Sequence[Source],
    *,
    dsn: str | None = None,
    run: RunSettings | None = None,
    token: CancelToken | None = None,
) -> SharedMoment:
    """Connect, lock the sources and take the snapshot, for several exports.

    Raises:
        PolyglotError: As :func:`open_export`.
    """
    run = run or RunSettings()
    run.limits()
    caller = run.caller()
    name = f"polyglot {os.urandom(4).hex()}"
    leader = SharedLeader.open(dsn, application_name=name, token=token)

    def beside() -> Leader:
        return Leader.open(same_server(dsn, leader.connection), application_name=name, token=token)

    try:
        moment = Moment.open(leader, sources, lock_timeout=run.lock_timeout, caller=caller)
        return SharedMoment(leader, moment, run.lock_timeout, beside)
    except BaseException:
        leader.close()
        raise


def explain(
    spec: ExportSpec, *, dsn: str | None = None, exposure: Exposure = EVERYTHING, run: RunSettings | None = None
) -> Plan:
    """The plan of an export, made in a transaction that is rolled back; no row is read.

    Raises:
        PolyglotError: As :func:`open_export`.
    """
    run = run or RunSettings(application_name="polyglot explain")
    limits = run.limits()
    with open_moment(spec, dsn=dsn, exposure=exposure, run=run) as moment:
        return plan(moment, spec, limits)
