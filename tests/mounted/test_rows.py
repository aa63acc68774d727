"""A caller with a row filter reads those rows and no others, whatever it asks for and however they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.mounted.running import App, ask, create, created, download, login
from tests.service.client import Answer, assert_problem, wait_for

THREE = login(rows={"orders": {"tenant": 3}, "cheap": {"tenant": 3}})
FOUR = login(rows={"orders": {"tenant": 4}, "cheap": {"tenant": 4}})
HIDDEN = login(rows={"orders": {"secret": "secret 7"}}, columns={"orders": ["id", "total"]})


def copied(dsn: str, query: str) -> bytes:
    """What the server itself writes of a query as csv."""
    with (
        psycopg.connect(dsn) as connection,
        connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)") as c,
    ):
        return b"".join(bytes(chunk) for chunk in c)


def lines(content: bytes) -> list[bytes]:
    """The rows in any order: several workers read."""
    return sorted(content.splitlines())


OFFERED = "SELECT id, tenant, customer, total FROM orders"


@pytest.mark.parametrize(
    ("rows", "condition"),
    [
        ({"tenant": 3}, "tenant = 3"),
        ({"tenant": "3"}, "tenant = 3"),
        ({"tenant": [1, 2]}, "tenant IN (1, 2)"),
        ({"tenant": []}, "false"),
        ({"tenant": 3, "customer": "customer 8"}, "tenant = 3 AND customer = 'customer 8'"),
        ({"customer": "x' OR true --"}, "false"),
        ([{"column": "tenant", "op": "isNull"}], "tenant IS NULL"),
        (
            [{"column": "id", "op": "<", "value": 50}, {"column": "tenant", "op": "!=", "value": 0}],
            "id < 50 AND tenant <> 0",
        ),
        ({"secret": "secret 7"}, "secret = 'secret 7'"),
    ],
)
def test_the_rows_are_those_that_the_server_finds(app: App, data: str, rows: Any, condition: str) -> None:
    got = download(app, login(rows={"orders": rows}))
    assert lines(got) == lines(copied(data, f"{OFFERED} WHERE {condition}"))


@pytest.mark.parametrize(
    "wider",
    [
        {"filter": [{"column": "tenant", "op": "!=", "value": 3}]},
        {"filter": [{"column": "tenant", "op": "in", "value": [1, 2, 4]}]},
        {"filter": [{"column": "tenant", "op": "isNull"}]},
        {"filter": [{"column": "customer", "op": "like", "value": "%' OR true OR '%"}]},
    ],
)
def test_no_request_makes_them_more(app: App, wider: dict[str, Any]) -> None:
    assert download(app, THREE, **wider) == b"id,tenant,customer,total\n"
    rows = download(app, FOUR, **wider).splitlines()[1:]
    assert {row.split(b",")[1] for row in rows} <= {b"4"}


def test_filters_limits_and_order_work_within_them(app: App, data: str) -> None:
    got = download(
        app,
        THREE,
        filter=[{"column": "id", "op": ">", "value": 500}],
        orderBy=[{"column": "id", "direction": "desc"}],
        limit=20,
        columns=["total", {"source": "id", "target": "nr"}],
    )
    assert got == copied(
        data, "SELECT total, id AS nr FROM orders WHERE tenant = 3 AND id > 500 ORDER BY id DESC LIMIT 20"
    )


def test_they_hold_for_queries_and_every_format(app: App, data: str) -> None:
    assert lines(download(app, THREE, dataset="cheap")) == lines(
        copied(data, "SELECT * FROM (SELECT id, total, tenant FROM orders WHERE total < 100) AS q WHERE tenant = 3")
    )
    for form in ("ndjson", "json"):
        text = download(app, FOUR, format=form).decode()
        found = json.loads(text) if form == "json" else [json.loads(line) for line in text.splitlines()]
        assert {row["tenant"] for row in found} == {4}
        assert len(found) == 20_000


def test_a_column_that_is_only_filtered_by_stays_hidden(app: App) -> None:
    assert download(app, HIDDEN) == b"id,total\n7,8.75\n"
    for wrong in (
        {"columns": ["secret"]},
        {"filter": [{"column": "secret", "op": "like", "value": "s%"}]},
        {"orderBy": [{"column": "secret"}]},
    ):
        assert_problem(
            create(app, HIDDEN, **wrong), 400, "bad-request", "there is no column 'secret'; allowed are id, total"
        )


def test_sizes_of_what_others_have_are_not_told(app: App) -> None:
    whole = ask(app, "/datasets/orders", login()).json()
    assert whole["estimatedRows"] > 1000
    for who in (THREE, HIDDEN):
        listed = {each["name"]: each for each in ask(app, "/datasets", who).json()["datasets"]}
        for found in (listed["orders"], ask(app, "/datasets/orders", who).json()):
            assert (found["estimatedRows"], found["estimatedBytes"]) == (None, None)
        assert listed["people"]["estimatedRows"] == 2
    export_id = created(app, THREE)
    ask(app, f"/exports/{export_id}/download", THREE)
    shown = ask(app, f"/exports/{export_id}", THREE).json()
    assert (shown["rows"], shown["progress"], shown["segmentsDone"], shown["segmentsTotal"]) == (20_000, 1.0, 0, None)


def test_a_filter_that_fits_no_column_is_the_apps_defect(app: App) -> None:
    for rows in ({"nowhere": 3}, {"tenant": "three"}, {"tenant": True}):
        who = login(rows={"orders": rows})
        answer = ask(app, f"/exports/{created(app, who)}/download", who)
        assert_problem(answer, 500, "internal-error")
        assert "nowhere" not in answer.body.decode()
        assert "tenant" not in answer.body.decode()
    wait_for(lambda: "the rows of orders that may be read: filter.0.column: there is no column 'nowhere'" in app.log())


def test_the_benchmark_reads_them_alone(app: App) -> None:
    who = login(rows={"orders": {"id": [1, 2]}})
    assert ask(app, "/exports/benchmark", who).json()["datasetRowCount"] == 2


# What was made in the background


def finished(app: App, who: dict[str, str], **spec: object) -> str:
    """An export that has run in the background."""
    export_id = created(app, who, **spec)
    wait_for(lambda: ask(app, f"/exports/{export_id}", who).json()["status"] not in ("pending", "running"))
    assert ask(app, f"/exports/{export_id}", who).json()["status"] == "completed"
    return export_id


def test_a_prepared_file_has_the_rows_of_its_creation(app: App, data: str) -> None:
    export_id = finished(app, THREE, delivery="file")
    answer = ask(app, f"/exports/{export_id}/download", THREE)
    assert lines(answer.body) == lines(copied(data, f"{OFFERED} WHERE tenant = 3"))
    assert ask(app, f"/exports/{export_id}/download", THREE, headers={"Range": "bytes=0-1"}).body == b"id"


@pytest.mark.parametrize(
    ("rights", "may"),
    [
        ({}, True),
        ({"rows": {"orders": {"tenant": 3}, "people": {"id": 1}}}, True),
        ({"rows": {"orders": {"tenant": 4}}}, False),
        ({"rows": {"orders": {"tenant": 3, "id": 3}}}, False),
        ({"columns": {"orders": ["id", "tenant"]}, "rows": {"orders": {"tenant": 3}}}, False),
        ({"datasets": ["people"]}, False),
    ],
)
def test_who_may_read_less_now_does_not_get_the_file(app: App, rights: dict[str, Any], may: bool) -> None:
    export_id = finished(app, THREE, delivery="file", limit=5)
    answer = ask(app, f"/exports/{export_id}/download", login(**rights))
    if may:
        assert answer.status == 200
    else:
        assert_problem(answer, 403, "forbidden", "holds what this caller may not read any more")


def test_a_delivered_set_has_the_rows_of_its_creation(app: App, data: str, lake: Path) -> None:
    who = login(rows={"orders": {"tenant": 3}}, destinations=["lake"])
    assert_problem(
        create(app, THREE, delivery="store", destination="lake"), 400, "bad-request", "no destination 'lake'"
    )
    export_id = finished(app, who, delivery="store", destination="lake", datasets=["orders", "people"])
    files = ask(app, f"/exports/{export_id}/files", who).json()["files"]
    assert [file["dataset"] for file in files] == ["orders", "people"]
    got = ask(app, f"/exports/{export_id}/files/0", who)
    assert lines(got.body) == lines(copied(data, f"{OFFERED} WHERE tenant = 3"))
    assert (lake / export_id / files[0]["path"]).read_bytes() == got.body
    other = login(rows={"orders": {"tenant": 4}}, destinations=["lake"])
    for path in ("/files", "/files/0"):
        assert_problem(ask(app, f"/exports/{export_id}{path}", other), 403, "forbidden")
    assert_problem(ask(app, f"/exports/{export_id}/files", THREE), 403, "forbidden", "destination 'lake'")


def test_events_tell_of_ones_own_rows(app: App) -> None:
    export_id = finished(app, THREE, delivery="file")
    told: Answer = ask(app, f"/exports/{export_id}/events", THREE)
    assert b"event: end" in told.body
    assert b'"rows":20000' in told.body.replace(b" ", b"")
