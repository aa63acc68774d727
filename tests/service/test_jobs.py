"""Jobs and their store: states, order, pages, retention."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from polyglot_export.errors import Busy, SpecError
from polyglot_export.jobs.job import MAX_RUNS, Failure, Job, JobStatus, Run
from polyglot_export.jobs.store import MAX_WEIGHT, JobStore, MemoryJobStore, cursor_of
from polyglot_export.spec import parse_spec

pytestmark = pytest.mark.anyio

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
_numbers = itertools.count()


def make_job(*, owner: str | None = None, at: datetime = START) -> Job:
    return Job(f"job-{next(_numbers):04}", owner, parse_spec({"format": "csv"}), "export", at, at + HOUR, HOUR)


def ended(job: Job, status: JobStatus, at: datetime = START) -> Job:
    assert job.latest is not None
    return job.with_run(replace(job.latest, status=status, finished_at=at))


def test_status_is_that_of_the_latest_run() -> None:
    job = make_job()
    assert job.status(START) is JobStatus.PENDING
    job = job.with_new_run(START)
    assert job.status(START) is JobStatus.RUNNING
    failed = ended(job, JobStatus.FAILED)
    assert failed.status(START) is JobStatus.FAILED
    again = ended(failed.with_new_run(START), JobStatus.COMPLETED)
    assert again.status(START) is JobStatus.COMPLETED
    assert [(run.number, run.status) for run in again.runs] == [(1, JobStatus.FAILED), (2, JobStatus.COMPLETED)]


def test_cancelled_by_the_owner_is_final_and_by_a_lost_client_is_not() -> None:
    lost = ended(make_job().with_new_run(START), JobStatus.CANCELLED)
    assert lost.status(START) is JobStatus.CANCELLED
    assert lost.with_new_run(START).status(START) is JobStatus.RUNNING
    ended_by_owner = lost.cancelled(START)
    assert ended_by_owner.with_new_run(START).status(START) is JobStatus.CANCELLED
    assert ended_by_owner.cancelled(START + HOUR) == ended_by_owner


def test_expiry_counts_from_the_last_activity_and_never_takes_a_running_job() -> None:
    job = make_job()
    assert job.status(START + HOUR) is JobStatus.EXPIRED
    running = job.with_new_run(START)
    assert running.status(START + 5 * HOUR) is JobStatus.RUNNING
    done = ended(running, JobStatus.COMPLETED, START + 5 * HOUR)
    assert done.expires_at == START + 6 * HOUR
    assert done.status(START + 5.5 * HOUR) is JobStatus.COMPLETED
    assert done.status(START + 6 * HOUR) is JobStatus.EXPIRED


def test_runs_are_bounded_and_keep_their_numbers() -> None:
    job = make_job()
    for _ in range(MAX_RUNS + 5):
        job = ended(job.with_new_run(START), JobStatus.COMPLETED)
    assert [run.number for run in job.runs] == list(range(6, MAX_RUNS + 6))
    forgotten = job.with_run(Run(1, START, error=Failure("x", "y")))
    assert forgotten.runs == job.runs


@pytest.fixture
def store() -> JobStore:
    return MemoryJobStore(max_jobs=5)


async def test_pages_have_every_job_of_the_owner_once(store: JobStore) -> None:
    jobs = [make_job(owner="a", at=START + timedelta(seconds=second)) for second in (0, 0, 1, 2)]
    for job in jobs:
        await store.add(job)
    await store.add(make_job(owner="b"))
    seen: list[Job] = []
    after = None
    while page := await store.page("a", limit=1, after=after):
        seen += page
        after = cursor_of(page[-1])
    assert seen == [jobs[3], jobs[2], jobs[1], jobs[0]]
    assert await store.page("a", limit=10) == seen
    assert await store.page("nobody", limit=10) == []


async def test_a_cursor_outlives_its_job(store: JobStore) -> None:
    jobs = [make_job(at=START + timedelta(seconds=second)) for second in range(3)]
    for job in jobs:
        await store.add(job)
    await store.remove(jobs[1].id)
    assert await store.page(None, limit=10, after=cursor_of(jobs[1])) == [jobs[0]]


@pytest.mark.parametrize("cursor", ["", "x", "12", "12-", "-a", "9" * 30 + "-a", "١-a"])
async def test_what_is_no_cursor_is_refused(store: JobStore, cursor: str) -> None:
    with pytest.raises(SpecError, match="after: "):
        await store.page(None, limit=10, after=cursor)


async def test_update_is_applied_to_the_stored_job(store: JobStore) -> None:
    job = make_job()
    await store.add(job)
    changed = await store.update(job.id, lambda known: known.with_new_run(START))
    assert changed is not None
    assert changed.running
    assert await store.get(job.id) == changed
    assert await store.update("unknown", lambda known: known) is None

    def refuse(_: Job) -> Job:
        raise Busy("no")

    with pytest.raises(Busy):
        await store.update(job.id, refuse)
    assert await store.get(job.id) == changed


async def test_the_oldest_idle_job_makes_room(store: JobStore) -> None:
    running = make_job().with_new_run(START)
    await store.add(running)
    idle = [make_job(at=START + timedelta(seconds=second)) for second in range(1, 5)]
    for job in idle:
        await store.add(job)
    await store.add(make_job(at=START + HOUR))
    assert await store.get(idle[0].id) is None
    assert await store.get(running.id) == running
    assert await store.get(idle[1].id) == idle[1]


async def test_running_jobs_are_never_forgotten(store: JobStore) -> None:
    for _ in range(5):
        await store.add(make_job().with_new_run(START))
    with pytest.raises(Busy):
        await store.add(make_job())


async def test_large_requests_are_bounded_together() -> None:
    store = MemoryJobStore(max_jobs=1000)
    jobs = [replace(make_job(at=START + timedelta(seconds=second)), weight=MAX_WEIGHT // 4) for second in range(6)]
    for job in jobs:
        await store.add(job)
    assert await store.page(None, limit=10) == jobs[:1:-1]
    huge = replace(make_job(at=START + HOUR), weight=2 * MAX_WEIGHT)
    await store.add(huge)
    assert await store.page(None, limit=10) == [huge]
