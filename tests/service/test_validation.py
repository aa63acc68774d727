"""Wrong settings and parameters are told in words about the value, never in those of the library that checks them."""

from __future__ import annotations

import pytest

from polyglot_export.errors import SpecError
from polyglot_export.service.config.environment import ServiceSettings
from tests.fixtures.process import Service
from tests.service.client import assert_problem, call


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("PORT", "99999", "must be at most 65535"),
        ("PORT", "http", "must be a whole number"),
        ("POLYGLOT_WORKERS", "0", "must be at least 1"),
        ("POLYGLOT_WORKERS", "1.5", "must be a whole number"),
        ("POLYGLOT_QUEUE_TIMEOUT", "-1", "must be greater than 0"),
        ("POLYGLOT_QUEUE_TIMEOUT", "inf", "must be a number of seconds, or a number with ms, s, min, h or d"),
        ("POLYGLOT_QUEUE_TIMEOUT", "soon", "must be a number of seconds, or a number with ms, s, min, h or d"),
        ("POLYGLOT_LOCK_TIMEOUT", "25d", "must be at most 2147483"),
        ("POLYGLOT_STATEMENT_TIMEOUT", "3000000", "must be at most 2147483"),
        ("POLYGLOT_MEMORY_LIMIT", "much", "must be a number of bytes, or a number with kB, MB or GB"),
        ("POLYGLOT_METRICS_PUBLIC", "perhaps", "must be true or false"),
        ("POLYGLOT_LOG_FORMAT", "yaml", "must be 'text' or 'json'"),
    ],
)
def test_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SpecError) as caught:
        ServiceSettings.load()
    assert (caught.value.field, caught.value.reason) == (variable, reason)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("10", 10), ("10s", 10), ("1.5 s", 1.5), ("500ms", 0.5), ("5min", 300), ("2h", 7200), ("1D", 86_400), (".5", 0.5)],
)
def test_times_have_units(monkeypatch: pytest.MonkeyPatch, written: str, seconds: float) -> None:
    monkeypatch.setenv("POLYGLOT_QUEUE_TIMEOUT", written)
    assert ServiceSettings.load().queue_timeout == seconds


def test_a_wrong_parameter(service: Service) -> None:
    for query, reason in (
        ("limit=0", "limit: must be at least 1 (got '0')"),
        ("limit=501", "limit: must be at most 500 (got '501')"),
        ("limit=x", "limit: must be a whole number (got 'x')"),
    ):
        answer = call(service, f"/exports?{query}")
        assert_problem(answer, 400, "bad-request")
        assert answer.json()["error"] == reason
