"""No foreign row and no hidden value, whatever is read, however it is read, and by whom."""

from __future__ import annotations

import io
import json
from typing import Any

import psycopg
import pyarrow.parquet
import pytest

from tests.fixtures.process import Service
from tests.rights.conftest import CALLERS, bearer
from tests.rights.database import RELATIONS, Data
from tests.service.client import assert_problem, call, post, wait_for

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
    forms = (("csv", "stream"), ("json", "file"), ("parquet", "stream"))
    for format_, delivery in forms:
        body = fetched(service, who, dataset=relation, format=format_, columns=COLUMNS, delivery=delivery)
        assert rows(body, format_) == expected, (format_, delivery)
        if who == "mask":
            assert HIDDEN not in body


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


def test_the_order_sees_the_mask(service: Service, data: Data) -> None:
    """The key behind it, too: the order of equal rows would tell of the hidden one."""
    spec = {"dataset": "plain", "format": "csv", "columns": ["id"]}
    body = fetched(service, "tied", **spec, orderBy=[{"column": "tenant"}]).decode().split()[1:]
    with psycopg.connect(data.owner) as connection:
        query = "SELECT md5(id::text) FROM plain ORDER BY tenant, md5(id::text)"
        assert body == [row[0] for row in connection.execute(query)]


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
