"""Below a prefix the service is what it is at the root."""

from __future__ import annotations

import json

import pytest

from tests.mounted.running import App, ask, create, created, login
from tests.service.client import Answer, assert_problem, call, wait_for

ANN = login()


def test_an_export_from_its_creation_to_its_file(app: App) -> None:
    made = create(app, ANN, dataset="people")
    export_id = made.json()["exportId"]
    assert (made.status, made.headers["location"]) == (201, f"/data/exports/{export_id}")
    assert call(app.url, made.headers["location"], headers=ANN).json()["exportId"] == export_id
    file = ask(app, f"/exports/{export_id}/download", ANN)
    assert (file.status, file.body) == (200, b"id,name\n1,ann\n2,bob\n")
    assert file.headers["content-disposition"] == "attachment; filename=\"people.csv\"; filename*=UTF-8''people.csv"
    assert file.headers["x-export-snapshot"]
    shown = ask(app, f"/exports/{export_id}", ANN).json()
    assert (shown["status"], shown["rows"], shown["bytes"]) == ("completed", 2, len(file.body))
    head = ask(app, f"/exports/{export_id}/download", ANN, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    events = ask(app, f"/exports/{export_id}/events", ANN)
    assert events.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert b"event: end" in events.body
    seen = {"Last-Event-ID": events.body.split(b"id: ")[1].split(b"\n")[0].decode()}
    assert ask(app, f"/exports/{export_id}/events", ANN, headers=seen).status == 204


def test_two_mounts_of_one_process_and_one_in_a_sub_application(app: App) -> None:
    body = json.dumps({"format": "csv", "dataset": "people"}).encode()
    made = call(
        app.url,
        "/inner/of%20others/exports",
        method="POST",
        body=body,
        headers={**ANN, "Content-Type": "application/json"},
    )
    export_id = made.json()["exportId"]
    assert made.headers["location"] == f"/inner/of%20others/exports/{export_id}"
    assert call(app.url, f"{made.headers['location']}/download", headers=ANN).body.startswith(b"id,name\n")
    assert ask(app, f"/exports/{export_id}", ANN).status == 404


def test_errors_are_problems_with_the_whole_path(app: App) -> None:
    missing = ask(app, "/exports/nothing", ANN)
    assert_problem(missing, 404, "not-found")
    assert missing.json()["instance"] == "/data/exports/nothing"
    assert_problem(ask(app, "/nowhere", ANN), 404, "not-found", "there is nothing at /data/nowhere")
    refused = ask(app, "/exports", ANN, method="DELETE")
    assert_problem(refused, 405, "method-not-allowed", "allowed are GET, POST")
    assert refused.headers["allow"] == "GET, POST"
    assert_problem(create(app, ANN, format="nonsense"), 400, "bad-request")
    assert_problem(create(app, ANN, query="SELECT 1"), 400, "bad-request", "SQL is not taken")
    large = ask(
        app, "/exports", ANN, method="POST", body=b" " * (2 << 20), headers={"Content-Type": "application/json"}
    )
    assert_problem(large, 413, "body-too-large")
    # What a page of another site can send without asking is refused: its body would be of this type.
    form = ask(app, "/exports", ANN, method="POST", body=b"{}", headers={"Content-Type": "text/plain"})
    assert_problem(form, 415, "unsupported-media-type")


def test_the_description_says_where_it_is(app: App) -> None:
    described = ask(app, "/openapi.json", {}).json()
    assert described["servers"] == [{"url": "/data"}]
    assert "/exports/{export_id}/download" in described["paths"]
    assert "security" not in described
    page = ask(app, "/docs", {}).body.decode()
    assert 'src="/' not in page
    assert 'href="/' not in page


def test_a_service_that_has_not_begun_says_so(app: App) -> None:
    answer: Answer = call(app.url, "/never-begun/datasets", headers=ANN)
    assert answer.status == 500
    wait_for(lambda: "the exports have not begun: give the app their lifespan" in app.log())


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_prepared_file_in_ranges(app: App, method: str) -> None:
    export_id = created(app, ANN, dataset="orders", delivery="file")
    wait_for(lambda: ask(app, f"/exports/{export_id}", ANN).json()["status"] == "completed")
    whole = ask(app, f"/exports/{export_id}/download", ANN)
    size = ask(app, f"/exports/{export_id}", ANN).json()["file"]["size"]
    assert len(whole.body) == size > 1_000_000
    part = ask(app, f"/exports/{export_id}/download", ANN, method=method, headers={"Range": "bytes=100000-900000"})
    if method == "GET":
        assert (part.status, part.body) == (206, whole.body[100_000:900_001])
    else:
        assert (part.status, part.headers["content-length"]) == (200, str(size))
