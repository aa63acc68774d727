"""Jobs: states, runs, rates, retention."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from polyglot_export.jobs.job import EXPIRED_KEPT, MAX_RUNS, Failure, JobStatus, Run
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.errors import ReplicaLost
from polyglot_export.service.replicas.outcomes import Outcome
from tests.service.sample_jobs import HOUR, START, ended, make_job


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


def test_rates_are_means_and_the_rest_follows_from_them() -> None:
    run = Run(1, START)
    assert (run.rows_per_second, run.bytes_per_second, run.eta_seconds) == (None, None, None)
    run = replace(run, rows=300, bytes=6000, elapsed=3.0, progress=0.25)
    assert (run.rows_per_second, run.bytes_per_second, run.eta_seconds) == (100.0, 2000.0, 9.0)
    assert replace(run, progress=None).eta_seconds is None
    assert replace(run, progress=0.0).eta_seconds is None
    assert replace(run, status=JobStatus.COMPLETED, progress=1.0).eta_seconds is None


def test_an_expired_job_is_forgotten_later_and_a_running_one_never() -> None:
    job = make_job()
    assert job.status(START + HOUR) is JobStatus.EXPIRED
    assert not job.forgotten(START + HOUR + EXPIRED_KEPT - timedelta(seconds=1))
    assert job.forgotten(START + HOUR + EXPIRED_KEPT)
    assert not job.with_new_run(START).forgotten(START + 1000 * HOUR)


def test_a_lost_replica_fails_what_it_was_running_and_nothing_else() -> None:
    job = ended(make_job().with_new_run(START, "a"), JobStatus.COMPLETED).with_new_run(START, "a")
    judged = job.with_lost_run(2, START + HOUR)
    assert judged.latest is not None
    assert judged.latest.lost
    assert judged.status(START) is JobStatus.FAILED
    assert judged.expires_at == START + 2 * HOUR
    assert judged.with_lost_run(2, START + 3 * HOUR) == judged
    assert job.with_lost_run(1, START) == job
    assert job.with_lost_run(7, START) == job


def test_an_end_is_added_where_the_store_has_lost_the_run() -> None:
    job = make_job()
    begun = job.with_new_run(START, "a").runs[0]
    ending = Outcome(job.id, replace(begun, status=JobStatus.COMPLETED, finished_at=START))
    assert ending.into(job, late=True).runs == (ending.run,)
    another = job.with_new_run(START + HOUR, "b")
    assert ending.into(another, late=True) == another


@pytest.mark.parametrize(
    ("late", "delivery", "corrected"), [(False, "stream", False), (True, "stream", True), (True, "file", False)]
)
def test_the_true_end_corrects_a_verdict_only_where_a_client_has_seen_it(
    late: bool, delivery: str, corrected: bool
) -> None:
    job = replace(make_job(), spec=parse_spec({"format": "csv", "delivery": delivery})).with_new_run(START, "a")
    judged = job.with_lost_run(1, START)
    ending = Outcome(job.id, replace(job.runs[0], status=JobStatus.COMPLETED, finished_at=START, rows=7))
    assert ending.into(job, late=late).runs == (ending.run,)
    assert ending.into(ending.into(job, late=late), late=late).runs == (ending.run,)
    if corrected:
        assert ending.into(judged, late=late).runs == (ending.run,)
    else:
        with pytest.raises(ReplicaLost):
            ending.into(judged, late=late)
