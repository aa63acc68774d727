"""What a key is beside its hash: several hashes, an end and a begin, and the kinds of calls that its holder may make."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from polyglot_export.access.keys import hash_key, new_key
from polyglot_export.access.scopes import Scope
from polyglot_export.errors import SpecError
from polyglot_export.service.config.file import load_configuration
from tests.fixtures.process import Service, serve
from tests.service.client import assert_problem, call, post, wait_for

NEW, OLD, PAST, FUTURE, READER, EXPORTER, CANCELLER, AUDITOR, SHORT = (new_key() for _ in range(9))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def later(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


@pytest.fixture(scope="module")
def service(records: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with a key of each kind."""
    folder = tmp_path_factory.mktemp("keys")
    config = folder / "polyglot.toml"
    config.write_text(
        f"""
[datasets.records]
table = "public.records"
[keys.rotated]
hash = "{hash_key(NEW)}"
hashes = [{{ hash = "{hash_key(OLD)}", expires = {later(days=1)} }}, {{ hash = "{hash_key(PAST)}", expires = 2020-01-01 }}]
[keys.future]
hashes = ["{hash_key(FUTURE)}"]
notBefore = {later(days=1)}
[keys.reader]
hash = "{hash_key(READER)}"
scopes = ["read"]
[keys.exporter]
hash = "{hash_key(EXPORTER)}"
scopes = ["export"]
[keys.canceller]
hash = "{hash_key(CANCELLER)}"
scopes = ["cancel"]
[keys.auditor]
hash = "{hash_key(AUDITOR)}"
scopes = ["read", "list-all"]
datasets = []
[keys.short]
hash = "{hash_key(SHORT)}"
expires = {later(seconds=6)}
"""
    )
    with serve(records, config=config, default_dataset="records", spool_dir=folder / "spool") as running:
        yield running


def test_each_hash_of_a_key_is_its_holder(service: Service) -> None:
    made = post(service, {"format": "csv"}, headers=bearer(NEW)).json()
    assert made["owner"] == "rotated"
    assert call(service, f"/exports/{made['exportId']}", headers=bearer(OLD)).status == 200


@pytest.mark.parametrize("key", [PAST, FUTURE], ids=["past", "future"])
def test_out_of_its_time_a_key_is_not_known(service: Service, key: str) -> None:
    answers = [call(service, "/datasets", headers=bearer(each)) for each in (key, new_key())]
    for answer in answers:
        assert_problem(answer, 401, "unauthorized", "the key is not known")


CALLS = {
    "GET /datasets": Scope.READ,
    "GET /datasets/records": Scope.READ,
    "GET /exports": Scope.READ,
    "POST /exports": Scope.EXPORT,
    "GET /exports/benchmark": Scope.EXPORT,
    "GET /metrics": Scope.METRICS,
    "GET /exports/{id}": Scope.READ,
    "GET /exports/{id}/events": Scope.READ,
    "GET /exports/{id}/files": Scope.READ,
    "GET /exports/{id}/files/0": Scope.READ,
    "HEAD /exports/{id}/download": Scope.READ,
    "GET /exports/{id}/download": Scope.READ,
    "DELETE /exports/{id}": Scope.CANCEL,
}


@pytest.mark.parametrize("called", CALLS)
@pytest.mark.parametrize(
    ("key", "scope"),
    [(READER, Scope.READ), (EXPORTER, Scope.EXPORT), (CANCELLER, Scope.CANCEL)],
    ids=["read", "export", "cancel"],
)
def test_a_call_needs_its_scope(service: Service, called: str, key: str, scope: Scope) -> None:
    method, path = called.format(id="2f6e3b0e-0000-4000-8000-000000000000").split()
    if path in ("/exports/benchmark", "/exports") and scope is CALLS[called] and scope is Scope.EXPORT:
        return
    answer = call(service, path, method=method, headers=bearer(key))
    if CALLS[called] is scope:
        assert answer.status in (200, 404)
    elif method == "HEAD":
        assert answer.status == 403
    else:
        assert_problem(answer, 403, "forbidden", f"needs the scope {CALLS[called].value}")


def test_a_stream_is_a_run_and_a_prepared_file_is_none(service: Service) -> None:
    made = post(service, {"format": "csv", "limit": 3}, headers=bearer(EXPORTER))
    assert made.status == 201
    path = f"/exports/{made.json()['exportId']}/download"
    assert_problem(call(service, path, headers=bearer(EXPORTER)), 403, "forbidden", "scope read")


