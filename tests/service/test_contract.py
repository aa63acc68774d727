"""The HTTP contract on a real socket: every call, every status, every sentence."""

from __future__ import annotations

import csv
import gzip
import io
import json
import socket
import uuid
import xml.etree.ElementTree as ET

import psycopg
import pytest

from tests.fixtures.process import Service, serve
from tests.service.client import Answer, RawDownload, assert_problem, call, create, job, post, wait_for

UNKNOWN = str(uuid.UUID(int=0))


def download(service: Service | str, export_id: str) -> Answer:
    return call(service, f"/exports/{export_id}/download")


# --- create ----------------------------------------------------------------------------------------------------------


def test_create(service: Service) -> None:
    spec = {
        "format": "csv",
        "dataset": "small",
        "columns": [{"source": "id", "target": "id"}, {"source": "amount", "target": "total"}],
        "filter": [{"column": "id", "op": "<=", "value": 1000}],
        "orderBy": [{"column": "id", "direction": "desc"}],
        "limit": 100000,
        "compression": "gzip",
        "options": {"delimiter": ";"},
    }
    answer = post(service, spec)
    assert answer.status == 201
    body = answer.json()
    assert uuid.UUID(body["exportId"]).version == 4
    assert body["status"] == "pending"
    assert answer.headers["location"] == f"/exports/{body['exportId']}"
    assert spec.items() <= {**body["spec"], "options": {"delimiter": body["spec"]["options"]["delimiter"]}}.items()
    assert (body["rows"], body["bytes"], body["progress"], body["error"], body["runs"]) == (0, 0, None, None, [])
    assert job(service, body["exportId"]) == body


def test_all_columns_but(service: Service) -> None:
    spec = {"format": "csv", "dataset": "small", "limit": 0}
    given: list[tuple[dict[str, object], bytes]] = [
        ({"exclude": ["name"]}, b"id,amount\n"),
        ({"columns": ["amount", "*"], "options": {"forceQuote": ["id"]}}, b"amount,id,name\n"),
        ({"columns": ["*", {"source": "id", "target": "key"}], "exclude": ["name"]}, b"amount,key\n"),
    ]
    for members, header in given:
        answer = post(service, {**spec, **members})
        assert answer.status == 201, answer.body
        assert download(service, answer.json()["exportId"]).body == header


