"""No foreign row and no hidden value, whatever is read, however it is read, and by whom."""

from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.parquet
import pytest

from tests.fixtures.process import Service
from tests.rights.conftest import CALLERS, bearer
from tests.rights.database import RELATIONS, Data
from tests.service.client import assert_problem, call, post, wait_for
from tests.service.sse import EventStream

HIDDEN = b"hidden"
COLUMNS = ["id", "tenant", "email"]


def made(service: Service, who: str, **spec: Any) -> str:
    answer = post(service, spec, headers=bearer(who))
    assert answer.status == 201, answer
    return f"/exports/{answer.json()['exportId']}"


def fetched(service: Service, who: str, **spec: Any) -> bytes:
    path = made(service, who, **spec)
    if spec.get("delivery") == "file":
        wait_for(lambda: call(service, path, headers=bearer(who)).json()["status"] not in ("pending", "running"))
    answer = call(service, f"{path}/download", headers=bearer(who))
    assert answer.status == 200, answer
    return answer.body


def rows(body: bytes, format_: str) -> list[tuple[object, ...]]:
    """The rows of a file in the order of their ids."""
    if format_ == "parquet":
        found = pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
    elif format_ == "json":
        found = json.loads(body)
    else:
        head, *lines = body.decode().splitlines()
        found = [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]
    return sorted((int(row["id"]), int(row["tenant"]), row["email"]) for row in found)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("who", CALLERS)
def test_every_form_has_what_the_server_gives(service: Service, data: Data, who: str, relation: str) -> None:
    expected = sorted(data.oracle(who, relation))
    for format_, delivery in itertools.product(("csv", "json", "parquet"), ("stream", "file")):
        body = fetched(service, who, dataset=relation, format=format_, columns=COLUMNS, delivery=delivery)
        assert rows(body, format_) == expected, (format_, delivery)
        if who == "mask":
            assert HIDDEN not in body
    # The bounds are values that the caller may read, and each part has the caller's rows.
    by_mail = {"column": "email", "parts": 3}
    body = fetched(service, who, dataset=relation, format="csv", columns=COLUMNS, splitBy=by_mail)
    assert rows(body, "csv") == expected


@pytest.mark.parametrize("relation", RELATIONS)
def test_the_matrix_means_something(data: Data, relation: str) -> None:
    """There are rows of others, which a mistake would show."""
    everything = data.oracle("mask", relation)
    if relation not in ("materialized", "definer_view"):
        assert len({row[1] for row in everything}) == 3
    tenants = {row[1] for row in data.oracle("login", relation)}
    assert tenants == {1}


@pytest.mark.parametrize("who", CALLERS)
@pytest.mark.parametrize("path", ["/datasets", "/datasets/plain"])
def test_sizes_tell_nothing(service: Service, who: str, path: str) -> None:
    found = call(service, path, headers=bearer(who)).json()
    for each in found.get("datasets", [found]):
        if each["name"] != "undoing":
            assert (each["estimatedRows"], each["estimatedBytes"]) == (None, None), each["name"]


@pytest.mark.parametrize("who", CALLERS)
def test_the_number_of_segments_tells_nothing(service: Service, who: str) -> None:
    path = made(service, who, dataset="plain", format="csv")
    assert call(service, f"{path}/download", headers=bearer(who)).status == 200
    job = call(service, path, headers=bearer(who)).json()
    assert (job["status"], job["segmentsTotal"], job["segmentsDone"]) == ("completed", None, 0)


@pytest.mark.parametrize("who", CALLERS)
def test_a_delivery_has_what_the_server_gives(service: Service, data: Data, lake: Path, who: str) -> None:
    """All relations at one moment, the files as they lie in the store; a manifest that counts them."""
    asked = [{"dataset": name, "columns": COLUMNS} for name in RELATIONS]
    path = made(service, who, format="csv", delivery="store", destination="lake", datasets=asked)
    wait_for(lambda: call(service, path, headers=bearer(who)).json()["status"] not in ("pending", "running"))
    assert call(service, path, headers=bearer(who)).json()["status"] == "completed"
    for file in call(service, f"{path}/files", headers=bearer(who)).json()["files"]:
        found = (lake / path.removeprefix("/exports/") / file["path"]).read_bytes()
        expected = sorted(data.oracle(who, file["dataset"]))
        assert rows(found, "csv") == expected, file["dataset"]
        assert file["rows"] == len(expected)
        given = call(service, f"{path}/files/{file['number']}", headers=bearer(who))
        assert given.body == found


