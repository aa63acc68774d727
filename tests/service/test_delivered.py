"""Exports that are delivered into a folder: what lies there, how a client gets it, and what is left of a failure."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from polyglot_export import verify
from tests.fixtures.disk import small_file_system
from tests.fixtures.process import Service
from tests.service.client import (
    GONE_SECONDS,
    RawDownload,
    assert_problem,
    backends,
    call,
    create,
    job,
    kill_backends,
    post,
    wait_for,
    wait_for_status,
)
from tests.service.delivered import copied, deliver, delivering, in_lake, listed

TO_LAKE = {"format": "csv", "delivery": "store", "destination": "lake"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module's service."""
    return tmp_path_factory.mktemp("delivered")


@pytest.fixture(scope="module")
def service(records: str, folder: Path) -> Iterator[Service]:
    """A service with a destination, shared by the tests of this module."""
    with delivering(records, folder) as running:
        yield running


def test_one_dataset(service: Service, records: str, folder: Path) -> None:
    export_id = deliver(service, dataset="records")
    shown = job(service, export_id)
    made = shown["delivered"]
    (file,) = listed(service, export_id)
    expected = copied(records, "SELECT * FROM records ORDER BY id")
    assert (folder / "lake" / export_id / file["path"]).read_bytes() == expected
    assert (file["dataset"], file["path"]) == ("records", "records/part-00000.csv")
    assert (file["bytes"], file["sha256"]) == (len(expected), hashlib.sha256(expected).hexdigest())
    assert (made["destination"], made["folder"], made["files"]) == ("lake", export_id, 1)
    assert (made["rows"], shown["rows"]) == (file["rows"], file["rows"])
    assert (made["size"], shown["bytes"]) == (len(expected), len(expected))
    assert shown["progress"] == 1
    manifest = (folder / "lake" / export_id / "manifest.json").read_bytes()
    assert hashlib.sha256(manifest).hexdigest() == made["manifestSha256"]
    report = verify(str(folder / "lake" / export_id), records)
    assert report.ok, report
    assert str(folder) not in json.dumps(shown), "where a destination is, is not the client's business"


def test_several_datasets_of_one_moment(service: Service, records: str, folder: Path) -> None:
    choices = [
        "records",
        {"dataset": "small", "columns": [{"source": "name", "target": "called"}, "id"]},
        {
            "dataset": "records",
            "name": "some records",
            "filter": [{"column": "id", "op": "<=", "value": 5}],
            "orderBy": [{"column": "id", "direction": "desc"}],
            "limit": 3,
        },
    ]
    export_id = deliver(service, datasets=choices, compression="gzip")
    files = listed(service, export_id)
    assert [file["path"] for file in files] == [
        "records/part-00000.csv.gz",
        "small/part-00000.csv.gz",
        "some%20records/part-00000.csv.gz",
    ]
    expected = [
        "SELECT * FROM records ORDER BY id",
        "SELECT name AS called, id FROM small",
        "SELECT * FROM records WHERE id <= 5 ORDER BY id DESC LIMIT 3",
    ]
    for file, query in zip(files, expected, strict=True):
        answer = call(service, f"/exports/{export_id}/files/{file['number']}")
        assert gzip.decompress(answer.body) == copied(records, query)
        assert answer.headers["content-type"] == "application/gzip"
    report = verify(str(folder / "lake" / export_id), records)
    assert report.ok, report