def test_who_sees_the_exports_of_all_reads_none_of_their_files(service: Service) -> None:
    def made(key: str) -> str:
        answer = post(service, {"format": "csv", "delivery": "file", "limit": 5}, headers=bearer(key))
        assert answer.status == 201, answer
        return str(answer.json()["exportId"])

    of_rotated, of_exporter = made(NEW), made(EXPORTER)
    path = f"/exports/{of_rotated}"
    wait_for(lambda: call(service, path, headers=bearer(AUDITOR)).json()["status"] == "completed")
    listed = {each["exportId"]: each["owner"] for each in paged(service)}
    assert (listed[of_rotated], listed[of_exporter]) == ("rotated", "exporter")
    for path in ("/download", "/files"):
        assert call(service, f"/exports/{of_rotated}{path}", headers=bearer(AUDITOR)).status == 404
    assert call(service, f"/exports/{of_rotated}", method="DELETE", headers=bearer(AUDITOR)).status == 403
    # Others see their own, as before.
    own = call(service, "/exports?limit=500", headers=bearer(READER)).json()["exports"]
    assert not {each["owner"] for each in own} - {"reader"}
    assert call(service, f"/exports/{of_rotated}", headers=bearer(READER)).status == 404


def paged(service: Service) -> Iterator[dict[str, str]]:
    after = ""
    while True:
        page = call(service, f"/exports?limit=1{after}", headers=bearer(AUDITOR)).json()
        yield from page["exports"]
        if page["next"] is None:
            return
        after = f"&after={page['next']}"


def test_a_key_ends_by_itself(service: Service) -> None:
    wait_for(lambda: call(service, "/datasets", headers=bearer(SHORT)).status == 401)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("", "keys.wrong.hash: is missing"),
        (
            f'hash = "{hash_key(NEW)}"\nexpires = 2027-01-01T00:00:00',
            "keys.wrong.expires: must be a time with its offset",
        ),
        (f'hash = "{hash_key(NEW)}"\nexpires = 2027-01-01\nnot_before = 2027-01-01', "must be later than notBefore"),
        (f'hash = "{hash_key(NEW)}"\nscopes = ["reed"]', "keys.wrong.scopes.0: must be 'read', 'export'"),
        (f'hash = "{hash_key(NEW)}"\nhashes = ["sha256:x"]', "keys.wrong.hashes.0.hash: must be"),
        (f'hash = "{hash_key(NEW)}"\nhashes = ["{hash_key(NEW)}"]', "two entries have the same hash"),
    ],
    ids=["no hash", "no offset", "order", "scope", "hash", "twice"],
)
def test_a_table_that_is_wrong_is_named(tmp_path: Path, table: str, reason: str) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(f"[keys.wrong]\n{table}\n")
    with pytest.raises(SpecError) as refused:
        load_configuration(config)
    assert reason in str(refused.value)


def test_an_overview_is_for_who_sees_all(service: Service) -> None:
    assert_problem(call(service, "/overview", headers=bearer(READER)), 403, "forbidden", "list-all")
    found = call(service, "/overview", headers=bearer(AUDITOR)).json()
    assert set(found["exports"]) == {"running", "idle", "expired"}
    for name in ("memory", "connections", "clients"):
        assert 0 <= found[name]["used"] <= found[name]["limit"]
    assert found["clients"]["used"] >= 1


def test_a_list_may_be_of_one_state_and_one_dataset(service: Service) -> None:
    made = [
        post(service, {"format": "csv", "dataset": "records", "limit": number}, headers=bearer(NEW)).json()["exportId"]
        for number in range(1, 8)
    ]
    for export_id in made[:3]:
        assert call(service, f"/exports/{export_id}/download", headers=bearer(NEW)).status == 200

    def listed(query: str) -> list[str]:
        found: list[str] = []
        after = ""
        while True:
            page = call(service, f"/exports?limit=2&{query}{after}", headers=bearer(NEW)).json()
            assert len(page["exports"]) <= 2
            found += [each["exportId"] for each in page["exports"]]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    assert listed("status=completed")[:3] == made[2::-1]
    assert listed("status=pending&dataset=records")[:4] == made[:2:-1]
    assert listed("dataset=nothing") == []
    assert_problem(call(service, "/exports?status=done", headers=bearer(NEW)), 400, "bad-request", "status")
