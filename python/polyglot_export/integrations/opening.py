"""The export of one response: it takes its share of what the process has, opens, and gives the share back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from polyglot_export.admission.budget import Demand, Fixed, Reservation, Share
from polyglot_export.admission.sizes import Needs, Sized, planning_share
from polyglot_export.cancel import CancelToken
from polyglot_export.compressions import Compression
from polyglot_export.errors import Busy
from polyglot_export.execution.export import Export
from polyglot_export.execution.opening import open_export
from polyglot_export.execution.run import RunSettings
from polyglot_export.formats.registry import Format
from polyglot_export.integrations.limits import room
from polyglot_export.library.asked import Asked, Dsn, Rows, asked
from polyglot_export.library.keywords import (
    Columns,
    Exclude,
    Filter,
    Order,
    Settings,
    Split,
    SplitValues,
    SqlWhere,
    Where,
)
from polyglot_export.planning.plan import Plan
from polyglot_export.planning.reservation import Shape

__all__ = ["Opening", "Wanted", "wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a response shall export."""

    what: Asked
    run: RunSettings


def wanted(
    dsn: Dsn,
    source: Rows = None,
    *,
    query: str | None = None,
    format: Format | str = Format.CSV,  # noqa: A002
    columns: Columns | None = None,
    exclude: Exclude = (),
    filter: Filter = (),  # noqa: A002
    where: Where = (),
    sql_where: SqlWhere | None = None,
    order_by: Order = (),
    limit: int | None = None,
    split_by: Split = None,
    split_values: SplitValues = None,
    compression: Compression | str | None = None,
    options: Mapping[str, Any] | None = None,
    role: str | None = None,
    settings: Settings | None = None,
    workers: int | None = None,
    rate_limit: float | None = None,
    lock_timeout: float | None = None,
) -> Wanted:
    """The arguments of :func:`polyglot_export.export`.

    Raises:
        SpecError: The request is wrong.
    """
    what = asked(
        dsn,
        source,
        role=role,
        query=query,
        format=format,
        columns=columns,
        exclude=exclude,
        filter=filter,
        where=where,
        sql_where=sql_where,
        order_by=order_by,
        limit=limit,
        split_by=split_by,
        split_values=split_values,
        compression=compression,
        options=options,
    )
    run = RunSettings(
        workers=workers, rate_limit=rate_limit, lock_timeout=lock_timeout, role=what.role, settings=settings
    )
    run.limits()  # refuses what is out of bounds
    return Wanted(what, run)


class Opening:
    """Opens one export, and holds its share until :meth:`release`."""

    def __init__(self, asked: Wanted) -> None:
        self._asked = asked
        self._room = room()
        self._budget = self._room.budget
        self._reservation: Reservation | None = None

    def open(self, token: CancelToken, *, idle_timeout: float | None = None) -> Export:
        """Take a share, plan, and start with the sizes that there is room for.

        Args:
            token: Cancels the export, and its opening.
            idle_timeout: Seconds after which an export is ended that nobody pulls.

        Raises:
            Busy: The exports of this process have all that they may have.
            PolyglotError: It cannot be planned.
        """
        # One worker beside the leader is what no export can do without.
        planning = planning_share(0)
        self._reservation = self._budget.reserve_now(Fixed(Share(planning.bytes, planning.workers + 1)))
        reservation = self._reservation
        run = replace(self._asked.run, idle_timeout=idle_timeout, row_bytes=self._room.row_bytes)
        what = self._asked.what
        return open_export(
            what.spec,
            dsn=what.dsn,
            exposure=what.exposure,
            run=run,
            token=token,
            fit=lambda plan: self._fit(plan, reservation),
        )

    def release(self) -> None:
        """Give the share back; call it once the export is closed. May be called again."""
        if self._reservation is not None:
            self._reservation.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _fit(self, planned: Plan, reservation: Reservation) -> Plan:
        needs = Needs(
            [(Shape.of(planned), planned.segments)],
            workers=planned.limits.workers,
            row_bytes=planned.limits.row_bytes,
            capacity=self._budget.most,
        )
        sized = self._budget.resize(reservation, _WithLeader(needs))
        if sized is None:
            raise Busy("there is no memory for another export now; try again later")
        return planned.resized(sized.limits)


class _WithLeader:
    """A demand whose connections are counted with that of the leader."""

    def __init__(self, needs: Demand[Sized]) -> None:
        self._needs = needs

    @property
    def least(self) -> Sized:
        """As the demand says."""
        return self._counted(self._needs.least)

    def within(self, size: int, workers: int) -> Sized | None:
        """The best sizes of at most so many bytes and connections."""
        sized = self._needs.within(size, workers - 1) if workers > 1 else None
        return None if sized is None else self._counted(sized)

    @staticmethod
    def _counted(sized: Sized) -> Sized:
        return replace(sized, workers=sized.workers + 1)
