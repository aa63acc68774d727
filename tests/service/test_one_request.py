"""``GET /datasets/{name}.csv``: an export by one request, compared with what ``POST`` and the download give."""

from __future__ import annotations

import gzip
import io
import json
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.ipc
import pyarrow.parquet
import pytest

from polyglot_export.access.keys import hash_key, new_key
from polyglot_export.service.http.query_spec import ENDINGS
from tests.fixtures.process import Service
from tests.service.audited import KEY, READER, audited, of
from tests.service.client import Answer, assert_problem, call, post

FEW, BUSY = new_key(), new_key()
TABLES = """
CREATE TABLE public."a.csv" (id int);
INSERT INTO "a.csv" VALUES (7);
CREATE SCHEMA sales;
CREATE TABLE sales.orders (id int, total numeric);
INSERT INTO sales.orders SELECT n, n * 1.5 FROM generate_series(1, 20) AS n;
"""
CONFIG = f"""
[datasets."a.csv"]
table = 'public."a.csv"'
[datasets.a]
table = "public.small"
[datasets."sales.orders"]
table = "sales.orders"
[datasets.picked]
query = "SELECT id, name FROM small WHERE id = :id"
parameters.id = {{ type = "int" }}
[keys.few]
hash = "{hash_key(FEW)}"
datasets = ["small"]
columns.small = ["id"]
[keys.busy]
hash = "{hash_key(BUSY)}"
limits = {{ bytesPerDay = 10 }}
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "audit.log"


@pytest.fixture(scope="module")
def service(records: str, log: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with psycopg.connect(records, autocommit=True) as connection:
        connection.execute(TABLES)
    with audited(records, tmp_path_factory.mktemp("one"), log, CONFIG) as running:
        yield running


def ask(service: Service, path: str, key: str | None = None, **more: Any) -> Answer:

    return call(service, path, headers={"Authorization": f"Bearer {key or KEY}", **more.pop("headers", {})}, **more)


def by_two(service: Service, spec: Mapping[str, object]) -> Answer:
    """What ``POST`` and the download of its export give."""
    made = post(service, spec, headers={"Authorization": f"Bearer {KEY}"})
    assert made.status == 201, made
    return ask(service, f"/exports/{made.json()['exportId']}/download")


def content(ending: str, body: bytes) -> object:
    """What is in a file, without the moment at which it was made."""
    match ending:
        case "parquet":
            return pyarrow.parquet.read_table(io.BytesIO(body)).to_pylist()
        case "arrow" | "feather":
            return pyarrow.ipc.open_file(body).read_all().to_pylist()
        case "arrows":
            return pyarrow.ipc.open_stream(body).read_all().to_pylist()
        case _:
            return body


@pytest.mark.parametrize("ending", sorted(ENDINGS))
def test_every_ending(service: Service, ending: str) -> None:
    one = ask(service, f"/datasets/sales.orders.{ending}")
    two = by_two(service, {"dataset": "sales.orders", **ENDINGS[ending]})
    assert one.status == 200
    assert content(ending, one.body) == content(ending, two.body)
    for name in ("content-type", "content-disposition", "content-encoding", "cache-control", "accept-ranges"):
        assert one.headers.get(name) == two.headers.get(name)
    assert one.headers["content-disposition"].startswith('attachment; filename="sales.orders.')
    known = ask(service, f"/datasets/sales.orders.{ending}", method="HEAD")
    assert known.status == 200
    assert known.headers["content-type"] == one.headers["content-type"]
    assert "x-export-id" not in known.headers


@pytest.mark.parametrize(
    ("query", "spec"),
    [
        ("columns=total=sum,id", {"columns": [{"source": "total", "target": "sum"}, "id"]}),
        ("columns=total&columns=id", {"columns": ["total", "id"]}),
        ("exclude=total", {"exclude": ["total"]}),
        ("where=id<=3", {"filter": [{"column": "id", "op": "<=", "value": 3}]}),
        (
            "where=id in (1, 5)&where=total is not null",
            {"filter": [{"column": "id", "op": "in", "value": [1, 5]}, {"column": "total", "op": "isNotNull"}]},
        ),
        ("orderBy=id:desc&limit=4", {"orderBy": [{"column": "id", "direction": "desc"}], "limit": 4}),
        (f"limit={'0' * 40}4", {"limit": 4}),
        (f"columns=total&option.floatDigits={'0' * 40}3", {"columns": ["total"], "options": {"floatDigits": 3}}),
        ("option.delimiter=;&option.header=false", {"options": {"delimiter": ";", "header": False}}),
        ("compression=gzip", {"compression": "gzip"}),
        ("splitBy=id:3", {"splitBy": {"column": "id", "parts": 3}}),
        ("splitValues=total", {"splitValues": "total"}),
        ("filename=Käse & Wein", {"filename": "Käse & Wein"}),
    ],
)
def test_what_is_asked_for(service: Service, query: str, spec: dict[str, object]) -> None:
    quoted = urllib.parse.quote(query, safe="=&") if "Wein" not in query else "filename=K%C3%A4se%20%26%20Wein"
    one = ask(service, f"/datasets/sales.orders.csv?{quoted}")
    two = by_two(service, {"format": "csv", "dataset": "sales.orders", **spec})
    assert one.status == two.status == 200, one
    unpacked = gzip.decompress if spec.get("compression") else bytes
    assert unpacked(one.body) == unpacked(two.body)
    assert one.headers["content-disposition"] == two.headers["content-disposition"]


def test_parameters_of_a_query(service: Service) -> None:
    assert ask(service, "/datasets/picked.csv?param.id=1").body == b"id,name\n1,one\n"
    assert_problem(ask(service, "/datasets/picked.csv?param.id=x"), 400, "bad-request", "parameters.id")
    assert_problem(ask(service, "/datasets/picked.csv"), 400, "bad-request", "parameters.id")


def test_a_dataset_that_is_really_called_so_is_described(service: Service) -> None:
    described = ask(service, "/datasets/a.csv")
    assert described.json()["name"] == "a.csv"
    assert ask(service, "/datasets/a.csv.csv").body == b"id\n7\n"
    assert ask(service, "/datasets/a.json").json()[0]["name"] == "one"
    # Its name ends like a schema's, and like no format.
    assert ask(service, "/datasets/sales.orders").json()["name"] == "sales.orders"


def test_what_is_wrong_is_named(service: Service) -> None:
    for query, words in {
        "wher=id<3": ("unknown parameter 'wher'", "where"),
        "limit=1&limit=2": ("limit", "twice"),
        "limit=many": ("limit",),
        f"limit={'9' * 5000}": ("limit",),
        f"option.floatDigits={'9' * 5000}": ("floatDigits", "from 0 to 30"),
        "where=id": ("filter", "operators"),
        "where=nothing=1": ("nothing",),
        "columns=": ("columns",),
        "orderBy=id:up": ("orderBy", "asc or desc"),
        "option.delimeter=;": ("delimeter", "delimiter"),
        "option.=;": ("option.",),
        "compression=rar": ("compression",),
        "filename=a/b": ("filename", "without"),
        "splitBy=id:1": ("splitBy.parts", "greater than or equal to 2"),
        "splitBy=id:x": ("splitBy", "how many parts"),
        "splitBy=nothing": ("splitBy.column", "nothing"),
        "splitBy=id:2&limit=3": ("splitBy", "limit"),
        "splitBy=id:2&orderBy=total": ("splitBy", "must begin with it"),
        "splitBy=id&splitValues=id": ("splitValues", "beside splitBy"),
        "splitValues=id%2B1": ("splitValues", "SQL is not taken over HTTP"),
        "query=SELECT 1": ("query",),
        "sqlWhere=true": ("sqlWhere",),
        "delivery=file": ("delivery",),
    }.items():
        answer = ask(service, f"/datasets/sales.orders.csv?{urllib.parse.quote(query, safe='=&')}")
        assert_problem(answer, 400, "bad-request", *words)
    assert_problem(ask(service, "/datasets/sales.orders.csv.gz?compression=gzip"), 400, "bad-request", "compression")
    assert_problem(ask(service, "/datasets/nothing.csv"), 404, "not-found", "nothing")
    assert_problem(ask(service, "/datasets/sales.orders.rar"), 404, "not-found")
    ranged = ask(service, "/datasets/sales.orders.csv", headers={"Range": "bytes=0-3"})
    assert_problem(ranged, 412, "range-refused")


def test_it_is_an_export_like_any_other(service: Service, log: Path) -> None:
    answer = ask(service, "/datasets/small.json?limit=2")
    rows = json.loads(answer.body)
    shown = ask(service, f"/exports/{answer.headers['x-export-id']}").json()
    assert (shown["status"], shown["rows"], shown["owner"]) == ("completed", len(rows), "app")
    assert shown["spec"]["limit"] == 2
    created = [line for line in of(log, "export.created") if line["exportId"] == shown["exportId"]]
    assert [line["caller"] for line in created] == ["app"]
    before = len(ask(service, "/exports").json()["exports"])
    ask(service, "/datasets/small.json", method="HEAD")
    assert len(ask(service, "/exports").json()["exports"]) == before


def test_rights_hold(service: Service) -> None:

    assert ask(service, "/datasets/small.csv", FEW).body == b"id\n1\n2\n3\n"
    assert_problem(ask(service, "/datasets/small.csv?columns=name", FEW), 400, "bad-request", "name")
    assert_problem(ask(service, "/datasets/sales.orders.csv", FEW), 404, "not-found")
    assert_problem(ask(service, "/datasets/small.csv", READER), 403, "forbidden", "export")
    assert ask(service, "/datasets/small.csv", READER, method="HEAD").status == 403
    assert_problem(call(service, "/datasets/small.csv"), 401, "unauthorized")
    assert ask(service, "/datasets/small.csv", BUSY).status == 200
    assert_problem(ask(service, "/datasets/small.csv", BUSY), 429, "too-many-requests", "day")
    assert ask(service, "/datasets/small", BUSY).status == 200


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("report", "report.csv"),
        ("report.csv", "report.csv"),
        ("REPORT.CSV", "REPORT.CSV"),
        ("Bericht für 東京 🚀", "Bericht für 東京 🚀.csv"),
        ("100 %", "100 %.csv"),
        ("a;b'c", "a;b'c.csv"),
        ("x" * 240, "x" * 240 + ".csv"),
    ],
)
def test_filename(service: Service, given: str, shown: str) -> None:
    answer = by_two(service, {"format": "csv", "dataset": "small", "filename": given})
    plain, _, encoded = answer.headers["content-disposition"].partition("; filename*=UTF-8''")
    assert urllib.parse.unquote(encoded) == shown
    assert plain.isascii()
    packed = by_two(
        service,
        {"format": "csv", "dataset": "small", "filename": given, "compression": "gzip", "compressionAs": "file"},
    )
    assert urllib.parse.unquote(packed.headers["content-disposition"].partition("''")[2]) == shown + ".gz"


@pytest.mark.parametrize(
    "given",
    ["", "a/b", "..", "a\\b", "a\nb", 'a"b', "a\u202egnp.csv", "a\u0085b", " a", "a.", "x" * 241, "ä" * 121, 7, []],
)
def test_a_filename_that_is_none(service: Service, given: object) -> None:

    answer = post(
        service, {"format": "csv", "dataset": "small", "filename": given}, headers={"Authorization": f"Bearer {KEY}"}
    )
    assert_problem(answer, 400, "bad-request", "filename")


def test_files_of_a_set_have_names_of_their_own(service: Service) -> None:

    spec = {"format": "csv", "dataset": "small", "delivery": "store", "destination": "lake", "filename": "a"}
    answer = post(service, spec, headers={"Authorization": f"Bearer {KEY}"})
    assert_problem(answer, 400, "bad-request", "filename", "one file")