@pytest.mark.parametrize("who", CALLERS)
def test_heads_and_events_tell_nothing(service: Service, data: Data, who: str) -> None:
    """No row of others is counted in them, while it runs and afterwards, and no share of the whole is told."""
    own = len(data.oracle(who, "plain"))
    streamed = made(service, who, dataset="plain", format="csv")
    head = call(service, f"{streamed}/download", method="HEAD", headers=bearer(who))
    assert (head.status, head.body, head.headers.get("content-length")) == (200, b"", None)
    path = made(service, who, dataset="plain", format="csv", columns=COLUMNS, delivery="file")
    key = "".join(f"{name}: {value}\r\n" for name, value in bearer(who).items())
    with EventStream(service, path.removeprefix("/exports/"), headers=key) as stream:
        events = stream.rest()
    assert events[-1].data["rows"] == own
    for each in events:
        assert each.data["rows"] <= own
        assert (each.data["segmentsTotal"], each.data["segmentsDone"]) == (None, 0)
        assert each.data["progress"] in (None, 1.0)
        assert HIDDEN.decode() not in json.dumps(each.data)
    head = call(service, f"{path}/download", method="HEAD", headers=bearer(who))
    whole = call(service, f"{path}/download", headers=bearer(who))
    assert head.headers["content-length"] == str(len(whole.body))


def test_a_hidden_column_is_not_asked_about(service: Service, data: Data) -> None:
    """A filter or an order on it is refused before the server sees a statement, so that its time tells nothing."""
    with psycopg.connect(data.owner, autocommit=True) as connection:
        before = _scans(connection)
        for member in (
            {"filter": [{"column": "email", "op": "like", "value": "hidden1%"}]},
            {"orderBy": [{"column": "email", "direction": "asc"}]},
            {"splitBy": {"column": "email", "parts": 3}},
            {"splitValues": "email"},
            {"splitValues": "left(email, 1)"},
            {"columns": ["id", "email"]},
            {"exclude": ["email"]},
        ):
            spec = {"format": "csv", "dataset": "plain", **member}
            assert_problem(post(service, spec, headers=bearer("few")), 400, "bad-request", "email")
        where = call(service, "/datasets/plain.csv?where=email%3D%27x%27", headers=bearer("few"))
        assert_problem(where, 400, "bad-request", "email")
        assert _scans(connection) == before


def _scans(connection: psycopg.Connection) -> object:
    """How often the table was read, in whatever way."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    query = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'plain'"
    return connection.execute(query).fetchone()


def test_views_for_a_role_mask_what_they_show(service: Service, data: Data) -> None:
    """Masking that is the database's own: a role has views in place of the tables, which it may not read."""
    with psycopg.connect(data.owner) as connection:
        expected = connection.execute("SELECT id, tenant, email FROM masked.plain ORDER BY id").fetchall()
    assert len(expected) == 2000
    for format_, delivery in itertools.product(("csv", "json", "parquet"), ("stream", "file")):
        body = fetched(service, "viewer", dataset="masked", format=format_, delivery=delivery, columns=COLUMNS)
        assert rows(body, format_) == expected, (format_, delivery)
        assert HIDDEN not in body
    term = [{"column": "email", "op": "like", "value": "hidden%"}]
    body = fetched(service, "viewer", dataset="masked", format="csv", columns=COLUMNS, filter=term)
    assert rows(body, "csv") == []
    # The table itself does not exist for the role.
    answer = post(service, {"dataset": "materialized", "format": "csv"}, headers=bearer("viewer"))
    assert_problem(answer, 400, "unknown-dataset", "materialized")


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_filter_sees_the_mask(service: Service, data: Data, relation: str) -> None:
    def found(**term: Any) -> list[tuple[object, ...]]:
        term = {"column": "email", **term}
        return rows(fetched(service, "mask", dataset=relation, format="csv", columns=COLUMNS, filter=[term]), "csv")

    everything = sorted(data.oracle("mask", relation))
    assert found(op="like", value="hidden%") == []
    assert found(op="in", value=["hidden1@tenant1.example", "hidden2@tenant2.example"]) == []
    assert found(op=">=", value="hidden") == [row for row in everything if str(row[2]) >= "hidden"]
    assert found(op="=", value="hi…1") == [row for row in everything if row[2] == "hi…1"]