def test_all_datasets_are_of_one_moment(records: str, tmp_path: Path) -> None:
    """Amounts are moved between two tables while they are read."""
    with psycopg.connect(records, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS a, b")
        for table in "ab":
            connection.execute(f"CREATE TABLE {table} AS SELECT n AS id, 100 AS amount FROM generate_series(1, 5000) n")
    config = '[datasets.a]\ntable = "public.a"\n[datasets.b]\ntable = "public.b"\n'
    over = threading.Event()

    def move() -> None:
        with psycopg.connect(records, autocommit=True) as connection:
            while not over.is_set():
                connection.execute(
                    "WITH taken AS (UPDATE a SET amount = amount - 7 WHERE id = %s)"
                    " UPDATE b SET amount = amount + 7 WHERE id = %s",
                    [random.randint(1, 5000), random.randint(1, 5000)],
                )

    with delivering(records, tmp_path, datasets=config) as service:
        mover = threading.Thread(target=move)
        mover.start()
        try:
            for _ in range(5):
                export_id = deliver(service, datasets=["a", "b"])
                lake = tmp_path / "lake" / export_id
                rows = [line for path in lake.glob("*/*.csv") for line in path.read_text().splitlines()[1:]]
                assert len(rows) == 10_000
                assert sum(int(row.split(",")[1]) for row in rows) == 1_000_000
        finally:
            over.set()
            mover.join()


def test_parts(service: Service, records: str, folder: Path) -> None:
    export_id = deliver(service, dataset="records", partSize=20 << 20, options={"header": False})
    files = listed(service, export_id)
    assert len(files) > 2
    assert [file["number"] for file in files] == list(range(len(files)))
    whole = b"".join((folder / "lake" / export_id / file["path"]).read_bytes() for file in files)
    header, rows = copied(records, "SELECT * FROM records ORDER BY id").split(b"\n", 1)
    assert whole == rows
    assert header
    assert job(service, export_id)["delivered"]["files"] == len(files)
    assert verify(str(folder / "lake" / export_id)).ok


@pytest.mark.parametrize("format_", ["json", "ndjson", "xml", "parquet", "tsv"])
def test_every_format(service: Service, folder: Path, format_: str) -> None:
    export_id = deliver(service, format=format_, datasets=["small", "records"])
    assert verify(str(folder / "lake" / export_id)).ok
    assert {file["dataset"]: file["rows"] for file in listed(service, export_id)}["small"] == 3


# Getting them


def test_a_file_of_a_folder_is_sent(service: Service, records: str) -> None:
    export_id = deliver(service, dataset="records")
    path = f"/exports/{export_id}/files/0"
    expected = copied(records, "SELECT * FROM records ORDER BY id")
    whole = call(service, path)
    assert (whole.status, whole.body) == (200, expected)
    assert whole.headers["content-length"] == str(len(expected))
    assert whole.headers["content-disposition"].startswith('attachment; filename="records.csv"')
    tag = whole.headers["etag"]
    part = call(service, path, headers={"Range": "bytes=10-19", "If-Range": tag})
    assert (part.status, part.body) == (206, expected[10:20])
    assert call(service, path, headers={"If-None-Match": tag}).status == 304
    assert call(service, path, headers={"Range": f"bytes={len(expected)}-"}).status == 416
    head = call(service, path, method="HEAD")
    assert (head.status, head.body, head.headers["etag"]) == (200, b"", tag)
    assert f"INFO file given exportId={export_id} file=records/part-00000.csv client=127.0.0.1" in service.log()


def test_what_is_no_file(service: Service) -> None:
    export_id = deliver(service, dataset="small")
    assert_problem(call(service, f"/exports/{export_id}/files/1"), 404, "not-found", "has 1 files", "no file 1")
    assert_problem(call(service, f"/exports/{export_id}/files/-1"), 400, "bad-request", "number")
    assert_problem(call(service, f"/exports/{export_id}/files/x"), 400, "bad-request", "number")
    assert_problem(call(service, f"/exports/{export_id}/download"), 409, "wrong-state", f"/exports/{export_id}/files")
    assert call(service, f"/exports/{export_id}/download", method="HEAD").status == 409
    stream = create(service, dataset="small")
    assert_problem(call(service, f"/exports/{stream}/files"), 409, "wrong-state", "/download")
    assert call(service, "/exports/none/files").status == 404


def test_what_was_changed_is_not_given(service: Service, folder: Path) -> None:
    export_id = deliver(service, dataset="records")
    lake = folder / "lake" / export_id
    part = lake / listed(service, export_id)[0]["path"]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with RawDownload(service, export_id, what="files/0") as download, pytest.raises(OSError):
        download.read_to_end()
    wait_for(lambda: "the file has been changed since it was written" in service.log())
    part.write_bytes(content[:-1])
    assert_problem(call(service, f"/exports/{export_id}/files/0"), 503, "file-missing", "has been changed")
    part.unlink()
    assert_problem(call(service, f"/exports/{export_id}/files/0"), 503, "file-missing", "not in its destination")
    manifest = lake / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 600000', '"rows": 600001'))
    assert_problem(call(service, f"/exports/{export_id}/files"), 503, "file-missing", "has been changed")
    with manifest.open("ab") as file:
        file.truncate(300 << 20)
    assert_problem(call(service, f"/exports/{export_id}/files"), 503, "file-missing", "has been changed")
    manifest.unlink()
    assert_problem(call(service, f"/exports/{export_id}/files"), 503, "file-missing", "not in its destination")


def test_deleting_an_export_leaves_its_files(service: Service, folder: Path) -> None:
    export_id = deliver(service, dataset="small")
    assert call(service, f"/exports/{export_id}", method="DELETE").status == 204
    assert call(service, f"/exports/{export_id}/files").status == 404
    assert verify(str(folder / "lake" / export_id)).ok


# Failures


def test_a_failure_leaves_nothing(service: Service, folder: Path) -> None:
    export_id = create(service, delivery="store", destination="lake", datasets=["records", "small", "wrong"])
    shown = wait_for_status(service, export_id, "failed")
    assert not (folder / "lake" / export_id).exists(), "who hears that it failed finds nothing of it"
    assert (shown["error"]["code"], shown["delivered"]) == ("statement-failed", None)
    assert shown["error"]["message"] == "wrong: division by zero", "of which dataset it is said"
    assert_problem(call(service, f"/exports/{export_id}/files"), 409, "wrong-state", "division by zero", "create a new")


def test_a_cancel_leaves_nothing(service: Service, records: str, folder: Path) -> None:
    export_id = create(service, delivery="store", destination="lake", datasets=["small", "slow"])
    wait_for(lambda: len(backends(records, export_id)) >= 2 and any(export_id in name for name in in_lake(folder)))
    assert_problem(call(service, f"/exports/{export_id}/files"), 409, "not-ready", "is being prepared")
    assert call(service, f"/exports/{export_id}", method="DELETE").status == 204
    assert wait_for(lambda: not backends(records, export_id)) < GONE_SECONDS
    wait_for(lambda: job(service, export_id)["runs"][0]["status"] == "cancelled")
    wait_for(lambda: not [name for name in in_lake(folder) if export_id in name])


def test_a_lost_database_leaves_nothing(service: Service, records: str, folder: Path) -> None:
    export_id = create(service, delivery="store", destination="lake", datasets=["small", "slow"])
    wait_for(lambda: len(backends(records, export_id)) >= 2 and any(export_id in name for name in in_lake(folder)))
    kill_backends(records, export_id)
    wait_for_status(service, export_id, "failed")
    wait_for(lambda: not [name for name in in_lake(folder) if export_id in name])


def test_a_full_disk(records: str, tmp_path: Path) -> None:
    with small_file_system(tmp_path / "lake", 8), delivering(records, tmp_path) as service:
        export_id = create(service, delivery="store", destination="lake", datasets=["small", "records"])
        shown = wait_for_status(service, export_id, "failed")
        assert shown["error"]["code"] == "target-failed"
        assert "No space left" in shown["error"]["message"]
        wait_for(lambda: not in_lake(tmp_path))


def test_a_destination_that_cannot_be_written(records: str, tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    with delivering(records, tmp_path) as service:
        assert_problem(post(service, {**TO_LAKE, "dataset": "small"}), 500, "target-failed", "Not a directory")
        assert call(service, "/exports").json()["exports"] == []


def test_the_service_ends_in_the_middle(records: str, tmp_path: Path) -> None:
    with delivering(records, tmp_path, shutdown_grace=0.2) as service:
        export_id = create(service, delivery="store", destination="lake", datasets=["small", "slow"])
        wait_for(lambda: len(backends(records, export_id)) >= 2)
    assert in_lake(tmp_path) == []


# Requests


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"destination": None}, ("destination", "name the configured destination")),
        ({"destination": "pond"}, ("destination", "no destination 'pond'", "lake")),
        ({"destination": "s3://bucket/x"}, ("destination", "no destination 's3://bucket/x'")),
        ({"delivery": "stream"}, ("destination", "is for", "store")),
        ({"delivery": "file", "destination": None, "datasets": ["small"]}, ("datasets", "is for")),
        ({"delivery": "file", "destination": None, "partSize": 1 << 30}, ("partSize", "is for")),
        ({"partSize": 1000}, ("partSize", "greater than or equal to 1048576")),
        ({"datasets": []}, ("datasets", "must not be empty")),
        ({"datasets": ["small"] * 101}, ("datasets", "at most 100 items")),
        ({"datasets": ["small", "small"]}, ("datasets.1.name", "two datasets are called 'small'")),
        ({"datasets": ["small", {"dataset": "records", "name": "Small"}]}, ("datasets.1.name", "'Small'")),
        ({"datasets": ["small"], "dataset": "small"}, ("dataset", "cannot stand beside datasets")),
        ({"datasets": ["small"], "limit": 1}, ("limit", "cannot stand beside datasets")),
        ({"datasets": ["small"], "orderBy": [{"column": "id"}]}, ("orderBy", "cannot stand beside datasets")),
        ({"datasets": [{"dataset": "small", "name": "x" * 201}]}, ("datasets.0.name", "at most 200 characters")),
        ({"datasets": ["small", "nothing"]}, ("datasets.1", "nothing")),
        ({"datasets": [{"dataset": "small", "columns": ["x"]}]}, ("datasets.0.columns.0.source", "x")),
        ({"datasets": [{"dataset": "small", "rows": 1}]}, ("datasets.0", "unknown member 'rows'")),
        ({"datasets": [{"name": "small"}]}, ("datasets.0.dataset", "is missing")),
    ],
)
def test_a_wrong_request(service: Service, members: dict[str, object], words: tuple[str, ...]) -> None:
    spec = {name: value for name, value in {**TO_LAKE, **members}.items() if value is not None}
    answer = post(service, spec)
    assert answer.status == 400, answer
    for word in words:
        assert word in answer.json()["error"]


