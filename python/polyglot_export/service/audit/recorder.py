"""What the rooms of the service tell the audit log, in its terms."""

from __future__ import annotations

from polyglot_export.access.parameters import kind_of
from polyglot_export.jobs.job import Job, Run
from polyglot_export.jobs.links import Link
from polyglot_export.request.spec import ExportSpec, FilterTerm
from polyglot_export.service.audit.events import (
    DatasetRead,
    ExportCreated,
    ExportEnded,
    FileSent,
    LinkMade,
    LinkRevoked,
    LinkUsed,
    PreviewRead,
    RequestRefused,
    RunBegun,
    RunEnded,
    Term,
)
from polyglot_export.service.audit.log import AuditLog
from polyglot_export.service.audit.origin import noted_address

__all__ = ["Recorder"]


class Recorder:
    """Turns what happens into events.

    Args:
        log: Where they are written.
        values: Whether the values of filters are told, and not only of which kind they are.
    """

    def __init__(self, log: AuditLog, *, values: bool = False) -> None:
        self.log = log
        self._values = values

    async def created(self, job: Job, role: str | None) -> None:
        """An export is about to be saved.

        Args:
            job: The export.
            role: Of the database, that its owner has; ``None`` for that of the login.

        Raises:
            AuditAway: The log cannot be written.
        """
        spec = job.spec
        await self.log.must(
            ExportCreated(
                caller=job.owner,
                address=noted_address(),
                export_id=job.id,
                datasets=tuple(self._read(each) for each in spec.each()),
                format=spec.format.value,
                delivery=spec.delivery,
                destination=spec.destination,
                webhook=spec.webhook,
                role=role,
            )
        )

    async def previewed(self, caller: str | None, spec: ExportSpec) -> None:
        """The first rows are about to be read.

        Raises:
            AuditAway: The log cannot be written.
        """
        await self.log.must(
            PreviewRead(caller=caller, address=noted_address(), dataset=self._read(spec), format=spec.format.value)
        )

    async def begun(self, job: Job, run: Run) -> None:
        """A run is about to begin.

        Raises:
            AuditAway: The log cannot be written.
        """
        await self.log.must(
            RunBegun(
                caller=job.owner,
                address=_address(job),
                export_id=job.id,
                run=run.number,
                datasets=tuple(each.dataset for each in job.spec.each()),
                format=job.spec.format.value,
            )
        )

    async def ended(self, job: Job, run: Run, sha256: str | None, seconds: float) -> None:
        """A run is over."""
        await self.log.tell(
            RunEnded(
                caller=job.owner,
                address=_address(job),
                export_id=job.id,
                run=run.number,
                outcome=run.status.value,  # type: ignore[arg-type]  # a run that is over has one of the three
                code=run.error.code if run.error is not None else None,
                snapshot=run.snapshot,
                rows=run.rows,
                bytes=run.bytes,
                sha256=sha256,
                seconds=round(seconds, 3),
                losses=run.losses,
            )
        )

    async def sent(
        self,
        job: Job,
        *,
        size: int,
        sha256: str,
        range_: str | None,
        dataset: str | None = None,
        file: str | None = None,
        by_link: bool = False,
    ) -> None:
        """A file is about to be sent.

        Raises:
            AuditAway: The log cannot be written.
        """
        await self.log.must(
            FileSent(
                caller=job.owner,
                address=noted_address(),
                export_id=job.id,
                dataset=dataset or job.spec.dataset,
                file=file,
                sha256=sha256,
                bytes=size,
                range=range_,
                by_link=by_link,
            )
        )

    async def link_made(self, job: Job, link: Link) -> None:
        """A link is about to be given out.

        Raises:
            AuditAway: The log cannot be written.
        """
        await self.log.must(
            LinkMade(
                caller=job.owner,
                address=noted_address(),
                export_id=job.id,
                link_id=link.id,
                expires_at=link.expires_at,
                once=link.once,
                file=link.file,
            )
        )

    async def link_used(self, job: Job, link_id: str) -> None:
        """What a link is for is about to be sent.

        Raises:
            AuditAway: The log cannot be written.
        """
        await self.log.must(LinkUsed(caller=job.owner, address=noted_address(), export_id=job.id, link_id=link_id))

    async def link_revoked(self, job: Job, link_id: str) -> None:
        """A link is about to be taken back.

        Raises:
            AuditAway: The log cannot be written.
        """
        await self.log.must(LinkRevoked(caller=job.owner, address=noted_address(), export_id=job.id, link_id=link_id))

    async def deleted(self, job: Job, *, running: bool) -> None:
        """An owner ends or forgets an export.

        Raises:
            AuditAway: The log cannot be written.
        """
        await self.log.must(ExportEnded(caller=job.owner, address=noted_address(), export_id=job.id, running=running))

    async def refused(self, event: RequestRefused) -> None:
        """A request was refused; it is, whether that can be written or not."""
        await self.log.refused(event)

    def _read(self, spec: ExportSpec) -> DatasetRead:
        return DatasetRead(
            dataset=spec.dataset,
            columns=tuple(column.source for column in spec.columns) if spec.columns is not None else None,
            filter=tuple(self._term(term) for term in spec.filter),
            parameters={name: self._told(value) for name, value in (spec.parameters or {}).items()},
            order_by=tuple(term.column for term in spec.order_by),
            limit=spec.limit,
            split_by=spec.split_column,
        )

    def _term(self, term: FilterTerm) -> Term:
        told = None if term.value is None else self._told(term.value)
        return Term(column=term.column, op=term.op.value, value=told)

    def _told(self, value: object) -> object:
        if not self._values:
            return kind_of(value)
        return list(value) if isinstance(value, tuple) else value


def _address(job: Job) -> str | None:
    """Of the request that runs it. What runs in the background was asked for by an earlier one."""
    return None if job.spec.in_background else noted_address()