def test_numbers_keep_their_digits(service: Service) -> None:
    body = b'{"format": "csv", "dataset": "small", "filter": [{"column": "amount", "op": "<", "value": 12345678901234567890.10}]}'
    answer = call(service, "/exports", method="POST", body=body, headers={"Content-Type": "application/json"})
    assert answer.status == 201
    assert b'"value":12345678901234567890.10' in answer.body


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"format": "xls"}, ["format: ", "csv", "xls"]),
        ({"dataset": "small"}, ["format: "]),
        ({"format": "csv", "colour": 1}, ["colour", "columns"]),
        ({"format": "csv", "query": "select 1"}, ["query: ", "not taken over HTTP"]),
        ({"format": "csv", "query": None}, ["query: "]),
        ({"format": "csv", "sqlWhere": "true"}, ["sqlWhere: ", "not taken over HTTP"]),
        ({"format": "csv", "sql_where": None}, ["sqlWhere: "]),
        ({"format": "csv", "columns": []}, ["columns: "]),
        (
            {"format": "csv", "columns": [{"source": "id", "target": "a"}, {"source": "name", "target": "a"}]},
            ["columns: ", "'a'"],
        ),
        ({"format": "csv", "columns": [{"source": "nope"}]}, ["columns.0.source: ", "'nope'", "amount"]),
        ({"format": "csv", "exclude": ["nope"]}, ["exclude.0: ", "'nope'", "amount"]),
        ({"format": "csv", "columns": ["id"], "exclude": ["id"]}, ["exclude.0: ", "'id'"]),
        (
            {"format": "csv", "exclude": ["id"], "options": {"forceQuote": ["id"]}},
            ["options.forceQuote: ", "'id'", "amount"],
        ),
        (
            {"format": "csv", "filter": [{"column": "nope", "op": "=", "value": 1}]},
            ["filter.0.column: ", "'nope'", "amount"],
        ),
        ({"format": "csv", "filter": [{"column": "id", "op": "~", "value": 1}]}, ["filter.0.op: ", "isNull"]),
        ({"format": "csv", "filter": [{"column": "id", "op": "=", "value": None}]}, ["filter.0", "isNull"]),
        ({"format": "csv", "filter": [{"column": "id", "op": "between", "value": [1]}]}, ["filter.0", "two values"]),
        ({"format": "csv", "orderBy": [{"column": "nope"}]}, ["orderBy.0.column: ", "'nope'", "amount"]),
        ({"format": "csv", "orderBy": [{"column": "id", "direction": "up"}]}, ["orderBy.0.direction: ", "asc"]),
        ({"format": "csv", "limit": -1}, ["limit: "]),
        ({"format": "csv", "limit": "5"}, ["limit: "]),
        ({"format": "csv", "limit": 1.5}, ["limit: "]),
        ({"format": "parquet", "compression": "gzip"}, ["compression", "options.compression"]),
        ({"format": "csv", "compression": "brotli"}, ["compression: ", "gzip", "zstd"]),
        ({"format": "csv", "options": {"delimiter": "ab"}}, ["options.delimiter: "]),
        ({"format": "csv", "options": {"root": "x"}}, ["options", "root", "delimiter"]),
        ({"format": "csv", "options": {"forceQuote": ["nope"]}}, ["options.forceQuote: ", "'nope'", "amount"]),
        ({"format": "csv", "options": 3}, ["options"]),
    ],
)
def test_a_wrong_spec_is_400_with_a_sentence(service: Service, spec: dict[str, object], words: list[str]) -> None:
    assert_problem(post(service, {"dataset": "small", **spec}), 400, "bad-request", *words)


@pytest.mark.parametrize(
    "dataset", ["nope", "public.small", "Small", 'small"; drop table small; --', "pg_catalog.pg_authid"]
)
def test_an_unknown_dataset_is_400(service: Service, dataset: str) -> None:
    answer = post(service, {"format": "csv", "dataset": dataset})
    assert_problem(answer, 400, "unknown-dataset", "dataset: ")
    assert answer.json()["field"] == "dataset"


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "malformed-request"),
        (b"", "application/json", 400, "malformed-request"),
        (b'{"format":"csv","format":"csv"}', "application/json", 400, "malformed-request"),
        (b'{"format":"csv","limit":NaN}', "application/json", 400, "malformed-request"),
        (b'["csv"]', "application/json", 400, "malformed-request"),
        (b'{"format":"csv"}', "text/plain", 415, "unsupported-media-type"),
        (b"format=csv", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b'{"format":"csv"}' + b" " * (2 << 20), "application/json", 413, "body-too-large"),
    ],
)
def test_a_wrong_body(service: Service, body: bytes, content_type: str, status: int, code: str) -> None:
    answer = call(service, "/exports", method="POST", body=body, headers={"Content-Type": content_type})
    assert_problem(answer, status, code)


def test_a_large_body_without_its_length_is_413(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as raw:
        raw.sendall(
            b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        for _ in range(17):
            raw.sendall(chunk)
        raw.sendall(b"0\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 413 ")


# --- show and list ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [f"/exports/{UNKNOWN}", f"/exports/{UNKNOWN}/download", "/exports/x", "/exports/%00", "/nothing", "/exports/"],
)
def test_what_does_not_exist_is_404(service: Service, path: str) -> None:
    assert_problem(call(service, path), 404, "not-found")


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/exports", "PUT", "GET, POST"),
        (f"/exports/{UNKNOWN}", "PATCH", "DELETE, GET"),
        (f"/exports/{UNKNOWN}/download", "POST", "GET, HEAD"),
        ("/health", "POST", "GET, HEAD"),
        ("/datasets", "DELETE", "GET"),
    ],
)
def test_a_wrong_method_is_405(service: Service, path: str, method: str, allowed: str) -> None:
    answer = call(service, path, method=method)
    assert_problem(answer, 405, "method-not-allowed", method, allowed)
    assert answer.headers["allow"] == allowed