def test_a_filter_that_does_not_fit_names_its_dataset(service: Service) -> None:
    choices = ["small", {"dataset": "small", "name": "b", "filter": [{"column": "id", "op": "=", "value": "x"}]}]
    export_id = create(service, delivery="store", destination="lake", datasets=choices)
    message = wait_for_status(service, export_id, "failed")["error"]["message"]
    assert message.startswith("datasets.1.filter.0: ")


def test_more_files_than_a_set_may_have(records: str, tmp_path: Path) -> None:
    with psycopg.connect(records, autocommit=True) as connection:
        # A row a page, and a thousand pages a segment.
        connection.execute("CREATE TABLE sparse (id int, filler text) WITH (fillfactor = 10)")
        connection.execute("INSERT INTO sparse SELECT n, repeat('x', 1000) FROM generate_series(1, 11000) AS n")
    with delivering(records, tmp_path, datasets='[datasets.sparse]\ntable = "public.sparse"\n') as service:
        datasets = [{"dataset": "sparse", "name": f"r{number}"} for number in range(100)]
        export_id = create(service, delivery="store", destination="lake", datasets=datasets, partSize=1 << 20)
        message = wait_for_status(service, export_id, "failed")["error"]["message"]
        assert message == "partSize: would make more than 1,000 files; give a larger one"
        assert in_lake(tmp_path) == []


def test_where_there_is_no_destination(records: str, tmp_path: Path) -> None:
    with delivering(records, tmp_path) as service:
        export_id = deliver(service, dataset="small")
        config = tmp_path / "polyglot.toml"
        config.write_text(config.read_text().partition("[destinations")[0])
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "configuration reloaded" in service.log())
        assert_problem(post(service, {**TO_LAKE, "dataset": "small"}), 400, "bad-request", "allowed are: none")
        assert_problem(call(service, f"/exports/{export_id}/files"), 403, "forbidden", "'lake'")
