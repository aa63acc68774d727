"""What a job keeps of its owner's rights, for the time when nobody can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from polyglot_export import FilterTerm, parse_spec
from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.rights import Rights
from polyglot_export.integrations import Caller
from polyglot_export.jobs.codec import decode_job, encode_job
from polyglot_export.jobs.job import Job
from polyglot_export.service.callers import Callers
from polyglot_export.service.config.file import read_configuration
from polyglot_export.service.errors import Forbidden
from polyglot_export.service.mounted.callers import AppCallers

OFFERED = {"orders": {"table": "orders", "columns": ["id", "total"]}, "people": {"table": "people"}}
KEY = "sha256:" + 64 * "0"
DIGITS = Decimal("12345678901234567890.10")


def job(rights: Rights | None) -> Job:
    """One that runs by itself."""
    at = datetime.now(UTC)
    spec = parse_spec({"format": "csv", "dataset": "orders", "delivery": "file"})
    return Job("the-job", "ann", spec, "orders", at, at, timedelta(hours=1), rights=rights)


def callers(datasets: Mapping[str, Any]) -> AppCallers:
    """Those of an app."""
    configuration = read_configuration({"datasets": datasets})
    assert isinstance(configuration.exposure, ConfiguredDatasets)
    return AppCallers(configuration, configuration.exposure)


def test_they_keep_every_digit() -> None:
    caller = Caller(
        name="ann",
        datasets=["orders"],
        columns={"orders": ["total"]},
        rows={"orders": {"total": [DIGITS, True, "x"]}, "people": [FilterTerm("id", "isNull")]},  # type: ignore[arg-type]
        webhooks=["hook"],
        destinations=["lake"],
    )
    kept = job(caller.rights)
    assert decode_job(encode_job(kept)) == kept
    assert decode_job(encode_job(kept), brief=True).rights == caller.rights
    without = job(None)
    assert decode_job(encode_job(without)) == without
    assert "rights" not in encode_job(without)


def test_a_job_runs_with_what_its_owner_was_allowed() -> None:
    made = callers(OFFERED).named(Caller(name="ann", datasets=["orders"], rows={"orders": {"tenant": 3}}))
    owner = callers(OFFERED).owner_of(job(made.kept))
    assert owner.name == "ann"
    assert owner.exposure.resolve("orders").rows == (FilterTerm("tenant", "=", Decimal(3)),)  # type: ignore[arg-type]
    assert owner.exposure.resolve("orders").columns == ("id", "total")


def test_not_with_what_is_not_offered_any_more() -> None:
    rights = Caller(name="ann", datasets="all", columns={"orders": ["id", "total"]}).rights
    callers(OFFERED).owner_of(job(rights))
    for now in ({"people": {"table": "people"}}, {"orders": {"table": "orders", "columns": ["id"]}}):
        with pytest.raises(Forbidden, match="not offered any more"):
            callers(now).owner_of(job(rights))


def test_jobs_of_keys_and_of_apps_are_strangers() -> None:
    rights = Caller(name="ann", datasets="all").rights
    keys = read_configuration({"datasets": OFFERED, "keys": {"ann": {"hash": KEY}}})
    with_keys = Callers(keys.keys, keys.exposure)
    assert with_keys.owner_of(job(None)).name == "ann"
    with pytest.raises(Forbidden, match="the caller of an app"):
        with_keys.owner_of(job(rights))
    with pytest.raises(Forbidden, match="not created by a caller of this app"):
        callers(OFFERED).owner_of(job(None))
