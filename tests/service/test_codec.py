"""Jobs as JSON: what comes back is what went in, and what is not understood is not guessed at."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export.access.rights import read_rights
from polyglot_export.errors import InternalError
from polyglot_export.jobs.codec import decode_job, decode_run, encode_job, encode_run
from polyglot_export.jobs.job import DeliveredSet, Failure, Job, JobStatus, PreparedFile, RequestKey, Run
from polyglot_export.request.parse import parse_spec
from tests.service.sample_jobs import make_job

texts = st.text(st.characters(codec="utf-8"), max_size=8)
times = st.timedeltas(timedelta(0), timedelta(days=50_000)).map(lambda since: datetime(1970, 1, 1, tzinfo=UTC) + since)
counts = st.integers(0, 2**63)
fractions = st.none() | st.floats(0, 1)
failures = st.builds(Failure, texts, texts, st.none() | texts, st.none() | counts, st.none() | texts)
runs = st.builds(
    Run,
    st.integers(1, 1000),
    times,
    st.sampled_from([JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED]),
    st.none() | times,
    st.none() | texts,
    counts,
    counts,
    fractions,
    st.integers(0, 10**6),
    st.none() | st.integers(0, 10**6),
    st.floats(0, 1e9),
    st.dictionaries(texts, counts, max_size=2),
    st.none() | failures,
    st.none() | texts,
)
scalars = (
    st.booleans()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"))
)
specs = st.builds(
    lambda dataset, values, limit, header: parse_spec(
        {
            "format": "csv",
            "dataset": dataset,
            "columns": ["a"],
            "filter": [{"column": "a", "op": "in", "value": values}],
            "orderBy": [{"column": "a", "direction": "desc"}],
            "limit": limit,
            "compression": "zstd",
            "delivery": "file",
            "options": {"header": header},
        }
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1),
    st.lists(scalars, max_size=3),
    st.integers(0, 2**63 - 1),
    st.booleans(),
)
rights = st.none() | st.sampled_from(
    [
        read_rights({}),
        read_rights({"datasets": ["a"], "rows": {"a": "x > 1"}, "mask": {"a": {"x": "left(x, 1)"}}}),
        read_rights({"rows": {"a": {"x": Decimal("1.20")}}, "columns": {"a": ["x"]}, "settings": {"app.tenant": "3"}}),
    ]
)
meanings = st.none() | st.lists(texts, max_size=2).map(tuple)
files = st.builds(
    PreparedFile, st.integers(1, 9), texts, counts, texts, counts, times, rights=rights, meanings=meanings
)
sets = st.builds(
    DeliveredSet,
    st.integers(1, 9),
    texts,
    texts,
    counts,
    counts,
    counts,
    times,
    st.lists(st.none() | st.lists(texts, max_size=2).map(tuple), max_size=2).map(tuple),
    rights,
    meanings,
)
delivered_specs = st.builds(
    lambda values, limit: parse_spec(
        {
            "format": "parquet",
            "delivery": "store",
            "destination": "lake",
            "partSize": 1 << 20,
            "datasets": [
                "a",
                {
                    "dataset": "b",
                    "name": "c",
                    "columns": ["x"],
                    "filter": [{"column": "a", "op": "in", "value": values}],
                    "orderBy": [{"column": "a", "direction": "desc"}],
                    "limit": limit,
                },
            ],
        }
    ),
    st.lists(scalars, max_size=3),
    st.integers(0, 2**63 - 1),
)
jobs_of_any_kind = st.builds(
    Job,
    texts,
    st.none() | texts,
    specs | delivered_specs,
    texts,
    times,
    times,
    st.timedeltas(timedelta(0), timedelta(days=400)),
    counts,
    st.lists(runs, max_size=3).map(tuple),
    st.none() | times,
    st.none() | files,
    st.none() | sets,
    st.none() | texts,
    st.none() | st.builds(RequestKey, texts, texts),
    rights=rights,
)


@given(job=jobs_of_any_kind)
def test_a_job_comes_back_as_it_was(job: Job) -> None:
    assert decode_job(encode_job(job)) == job
    for run in job.runs:
        assert decode_run(encode_run(run)) == run


def test_a_number_of_a_filter_keeps_every_digit() -> None:
    spec = parse_spec(
        {"format": "csv", "filter": [{"column": "a", "op": "=", "value": Decimal("1.2345678901234567890")}]}
    )
    job = decode_job(encode_job(replace(make_job(), spec=spec)))
    value = job.spec.filter[0].value
    assert isinstance(value, Decimal)
    assert str(value) == "1.2345678901234567890"


def test_what_a_newer_service_wrote_is_not_guessed_at() -> None:
    text = encode_job(make_job())
    assert decode_job(text[:-1] + ',"invented_later":1}') is not None
    with pytest.raises(InternalError, match="version 2"):
        decode_job(text.replace('"version":1', '"version":2'))
    with pytest.raises(InternalError, match="cannot be read"):
        decode_job(text.replace('"format":"csv"', '"format":"abacus"'))