def test_pages_of_exports(service: Service) -> None:
    created = [create(service, dataset="small") for _ in range(5)]
    seen: list[str] = []
    after = ""
    for _ in range(3):
        page = call(service, f"/exports?limit=2{after}").json()
        seen += [item["exportId"] for item in page["exports"]]
        after = f"&after={page['next']}"
    assert seen[:5] == created[::-1]
    everything = call(service, "/exports?limit=500").json()
    assert everything["next"] is None
    assert [item["exportId"] for item in everything["exports"]][:5] == created[::-1]


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "limit=", "after=x", "after="])
def test_wrong_parameters_of_a_list_are_400(service: Service, query: str) -> None:
    assert_problem(call(service, f"/exports?{query}"), 400, "bad-request", query.partition("=")[0])


# --- download --------------------------------------------------------------------------------------------------------


def copy_of(dsn: str, query: str) -> bytes:
    with (
        psycopg.connect(dsn) as connection,
        connection.cursor().copy(f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)".encode()) as copy,
    ):
        return b"".join(bytes(block) for block in copy)


def test_csv_is_what_copy_writes(records: str, service: Service) -> None:
    answer = download(service, create(service, dataset="small"))
    assert answer.status == 200
    assert answer.body == copy_of(records, "SELECT * FROM small")


def test_a_large_file_is_what_copy_writes(records: str, service: Service) -> None:
    answer = download(service, create(service))
    assert answer.body == copy_of(records, "SELECT * FROM records ORDER BY ctid")


def test_every_format(service: Service) -> None:
    rows = [
        {"id": 1, "name": "one", "amount": 1.50},
        {"id": 2, "name": None, "amount": 2},
        {"id": 3, "name": 'three, "3"', "amount": None},
    ]
    bodies = {
        name: download(service, create(service, dataset="small", format=name))
        for name in ("tsv", "json", "ndjson", "xml", "parquet")
    }
    assert [len(line) for line in csv.reader(io.StringIO(bodies["tsv"].body.decode()), delimiter="\t")] == [3] * 4
    assert json.loads(bodies["json"].body) == rows
    assert [json.loads(line) for line in bodies["ndjson"].body.splitlines()] == rows
    assert len(ET.fromstring(bodies["xml"].body)) == 3
    assert bodies["parquet"].body[:4] == bodies["parquet"].body[-4:] == b"PAR1"


