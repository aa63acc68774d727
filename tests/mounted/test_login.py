"""The app's login decides who calls, and its own answers stay its own."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import quote

import pytest

from tests.mounted.running import App, ask, create, created, login
from tests.service.client import Answer, assert_problem, call, wait_for

ANN, BOB = login("ann"), login("bob")


def test_nobody_is_answered_401(app: App) -> None:
    for path in ("/datasets", "/exports", "/exports/benchmark", "/exports/x/download", "/nothing", ""):
        assert_problem(ask(app, path, {}), 401, "unauthorized", "log in first")
    assert_problem(create(app, {}), 401, "unauthorized")
    # A key is nothing here.
    assert ask(app, "/datasets", {"Authorization": "Bearer key"}).status == 401


def test_what_tells_nothing_of_the_data_is_for_anybody(app: App) -> None:
    for path in ("/health", "/health/live", "/health/ready", "/docs", "/docs/docs.js", "/openapi.json"):
        assert ask(app, path, {}).status == 200
    # A dataset that cannot run is told of without its name.
    degraded = {"status": "degraded", "cannotRun": ["dataset"]}
    wait_for(lambda: ask(app, "/health/ready", {}).json() == degraded)
    for who in ({}, ANN):
        assert_problem(ask(app, "/metrics", who), 403, "forbidden", "metrics_public")


def test_what_the_login_raises_is_the_answer_of_the_app(app: App) -> None:
    refused = ask(app, "/datasets", {"Login": "refused"})
    assert (refused.status, refused.json(), refused.headers["x-why"]) == (403, {"detail": "not on Sundays"}, "sunday")
    assert ask(app, "/datasets", {"Login": "broken"}).status == 418
    for login_ in ("defect", "text", '{"name": "ann"}', '{"name": "", "datasets": "all"}'):
        answer = ask(app, "/datasets", {"Login": login_})
        assert (answer.status, answer.body) == (500, b"Internal Server Error")
    wait_for(lambda: "must return a Caller or None, not str" in app.log())


@pytest.mark.parametrize(
    ("rights", "reason"),
    [
        ({"datasets": "orders"}, "datasets: must be a list of names (got 'orders')"),
        ({"datasets": ["order"]}, "datasets: there is no dataset 'order'"),
        ({"columns": {"orders": ["secret"]}}, "columns.orders: the dataset does not offer the column 'secret'"),
        ({"columns": {"orders": "id"}}, "columns.orders: must be a list of names"),
        ({"columns": {"orders": []}}, "columns.orders: must be a list of names that is not empty"),
        ({"rows": {"order": {"tenant": 3}}}, "rows: there is no dataset 'order'"),
        ({"rows": {"orders": {}}}, "rows.orders: must not be empty"),
        ({"rows": {"orders": {"tenant": None}}}, "rows.orders.tenant: must not be None"),
        ({"rows": {"orders": 3}}, "rows.orders: must be columns with their values"),
    ],
)
def test_rights_that_mean_nothing_open_nothing(app: App, rights: dict[str, Any], reason: str) -> None:
    assert ask(app, "/datasets", login(**rights)).status == 500
    wait_for(lambda: reason in app.log())


def test_a_login_that_blocks_keeps_nobody_waiting(app: App) -> None:
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(app, "/datasets", {"Login": "blocked"})))
    waiting.start()
    assert ask(app, "/datasets", ANN).status == 200
    assert not answers
    assert call(app.url, "/unblock").status == 200
    waiting.join(30)
    assert answers[0].status == 401


def test_exports_are_their_creators(app: App) -> None:
    export_id = created(app, ANN, dataset="people")
    mine = ask(app, "/exports", ANN).json()["exports"]
    assert export_id in [each["exportId"] for each in mine]
    assert export_id not in ask(app, "/exports", BOB).body.decode()
    for path in ("", "/download", "/events", "/files", "/files/0"):
        assert_problem(ask(app, f"/exports/{export_id}{path}", BOB), 404, "not-found")
    assert_problem(ask(app, f"/exports/{export_id}", BOB, method="DELETE"), 404, "not-found")
    assert ask(app, f"/exports/{export_id}/download", ANN).body == b"id,name\n1,ann\n2,bob\n"
    assert ask(app, f"/exports/{export_id}", ANN, method="DELETE").status == 204


def test_an_idempotency_key_is_its_callers(app: App) -> None:
    def sent(who: dict[str, str]) -> str:
        return str(create(app, {**who, "Idempotency-Key": "the-same"}, dataset="people").json()["exportId"])

    assert sent(ANN) == sent(ANN)
    assert sent(ANN) != sent(BOB)


def test_a_caller_sees_only_its_datasets_and_columns(app: App) -> None:
    who = login(datasets=["orders", 'an odd/name "?%'], columns={"orders": ["total", "id"]})
    found = {each["name"]: each for each in ask(app, "/datasets", who).json()["datasets"]}
    assert set(found) == {"orders", 'an odd/name "?%'}
    assert [column["name"] for column in found["orders"]["columns"]] == ["total", "id"]
    assert ask(app, "/datasets/" + quote('an odd/name "?%', safe=""), who).json() == found['an odd/name "?%']
    assert_problem(ask(app, "/datasets/people", who), 404, "not-found")
    assert_problem(create(app, who, dataset="people"), 400, "unknown-dataset")
    for wrong in (
        {"columns": ["tenant"]},
        {"filter": [{"column": "tenant", "op": "=", "value": 3}]},
        {"orderBy": [{"column": "tenant"}]},
    ):
        assert_problem(create(app, who, **wrong), 400, "bad-request", "there is no column 'tenant'", "total, id")
    assert download_of(app, who, 'an odd/name "?%') == b"id\n7\n"


def download_of(app: App, who: dict[str, str], dataset: str) -> bytes:
    """The file of a dataset."""
    return ask(app, f"/exports/{created(app, who, dataset=dataset)}/download", who).body
