"""A caller of an app has the limits that the app gives it."""

from __future__ import annotations

import pytest

from polyglot_export.errors import SpecError
from polyglot_export.integrations import Caller
from tests.mounted.running import App, ask, create, created, download, login
from tests.service.client import assert_problem


def test_what_the_app_says_holds(app: App) -> None:
    thrifty = login("thrifty", limits={"bytes_per_day": "100kB", "requests_per_minute": 50})
    limits = ask(app, "/caller", thrifty).json()["limits"]
    assert (limits["bytesPerDay"], limits["requestsPerMinute"], limits["exports"]) == (100 << 10, 50, None)
    assert len(download(app, thrifty, dataset="orders")) > 100 << 10
    assert_problem(create(app, thrifty, dataset="people"), 429, "too-many-requests", "limits.bytesPerDay")
    # The limits are those of this very request; what is used is remembered by the name.
    more = login("thrifty", limits={"bytes_per_day": "1GB"})
    assert download(app, more, dataset="people")
    assert create(app, login("other", limits={"bytes_per_day": "1kB"}), dataset="people").status == 201


def test_requests_are_counted_by_the_name(app: App) -> None:
    seldom = login("seldom", limits={"requestsPerMinute": 2})
    path = f"/exports/{created(app, seldom, dataset='people')}"
    assert [ask(app, path, seldom).status for _ in range(3)] == [200, 429, 429]
    assert ask(app, "/exports", login()).status == 200


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"exports": 0}, "limits.exports"),
        ({"exports": "two"}, "limits.exports"),
        ({"bytes_per_day": "much"}, "limits.bytesPerDay: must be a number of bytes"),
        ({"bytes_per_day": 0}, "limits.bytesPerDay: must be at least 1"),
        ({"bytes_per_day": 1.5}, "limits.bytesPerDay: must be a whole number"),
        ({"exporst": 1}, "unknown member 'exporst'; allowed are exports, connections"),
    ],
)
def test_what_is_no_limit_is_refused(limits: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        Caller(name="ann", datasets="all", limits=limits)  # type: ignore[arg-type]