@pytest.mark.parametrize(
    ("spec", "media_type", "name", "encoding"),
    [
        ({"format": "csv"}, "text/csv; charset=utf-8; header=present", "small.csv", None),
        ({"format": "csv", "options": {"header": False}}, "text/csv; charset=utf-8; header=absent", "small.csv", None),
        (
            {"format": "csv", "options": {"encoding": "cp1252"}},
            "text/csv; charset=windows-1252; header=present",
            "small.csv",
            None,
        ),
        ({"format": "tsv"}, "text/tab-separated-values; charset=utf-8", "small.tsv", None),
        (
            {"format": "tsv", "options": {"encoding": "utf-16le"}},
            "text/tab-separated-values; charset=utf-16",
            "small.tsv",
            None,
        ),
        ({"format": "json"}, "application/json", "small.json", None),
        ({"format": "ndjson"}, "application/x-ndjson", "small.ndjson", None),
        ({"format": "xml"}, "application/xml", "small.xml", None),
        ({"format": "parquet"}, "application/vnd.apache.parquet", "small.parquet", None),
        ({"format": "csv", "compression": "gzip"}, "text/csv; charset=utf-8; header=present", "small.csv", "gzip"),
        ({"format": "json", "compression": "zstd"}, "application/json", "small.json", "zstd"),
        ({"format": "csv", "compression": "gzip", "compressionAs": "file"}, "application/gzip", "small.csv.gz", None),
        ({"format": "xml", "compression": "zstd", "compressionAs": "file"}, "application/zstd", "small.xml.zst", None),
    ],
)
def test_headers_of_a_file(
    service: Service, spec: dict[str, object], media_type: str, name: str, encoding: str | None
) -> None:
    export_id = create(service, **{"dataset": "small", **spec})
    known = call(service, f"/exports/{export_id}/download", method="HEAD")
    assert job(service, export_id)["runs"] == [], "HEAD runs nothing"
    got = download(service, export_id)
    for headers in (known.headers, got.headers):
        assert headers["content-type"] == media_type
        assert headers["content-disposition"] == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
        assert headers.get("content-encoding") == encoding
        assert headers["x-export-id"] == export_id
        assert headers["cache-control"] == "no-store, no-transform"
        assert headers["accept-ranges"] == "none"
        assert headers["x-accel-buffering"] == "no"
        assert "content-length" not in headers
    assert known.body == b""
    assert got.headers["x-export-snapshot"] == job(service, export_id)["runs"][0]["snapshot"]
    if name.endswith(".gz") or encoding == "gzip":
        assert gzip.decompress(got.body) == download(service, create(service, dataset="small")).body


def test_a_name_that_the_encoding_lacks_is_told_by_the_status(service: Service) -> None:
    """It is seen before the first byte, so that no download is begun and cut."""
    columns = [{"source": "name", "target": "名"}]
    options = {"encoding": "windows-1252"}
    export_id = create(service, dataset="small", columns=columns, options=options)
    answer = call(service, f"/exports/{export_id}/download")
    assert (answer.status, answer.json()["code"]) == (400, "unsupported-value")
    assert "名" in answer.json()["detail"]


def test_the_file_of_no_named_dataset_is_called_export(service: Service) -> None:
    known = call(service, f"/exports/{create(service)}/download", method="HEAD")
    assert 'filename="export.csv"' in known.headers["content-disposition"]


def test_each_download_is_a_run(service: Service) -> None:
    export_id = create(service, dataset="small")
    first, second = download(service, export_id), download(service, export_id)
    assert first.body == second.body
    seen = job(service, export_id)
    assert seen["status"] == "completed"
    assert [run["run"] for run in seen["runs"]] == [1, 2]
    assert (seen["rows"], seen["bytes"], seen["progress"]) == (3, len(first.body), 1.0)
    assert seen["startedAt"] <= seen["finishedAt"]
    for run in seen["runs"]:
        assert (run["status"], run["rows"], run["bytes"], run["error"]) == ("completed", 3, len(first.body), None)


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ({"column": "id", "op": "=", "value": "abc"}, ["filter.0: ", "abc"]),
        ({"column": "id", "op": "like", "value": "a%"}, ["filter.0: ", "like"]),
        ({"column": "name", "op": "=", "value": 3}, ["filter.0: ", "string"]),
    ],
)
def test_a_value_that_does_not_fit_is_400_before_the_first_byte(
    service: Service, term: dict[str, object], words: list[str]
) -> None:
    export_id = create(service, dataset="small", filter=[term])
    assert_problem(download(service, export_id), 400, "bad-request", *words)
    seen = job(service, export_id)
    assert (seen["status"], seen["error"]["code"]) == ("failed", "bad-request")


