"""Prepared files as a kind of export in the background: each becomes a file of the spool."""

from __future__ import annotations

import asyncio

from polyglot_export.jobs.job import Job, PreparedFile
from polyglot_export.service.admission.opening import Admitted
from polyglot_export.service.prepared.openat import is_name_of
from polyglot_export.service.prepared.spool import Spool
from polyglot_export.service.prepared.writer import FileWriter
from polyglot_export.service.replicas.active import ActiveRun
from polyglot_export.service.replicas.runs import Runs

__all__ = ["SpoolFiles"]


class SpoolFiles:
    """Makes the files of jobs with ``"delivery": "file"``
    (a :class:`~polyglot_export.service.background.kind.Kind`).

    Args:
        spool: Where they are written.
        runs: Knows whose end waits for the store.
    """

    def __init__(self, spool: Spool, runs: Runs) -> None:
        self._spool = spool
        self._runs = runs
        self._names: set[str] = set()
        """Of files that are being written, or whose job is being told of them."""

    def unsettled(self) -> set[str]:
        """Names of files that have no job yet, since they are being written or the store is away."""
        return self._names | {self._spool.name(lease.job_id, lease.run) for lease in self._runs.leases()}

    async def check_room(self, _job: Job) -> None:
        """See that the spool takes another file.

        Raises:
            SpoolFull: Its limit is reached.
            TargetFailed: There is no spool.
        """
        await asyncio.to_thread(self._spool.check_room)

    def held_bytes(self, _job: Job) -> int:
        """A file of this machine holds nothing."""
        return 0

    async def make(self, active: ActiveRun, admitted: Admitted) -> PreparedFile:
        """Write the file; see :class:`Kind`."""
        name = self._spool.name(active.job.id, active.run.number)
        self._names.add(name)
        written = await FileWriter(admitted.open, self._spool.create(name), active).write()
        (offered,) = admitted.offered
        return PreparedFile(
            active.run.number,
            name,
            written.size,
            written.sha256,
            written.rows,
            active.present(),
            offered,
            written.stamp,
            admitted.rights,
            admitted.meanings,
        )

    async def take_back(self, active: ActiveRun) -> None:
        """Remove the file of a run."""
        await asyncio.to_thread(self._spool.remove, self._spool.name(active.job.id, active.run.number))

    def settled(self, active: ActiveRun) -> None:
        """The file is its job's, or nobody's."""
        self._names.discard(self._spool.name(active.job.id, active.run.number))

    async def forget(self, job: Job) -> None:
        """Remove what was prepared for a job."""
        if job.file is not None and is_name_of(job.file.name, job.id, job.file.run):
            await asyncio.to_thread(self._spool.remove, job.file.name)
