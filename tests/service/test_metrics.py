"""``/metrics``: read back by the parsers of Prometheus' own client, against what was really done."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from polyglot_export.access.keys import hash_key
from polyglot_export.service.http.problems import PROBLEMS
from tests.fixtures.process import Service, serve
from tests.fixtures.redis import RedisServer
from tests.service.client import (
    RawDownload,
    assert_problem,
    call,
    create,
    kill_backends,
    post,
    wait_for,
    wait_for_status,
)
from tests.service.conftest import ROWS, SLOW_CONFIG

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
KEY = "a-key-for-the-scraper"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(service: Service, headers: dict[str, str] | None = None) -> Samples:
    """Every sample by its name and labels."""
    answer = call(service, "/metrics", headers=headers)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = [sample for family in parse_text(answer.body.decode()) for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples), "a series is there twice"
    return found


def value(samples: Samples, name: str, **labels: str) -> float:
    """One sample; 0 for a series that has not begun."""
    return samples.get((name, frozenset(labels.items())), 0.0)


@pytest.fixture
def fresh(records: str, tmp_path: Path) -> Iterator[Service]:
    """A service that nobody has used."""
    config = tmp_path / "polyglot.toml"
    config.write_text(SLOW_CONFIG)
    with serve(records, config=config, workers=2) as running:
        yield running


@pytest.fixture
def impatient(records: str, tmp_path: Path) -> Iterator[Service]:
    """A service that nobody has used, which cuts a slow client soon."""
    config = tmp_path / "polyglot.toml"
    config.write_text(SLOW_CONFIG)
    with serve(records, config=config, workers=2, slow_client_timeout=4) as running:
        yield running


def test_what_ended_is_counted_as_it_ended(records: str, impatient: Service) -> None:
    whole = create(impatient, dataset="small", compression="gzip")
    size = len(call(impatient, f"/exports/{whole}/download").body)
    file = create(impatient, dataset="small", format="json", delivery="file")
    wait_for_status(impatient, file, "completed")
    broken = create(impatient, dataset="records")
    with RawDownload(impatient, broken) as download:
        download.read_some(1000)
        assert kill_backends(records, broken)
        with pytest.raises(ConnectionResetError):
            download.read_to_end()
    slow = create(impatient, dataset="records")
    with RawDownload(impatient, slow):
        wait_for_status(impatient, slow, "failed")
    wait_for_status(impatient, broken, "failed")
    samples = scrape(impatient)
    ended = "polyglot_exports_total"
    assert value(samples, ended, status="completed", format="csv", compression="gzip", delivery="stream") == 1
    assert value(samples, ended, status="completed", format="json", compression="none", delivery="file") == 1
    assert value(samples, ended, status="failed", format="csv", compression="none", delivery="stream") == 2
    assert value(samples, "polyglot_export_failures_total", code="slow-client") == 1
    assert value(samples, "polyglot_export_failures_total", code="database-lost") == 1
    assert value(samples, "polyglot_export_rows_total", format="json") == 3
    assert value(samples, "polyglot_export_bytes_total", format="csv") > size
    assert value(samples, "polyglot_export_duration_seconds_count", status="failed", format="csv") == 2
    assert value(samples, "polyglot_queue_seconds_count") >= 4
    assert value(samples, "polyglot_client_wait_seconds_total") > 0.5
    assert value(samples, "polyglot_jobs", state="idle") == 4
    assert value(samples, "polyglot_exports_running", delivery="stream") == 0
    assert value(samples, "polyglot_memory_reserved_bytes") == 0
    assert value(samples, "polyglot_database_connections", kind="leader") == 0
    assert {code for name, labels in samples if name == "polyglot_export_failures_total" for _, code in labels} == {
        row.code for row in PROBLEMS
    }


def test_what_runs_is_seen_while_it_runs(fresh: Service) -> None:
    export_id = create(fresh, dataset="records")
    before = scrape(fresh)
    with RawDownload(fresh, export_id) as download:
        download.read_some(300_000)
        samples = scrape(fresh)
        assert value(samples, "polyglot_exports_running", delivery="stream") == 1
        assert value(samples, "polyglot_export_bytes_total", format="csv") >= 262_144
        assert value(samples, "polyglot_export_rows_total", format="csv") > 0
        assert value(samples, "polyglot_database_connections", kind="leader") == 1
        assert 1 <= value(samples, "polyglot_database_connections", kind="worker") <= 2
        assert 0 < value(samples, "polyglot_memory_reserved_bytes") <= value(samples, "polyglot_memory_budget_bytes")
        assert value(samples, "polyglot_jobs", state="running") == 1
        wait_for(lambda: value(scrape(fresh), "polyglot_client_wait_seconds_total") > 0.2)
        assert all(after >= before.get(key, 0) for key, after in samples.items() if key[0].endswith("_total"))
    wait_for(lambda: value(scrape(fresh), "polyglot_exports_running", delivery="stream") == 0)


def test_a_whole_download_has_its_rows_and_bytes(fresh: Service) -> None:
    before = scrape(fresh)
    body = call(fresh, f"/exports/{create(fresh, dataset='records', format='ndjson')}/download").body
    after = scrape(fresh)
    assert value(after, "polyglot_export_bytes_total", format="ndjson") - value(
        before, "polyglot_export_bytes_total", format="ndjson"
    ) == len(body)
    assert value(after, "polyglot_export_rows_total", format="ndjson") == ROWS


def test_clients_cannot_make_series(fresh: Service) -> None:
    call(fresh, "/exports/none-of-that-id")
    call(fresh, "/no/such/path")
    call(fresh, "/health", method="BREW")
    post(fresh, {"format": "csv", "dataset": "a name that a client chose"})
    samples = scrape(fresh)
    assert value(samples, "polyglot_http_requests_total", method="GET", route="/exports/{export_id}", status="404") == 1
    assert value(samples, "polyglot_http_requests_total", method="GET", route="other", status="404") == 1
    assert value(samples, "polyglot_http_requests_total", method="POST", route="/exports", status="400") == 1
    texts = {text for _, labels in samples for _, text in labels}
    assert not [text for text in texts if re.search("none-of-that-id|no/such|BREW|client chose", text)]
    routes = {
        text
        for name, labels in samples
        if name == "polyglot_http_requests_total"
        for label, text in labels
        if label == "route"
    }
    documented = set(call(fresh, "/openapi.json").json()["paths"]) | {"other"}
    assert routes <= documented


def test_it_speaks_openmetrics_where_that_is_asked_for(service: Service) -> None:
    answer = call(
        service, "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"}
    )
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")
    names = {family.name for family in parse_openmetrics(answer.body.decode())}  # type: ignore[no-untyped-call]  # theirs
    assert {
        "polyglot_exports",
        "polyglot_build",
        "polyglot_memory_budget_bytes",
        "process_resident_memory_bytes",
    } <= names


@pytest.mark.parametrize("public", [False, True])
def test_who_may_read_it(records: str, tmp_path: Path, public: bool) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(f'{SLOW_CONFIG}\n[keys.prometheus]\nhash = "{hash_key(KEY)}"\ndatasets = []\n')
    with serve(records, config=config, metrics_public=public) as service:
        bearer = {"Authorization": f"Bearer {KEY}"}
        assert value(scrape(service, bearer), "polyglot_job_store_up") == 1
        assert call(service, "/datasets", headers=bearer).json()["datasets"] == [], (
            "the key of the scraper reads nothing else"
        )
        answer = call(service, "/metrics")
        if public:
            assert answer.status == 200
        else:
            assert_problem(answer, 401, "unauthorized", "Bearer")


def test_every_metric_is_explained(service: Service) -> None:
    """Without the process_* ones, which are those of every client library."""
    families = parse_text(call(service, "/metrics").body.decode())
    ours = {family.name for family in families if family.name.startswith("polyglot_")}
    explained = {
        name.removesuffix("_total").removesuffix("_info")
        for name in re.findall(r"^\| `(polyglot_\w+)", PAGE.read_text(), re.MULTILINE)
    }
    assert {name.removesuffix("_total").removesuffix("_info") for name in ours} == explained


def test_a_store_that_is_away_is_a_number_and_not_an_error(records: str, redis_server: RedisServer) -> None:
    with serve(records, redis_url=redis_server.url) as service:
        create(service)
        assert call(service, f"/exports/{create(service, dataset='small')}/download").status == 200
        with serve(records, redis_url=redis_server.url) as other:
            samples = scrape(other)
        assert (value(samples, "polyglot_job_store_up"), value(samples, "polyglot_jobs", state="idle")) == (1, 2)
        assert (
            value(
                samples,
                "polyglot_exports_total",
                status="completed",
                format="csv",
                compression="none",
                delivery="stream",
            )
            == 0
        )
        redis_server.stop()
        away = scrape(service)
        assert value(away, "polyglot_job_store_up") == 0
        assert not [name for name, _ in away if name == "polyglot_jobs"]