@pytest.mark.parametrize("who", CALLERS)
def test_a_query_with_parameters(service: Service, data: Data, who: str) -> None:
    expected = sorted(row for row in data.oracle(who, "plain") if int(str(row[0])) <= 30)
    spec = {"dataset": "asked", "columns": COLUMNS, "parameters": {"most": 30}}
    assert rows(fetched(service, who, format="csv", **spec), "csv") == expected
    assert rows(fetched(service, who, format="json", delivery="file", **spec), "json") == expected


def test_the_order_sees_the_mask(service: Service, data: Data) -> None:
    """The key behind it, too: the order of equal rows would tell of the hidden one."""
    spec = {"dataset": "plain", "format": "csv", "columns": ["id"]}
    body = fetched(service, "tied", **spec, orderBy=[{"column": "tenant"}]).decode().split()[1:]
    with psycopg.connect(data.owner) as connection:
        query = "SELECT md5(id::text) FROM plain ORDER BY tenant, md5(id::text)"
        assert body == [row[0] for row in connection.execute(query)]


def test_a_mask_that_is_a_number_is_no_position_in_the_order(service: Service, data: Data) -> None:
    spec = {"dataset": "plain", "format": "csv", "columns": ["email", "tenant", "id"]}
    body = fetched(service, "constant", **spec, orderBy=[{"column": "tenant"}]).decode().splitlines()[1:]
    with psycopg.connect(data.owner) as connection:
        assert body == [f"{email},1,{n}" for email, n in connection.execute("SELECT email, id FROM plain ORDER BY id")]


def test_an_error_of_a_mask_has_no_value(service: Service) -> None:
    path = made(service, "failing", dataset="plain", format="csv")
    answer = call(service, f"{path}/download", headers=bearer("failing"))
    assert answer.status >= 400
    assert HIDDEN not in answer.body
    job = call(service, path, headers=bearer("failing"))
    assert job.json()["status"] == "failed"
    assert HIDDEN not in job.body


def test_code_that_sets_the_role_back_gains_nothing_with_a_login(service: Service, data: Data) -> None:
    """The setting is the code's to change, the login is not: the policy of a login holds through both."""
    body = fetched(service, "undoing", dataset="undoing", format="csv", columns=COLUMNS)
    with psycopg.connect(data.tenant) as connection:
        expected = connection.execute("SELECT id, tenant, email FROM undoing").fetchall()
    assert rows(body, "csv") == sorted(expected)
    # A policy that asks for the setting alone can be talked into another tenant by code in the database.
    assert {row[1] for row in expected} == {2}


def test_what_code_in_the_database_reaches(service: Service) -> None:
    """With a login nothing but its own; with a role whatever else the login of the service may become."""
    path = made(service, "login", dataset="sibling", format="csv")
    refused = call(service, f"{path}/download", headers=bearer("login"))
    assert refused.status == 403, refused
    assert b"of the sibling" not in refused.body
    assert rows(fetched(service, "role", dataset="sibling", format="csv"), "csv") == [(1, 0, "of the sibling")]


@pytest.mark.parametrize("who", CALLERS)
def test_a_file_is_for_the_same_rights(service: Service, who: str) -> None:
    path = made(service, who, dataset="plain", format="csv", delivery="file")
    for other in CALLERS:
        if other != who:
            assert_problem(call(service, path, headers=bearer(other)), 404, "not-found")
