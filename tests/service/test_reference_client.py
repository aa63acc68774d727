"""A client of the reference system (a Node service) works unchanged: it knows two members and three calls."""

from __future__ import annotations

import csv
import gzip
import io
import json
import urllib.request
from pathlib import Path

import psycopg
import pytest

from tests.fixtures.process import Service, serve

FORMATS = ["csv", "json", "xml", "parquet"]


@pytest.fixture
def reference(dsn: str, conn: psycopg.Connection) -> str:
    """The table of the reference system."""
    conn.execute(
        "CREATE TABLE records (id bigserial PRIMARY KEY, created_at timestamptz, name varchar(255), value numeric(18,4), metadata jsonb)"
    )
    conn.execute(
        "INSERT INTO records (created_at, name, value, metadata)"
        " SELECT now(), 'name ' || n, n / 7.0, jsonb_build_object('n', n, 'tags', jsonb_build_array('a', n))"
        " FROM generate_series(1, 1000) AS n"
    )
    return dsn


def client(service: Service, format_: str) -> tuple[str, bytes, str]:
    """What its client does: POST with format and columns, read exportId, GET the file; the body is decoded as HTTP
    says.
    """
    columns = [{"source": "id", "target": "id"}, {"source": "value", "target": "amount"}]
    request = urllib.request.Request(
        f"{service.url}/exports",
        json.dumps({"format": format_, "columns": columns}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201
        created = json.load(answer)
    assert created["status"] == "pending"
    with urllib.request.urlopen(f"{service.url}/exports/{created['exportId']}/download") as answer:
        return created["exportId"], answer.read(), answer.headers["Content-Type"]


@pytest.mark.parametrize("format_", FORMATS)
def test_the_two_calls(reference: str, format_: str) -> None:
    with serve(reference, env={"DB_CURSOR_BATCH_SIZE": "500"}) as service:
        _, body, _ = client(service, format_)
        assert "DB_CURSOR_BATCH_SIZE is not used" in service.log()
        assert "POLYGLOT_WORKERS" in service.log()
    if format_ == "csv":
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        assert len(rows) == 1000
        assert set(rows[0]) == {"id", "amount"}
    elif format_ == "json":
        assert [sorted(row) for row in json.loads(body)] == [["amount", "id"]] * 1000
    elif format_ == "xml":
        assert body.count(b"<amount>") == 1000
    else:
        assert body.startswith(b"PAR1")


def test_its_gzip(reference: str, tmp_path: Path) -> None:
    """With compression the answer says Content-Encoding, whatever the client asked for."""
    with serve(reference) as service:
        body = json.dumps({"format": "csv", "compression": "gzip"}).encode()
        request = urllib.request.Request(f"{service.url}/exports", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            export_id = json.load(answer)["exportId"]
        with urllib.request.urlopen(f"{service.url}/exports/{export_id}/download") as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            (tmp_path / "file.gz").write_bytes(answer.read())
    assert len(gzip.decompress((tmp_path / "file.gz").read_bytes()).splitlines()) == 1001