def test_a_table_that_was_dropped_meanwhile(records: str, service: Service) -> None:
    with psycopg.connect(records, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM small; DROP VIEW slow")
        try:
            export_id = create(service, dataset="small")
            connection.execute("ALTER TABLE small RENAME TO away")
            assert_problem(download(service, export_id), 400, "unknown-dataset", "small")
        finally:
            connection.execute("ALTER TABLE IF EXISTS away RENAME TO small; DROP TABLE kept")
            connection.execute(
                "CREATE VIEW slow AS SELECT n, pg_sleep(30)::text AS pause FROM generate_series(1, 3) AS n"
            )


def test_a_database_timeout_is_504(records: str) -> None:
    with serve(records, lock_timeout="200ms") as hasty, psycopg.connect(records) as blocker:
        export_id = create(hasty, dataset="small")
        blocker.execute("LOCK TABLE small IN ACCESS EXCLUSIVE MODE")
        answer = download(hasty, export_id)
    assert_problem(answer, 504, "database-timeout")


def test_a_login_without_the_right_is_403(records: str) -> None:
    with psycopg.connect(records, autocommit=True) as connection:
        connection.execute(
            "CREATE ROLE reader LOGIN PASSWORD 'secret'; CREATE TABLE hidden (id int, open int); GRANT SELECT (open) ON hidden TO reader"
        )
        try:
            dsn = psycopg.conninfo.make_conninfo(records, user="reader", password="secret")
            with serve(dsn) as restricted:
                shown = call(restricted, "/datasets/hidden").json()
                assert [column["name"] for column in shown["columns"]] == ["open"]
                export_id = create(restricted, dataset="hidden")
                connection.execute("REVOKE SELECT (open) ON hidden FROM reader")
                assert_problem(download(restricted, export_id), 403, "access-denied")
        finally:
            connection.execute("DROP TABLE hidden; DROP OWNED BY reader; DROP ROLE reader")


# --- states ----------------------------------------------------------------------------------------------------------


def test_delete_of_a_pending_export_cancels_it(service: Service) -> None:
    export_id = create(service, dataset="small")
    gone = call(service, f"/exports/{export_id}", method="DELETE")
    assert (gone.status, gone.body) == (204, b"")
    assert job(service, export_id)["status"] == "cancelled"
    assert_problem(download(service, export_id), 409, "wrong-state", "cancelled")
    assert_problem(call(service, f"/exports/{export_id}/download", method="GET", headers={}), 409, "wrong-state")


def test_delete_of_an_ended_export_forgets_it(service: Service) -> None:
    export_id = create(service, dataset="small")
    assert download(service, export_id).status == 200
    assert call(service, f"/exports/{export_id}", method="DELETE").status == 204
    assert_problem(call(service, f"/exports/{export_id}"), 404, "not-found", export_id)
    assert_problem(call(service, f"/exports/{export_id}", method="DELETE"), 404, "not-found")


def test_an_expired_export_is_410(records: str) -> None:
    with serve(records, job_retention=0.3) as short:
        export_id = create(short, dataset="small")
        wait_for(lambda: job(short, export_id)["status"] == "expired")
        assert_problem(download(short, export_id), 410, "expired", "POST /exports")


def test_no_room_is_503_with_a_time_to_come_back(records: str) -> None:
    with serve(records, max_connections=1, queue_timeout=0.5) as small:
        large, waiting = create(small), create(small, dataset="small")
        with RawDownload(small, large) as busy:
            busy.read_some(1000)
            answer = download(small, waiting)
            assert_problem(answer, 503, "busy", "0.5 seconds")
            assert int(answer.headers["retry-after"]) > 0
            assert job(small, waiting)["status"] == "failed"
        wait_for(lambda: job(small, large)["status"] == "cancelled")
        assert download(small, waiting).status == 200


def test_more_jobs_than_are_kept(records: str) -> None:
    with serve(records, max_jobs=2) as small:
        first, *_ = [create(small, dataset="small") for _ in range(3)]
        assert call(small, f"/exports/{first}").status == 404
        assert len(call(small, "/exports").json()["exports"]) == 2
