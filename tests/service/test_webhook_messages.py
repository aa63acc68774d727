"""What a job has to tell: messages are made by the change that ends a run, and never without a bound."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from polyglot_export.jobs.codec import decode_job, encode_job
from polyglot_export.jobs.job import Job, JobStatus
from polyglot_export.jobs.messages import MAX_PENDING, MessageStatus
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.webhooks.body import message_body
from tests.service.sample_jobs import START, ended, make_job

TOLD = parse_spec({"format": "csv", "webhook": "hook"})


def told(*statuses: JobStatus, spec: object = TOLD) -> Job:
    job = make_job(spec=spec)
    for number, status in enumerate(statuses):
        job = ended(job.with_new_run(START + timedelta(seconds=number), "a"), status)
    return job


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_the_end_of_a_run_makes_one_message(status: JobStatus) -> None:
    job = told(status)
    (message,) = job.pending_messages("a")
    assert (message.run, message.made_at, message.attempts) == (1, START, 0)
    assert job.latest is not None
    # Stored again after a lost answer, and read back.
    assert job.with_run(job.latest).messages == (message,)
    assert decode_job(encode_job(job)).messages == (message,)
    assert told(status, spec=parse_spec({"format": "csv"})).messages == ()


def test_a_run_that_goes_on_makes_none() -> None:
    job = make_job(spec=TOLD).with_new_run(START, "a")
    assert job.latest is not None
    assert job.with_run(replace(job.latest, rows=7)).messages == ()


def test_ids_differ_between_runs_and_jobs() -> None:
    job = told(*[JobStatus.COMPLETED] * 3)
    ids = {message.id for message in (*job.messages, *told(JobStatus.COMPLETED).messages)}
    assert len(ids) == 4


def test_a_verdict_that_is_corrected_is_told_anew() -> None:
    job = make_job(spec=TOLD).with_new_run(START, "a").with_lost_run(1, START)
    (lost,) = job.messages
    assert job.run(1) is not None
    corrected = ended(job, JobStatus.COMPLETED)
    (message,) = corrected.messages
    assert message.id != lost.id
    # An attempt with the old one that ends now changes nothing.
    assert corrected.with_message(replace(lost, status=MessageStatus.DELIVERED)) is corrected


def test_a_run_that_is_begun_again_at_once_is_not_told() -> None:
    job = make_job(spec=TOLD).with_new_run(START, "a")
    assert job.with_lost_run(1, START, again=True).messages == ()
    assert len(job.with_lost_run(1, START).messages) == 1


def test_a_job_that_is_cancelled_before_it_ran_is_told_once() -> None:
    job = make_job(spec=TOLD).cancelled(START, "a")
    (message,) = job.pending_messages("a")
    assert message.run == 0
    assert job.cancelled(START, "a").messages == (message,)
    running = make_job(spec=TOLD).with_new_run(START, "a").cancelled(START, "b")
    assert running.messages == ()
    assert len(ended(running, JobStatus.CANCELLED).messages) == 1


def test_too_many_that_wait_are_said() -> None:
    job = told(*[JobStatus.COMPLETED] * (MAX_PENDING + 3))
    assert len(job.messages) == MAX_PENDING + 1
    assert [message.run for message in job.pending_messages("a")] == [1, 2, 3, 4]
    assert job.messages[-1].status is MessageStatus.FAILED
    assert job.messages[-1].run == MAX_PENDING + 3
    assert "wait" in str(job.messages[-1].error)


def test_a_failed_attempt_is_told_by_the_owner_of_the_message_alone() -> None:
    job = told(JobStatus.COMPLETED)
    (message,) = job.messages
    taken = job.with_messages_taken("b")
    assert taken.pending_messages("a") == ()
    later = replace(message, attempts=1, due_at=START + timedelta(hours=1))
    assert taken.with_message(later) is taken
    delivered = taken.with_message(replace(later, status=MessageStatus.DELIVERED))
    assert delivered.messages[0].status is MessageStatus.DELIVERED
    assert delivered.with_message(later) is delivered


def test_a_message_about_a_run_that_is_not_listed_has_no_body() -> None:
    job = told(JobStatus.COMPLETED)
    assert message_body(replace(job, runs=()), job.messages[0]) is None


def test_a_body_tells_of_its_own_run() -> None:
    job = told(JobStatus.FAILED, JobStatus.COMPLETED).with_new_run(START + timedelta(minutes=1), "a")
    bodies = [message_body(job, message) for message in job.messages]
    assert [body is not None and b'"type":"export.failed"' in body for body in bodies] == [True, False]
    assert all(body is not None and body.count(b'"segmentsTotal"') == 2 for body in bodies)
