"""What a client gets of a prepared file: whole, in parts, under conditions, through a proxy, and when it is damaged."""

from __future__ import annotations

import base64
import email
import hashlib
import http.client
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export.service.streams.file_response import CHUNK
from tests.fixtures.process import Service
from tests.service.client import (
    PATIENCE,
    RawDownload,
    assert_problem,
    call,
    create,
    job,
    wait_for,
    wait_for_status,
)
from tests.service.spooled import get, path_of, prepare, serving
from tests.service.test_cut import nginx

FORMATS: list[dict[str, object]] = [
    {"format": "csv"},
    {"format": "json"},
    {"format": "xml"},
    {"format": "parquet"},
    {"format": "ndjson", "compression": "gzip"},
    {"format": "csv", "compression": "zstd", "compressionAs": "file"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the module's service."""
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="module")
def service(records: str, folder: Path) -> Iterator[Service]:
    """A service with a spool, shared by the tests of this module."""
    with serving(records, folder) as running:
        yield running


@pytest.fixture(scope="module")
def large(service: Service) -> str:
    """An export of all ``records``, prepared."""
    return prepare(service)


@pytest.fixture(scope="module")
def content(service: Service, large: str) -> bytes:
    """The bytes of :func:`large`."""
    return call(service, f"/exports/{large}/download").body


def curl(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Run curl; the exit code is not checked."""
    return subprocess.run(["curl", "-sS", "--max-time", "60", *arguments], capture_output=True, check=False)


# What a client gets


@pytest.mark.parametrize("spec", FORMATS, ids=lambda spec: "-".join(map(str, spec.values())))
def test_the_file_is_what_the_stream_would_be(
    service: Service, folder: Path, records: str, spec: dict[str, object]
) -> None:
    columns: dict[str, object] = {**spec, "filter": [{"column": "id", "op": "<=", "value": 50_000}]}
    streamed = get(service, create(service, **columns))
    export_id = prepare(service, **columns)
    answer = get(service, export_id)
    assert answer.status == 200
    # A Parquet file names its snapshot.
    taken, named = (given.headers["x-export-snapshot"].encode() for given in (streamed, answer))
    assert answer.body.replace(named, b"") == streamed.body.replace(taken, b"")
    digest = hashlib.sha256(answer.body)
    (line,) = subprocess.run(
        ["sha256sum", path_of(folder, export_id)], capture_output=True, check=True
    ).stdout.splitlines()
    shown = job(service, export_id)
    with psycopg.connect(records) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM records WHERE id <= 50000").fetchone() or (None,)
    assert shown["file"] == {
        "run": 1,
        "size": len(answer.body),
        "sha256": digest.hexdigest(),
        "rows": rows,
        "madeAt": shown["file"]["madeAt"],
    }
    assert line.decode().startswith(digest.hexdigest())
    assert answer.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert (shown["rows"], shown["bytes"], shown["progress"], shown["status"]) == (
        rows,
        len(answer.body),
        1.0,
        "completed",
    )
    for name in ("content-type", "content-disposition", "x-export-id"):
        expected = streamed.headers[name] if name != "x-export-id" else export_id
        assert answer.headers[name] == expected
    assert answer.headers["content-encoding"] == streamed.headers.get("content-encoding", "identity")


def test_the_headers(service: Service, large: str, content: bytes) -> None:
    answer = get(service, large)
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert answer.headers["cache-control"] == "private, no-cache, no-transform"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["last-modified"])
    assert answer.headers["x-export-snapshot"] == job(service, large)["runs"][0]["snapshot"]
    assert "transfer-encoding" not in answer.headers
    head = get(service, large, "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert {**head.headers, "date": ""} == {**answer.headers, "date": ""}


def test_each_download_is_the_same_file_and_no_run(service: Service, large: str, content: bytes) -> None:
    assert get(service, large).body == content
    assert [run["run"] for run in job(service, large)["runs"]] == [1]


def test_http_1_0_is_served(service: Service, large: str, content: bytes, tmp_path: Path) -> None:
    done = curl("-0", "-o", str(tmp_path / "file"), f"{service.url}/exports/{large}/download")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").read_bytes() == content


def test_a_connection_serves_several(service: Service, large: str, content: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    for _ in range(2):
        for headers, status, body in (({}, 200, content), ({"Range": "bytes=5-9"}, 206, content[5:10])):
            connection.request("GET", f"/exports/{large}/download", headers=headers)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (status, body)
            assert not answer.will_close
    connection.close()


# Ranges and conditions


def test_one_range(service: Service, large: str, content: bytes) -> None:
    done = curl("-r", "1000000-2999999", "-D", "-", f"{service.url}/exports/{large}/download")
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert body == content[1_000_000:3_000_000]
    assert head.startswith(b"HTTP/1.1 206 ")
    assert f"content-range: bytes 1000000-2999999/{len(content)}".encode() in head
    assert b"content-length: 2000000" in head


def test_several_ranges(service: Service, large: str, content: bytes) -> None:
    end = len(content)
    answer = get(service, large, range=f"bytes=0-9,2000000-4999999,-7,{end}-")
    assert answer.status == 206
    assert len(answer.body) == int(answer.headers["content-length"])
    assert "content-range" not in answer.headers
    message = email.message_from_bytes(
        b"Content-Type: " + answer.headers["content-type"].encode() + b"\r\n" + answer.body
    )
    assert message.get_content_type() == "multipart/byteranges"
    parts: Any = message.get_payload()
    expected = [(0, 10), (2_000_000, 5_000_000), (end - 7, end)]
    assert [part["Content-Range"] for part in parts] == [f"bytes {start}-{stop - 1}/{end}" for start, stop in expected]
    assert {part["Content-Type"] for part in parts} == {"text/csv; charset=utf-8; header=present"}
    boundary = message.get_boundary()
    assert boundary is not None
    pieces = answer.body.split(b"\r\n--" + boundary.encode())
    assert [piece.partition(b"\r\n\r\n")[2] for piece in pieces[1:-1]] == [
        content[start:stop] for start, stop in expected
    ]
    assert pieces[-1] == b"--\r\n"


def test_what_is_encoded_is_the_file_and_not_the_multipart_body(service: Service) -> None:
    export_id = prepare(service, dataset="small", compression="gzip")
    whole = get(service, export_id)
    assert whole.headers["content-encoding"] == "gzip"
    answer = get(service, export_id, range="bytes=0-0,-1")
    assert answer.status == 206
    one = get(service, export_id, range="bytes=0-9")
    assert (one.body, one.headers["content-encoding"]) == (whole.body[:10], "gzip")
    parts = get(service, export_id, range=f"bytes={','.join(f'{at}-{at}' for at in (0, 40))}")
    assert parts.status == 206


def test_curl_continues(service: Service, large: str, content: bytes, tmp_path: Path) -> None:
    target = tmp_path / "file"
    for size in (len(content) // 3, len(content)):
        target.write_bytes(content[:size])
        done = curl("-C", "-", "-o", str(target), f"{service.url}/exports/{large}/download")
        assert done.returncode == 0, done.stderr
        assert target.read_bytes() == content


def test_wget_continues(service: Service, large: str, content: bytes, tmp_path: Path) -> None:
    target = tmp_path / "file"
    for size in (len(content) // 3, len(content)):
        target.write_bytes(content[:size])
        done = subprocess.run(
            ["wget", "-q", "-c", "-O", str(target), f"{service.url}/exports/{large}/download"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert target.read_bytes() == content


def test_a_browser_continues(service: Service, large: str, content: bytes) -> None:
    """With If-Range: the rest of the same file, or the whole of another one."""
    whole = get(service, large)
    for validator in (whole.headers["etag"], whole.headers["last-modified"]):
        assert get(service, large, range="bytes=60000000-", if_range=validator).body == content[60_000_000:]
        assert get(service, large, range="bytes=60000000-", if_range=validator).status == 206
    answer = get(service, large, range="bytes=60000000-", if_range='"another"')
    assert (answer.status, answer.body) == (200, content)


def test_conditions(service: Service, large: str, content: bytes) -> None:
    tag = get(service, large, "HEAD").headers["etag"]
    kept = get(service, large, if_none_match=tag)
    assert (kept.status, kept.body, kept.headers["etag"]) == (304, b"", tag)
    assert not {"content-length", "content-type", "content-encoding"} & set(kept.headers)
    assert get(service, large, "HEAD", if_none_match=f"W/{tag}").status == 304
    assert get(service, large, if_match=tag, range="bytes=0-0").body == content[:1]
    assert_problem(get(service, large, if_match='"other"'), 412, "precondition-failed", "If-Match")
    outside = get(service, large, range=f"bytes={len(content)}-")
    assert_problem(outside, 416, "range-not-satisfiable", str(len(content)))
    assert outside.headers["content-range"] == f"bytes */{len(content)}"
    assert get(service, large, "HEAD", range="bytes=0-0").status == 200


# When it goes wrong


def test_a_file_that_is_not_there_any_more(service: Service, folder: Path) -> None:
    export_id = prepare(service, dataset="small")
    path = path_of(folder, export_id)
    path.write_bytes(path.read_bytes()[:-1])
    assert_problem(get(service, export_id), 503, "file-missing", "damaged")
    path.unlink()
    assert_problem(get(service, export_id), 503, "file-missing", "not in the spool")
    assert get(service, export_id, "HEAD").status == 503


def test_a_file_that_was_changed_at_equal_size_is_not_served(service: Service, folder: Path) -> None:
    """Also with the times that it had before, which anybody may set who can write to it."""
    for restore in (False, True):
        export_id = prepare(service, dataset="small")
        path = path_of(folder, export_id)
        before = path.stat()
        path.write_bytes(path.read_bytes().replace(b"one", b"two"))
        if restore:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        for method in ("GET", "HEAD"):
            assert get(service, export_id, method).status == 503
        assert_problem(get(service, export_id, range="bytes=0-3"), 503, "file-missing", "damaged")


def test_a_file_that_was_only_touched_or_copied_is_served(service: Service, folder: Path) -> None:
    export_id = prepare(service, dataset="small")
    path = path_of(folder, export_id)
    content = path.read_bytes()
    path.chmod(0o640)
    os.utime(path)
    assert get(service, export_id).body == content
    path.unlink()
    path.write_bytes(content)
    assert get(service, export_id).body == content
    assert get(service, export_id, range="bytes=0-1").body == content[:2]


def test_a_file_that_is_written_to_while_it_is_sent_is_cut(service: Service, folder: Path) -> None:
    export_id = prepare(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        with path_of(folder, export_id).open("r+b") as file:
            file.seek(-1000, os.SEEK_END)
            file.write(bytes(1000))
        with pytest.raises(ConnectionResetError):
            download.read_to_end()


def test_links_in_the_spool_are_not_followed(service: Service, folder: Path, tmp_path: Path) -> None:
    """Neither in place of the file nor of its folder."""
    by_file, by_folder = prepare(service, dataset="small"), prepare(service, dataset="small")
    path = path_of(folder, by_file)
    moved = path.rename(tmp_path / "elsewhere")
    path.symlink_to(moved)
    assert_problem(get(service, by_file), 503, "file-missing", "not in the spool")
    path.unlink()
    away = path.parent.rename(tmp_path / "folder")
    path.parent.symlink_to(away)
    try:
        assert_problem(get(service, by_folder), 503, "file-missing", "not in the spool")
        failed = create(service, dataset="small", delivery="file")
        wait_for_status(service, failed, "failed")
        assert not list(away.glob(f"{failed}.*"))
    finally:
        path.parent.unlink()
        away.rename(path.parent)
    assert get(service, by_folder).status == 200


def test_a_file_that_ends_too_early_is_no_whole_file(service: Service, folder: Path) -> None:
    export_id = prepare(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        os.truncate(path_of(folder, export_id), 30_000_000)
        with pytest.raises(ConnectionResetError):
            download.read_to_end()
    wait_for(lambda: "file was cut" in service.log())


def test_a_client_that_leaves_is_let_go(service: Service, large: str) -> None:
    def open_files() -> list[str]:
        links = Path(f"/proc/{service.process.pid}/fd")
        found = []
        for link in links.iterdir():
            with suppress(FileNotFoundError):
                found.append(str(link.readlink()))
        return [name for name in found if large in name]

    before = len(open_files())
    with RawDownload(service, large) as download:
        download.read_some(1000)
        assert len(open_files()) == before + 1
    wait_for(lambda: len(open_files()) == before)


def test_many_slow_clients_wait_for_memory(records: str, tmp_path: Path) -> None:
    """Each of them takes a chunk of what there is for exports; who finds none is asked to come again."""
    with serving(records, tmp_path, memory_limit="128MB", queue_timeout=0.2) as service:
        export_id = prepare(service)
        room = int(re.search(r"exportMemory=(\d+)", service.log())[1]) // CHUNK  # type: ignore[index]
        with ExitStack() as clients:
            for _ in range(room):
                clients.enter_context(RawDownload(service, export_id)).read_some(1000)
            assert_problem(get(service, export_id), 503, "busy")
            assert get(service, export_id, "HEAD").status == 200
        wait_for(lambda: get(service, export_id).status == 200)


def test_nginx_keeps_the_length(service: Service, large: str, content: bytes, folder: Path, tmp_path: Path) -> None:
    """As delivered it speaks HTTP/1.0 to the service, here with compression to the client; what ends too early is
    seen.
    """
    broken = prepare(service)
    with nginx(service, tmp_path, "gzip on; gzip_types text/csv; proxy_max_temp_file_size 0;") as url:
        done = curl("--compressed", "-D", "-", "-o", str(tmp_path / "file"), f"{url}/exports/{large}/download")
        assert done.returncode == 0, done.stderr
        assert f"Content-Length: {len(content)}".encode().lower() in done.stdout.lower()
        assert (tmp_path / "file").read_bytes() == content
        assert curl("-r", "5-9", f"{url}/exports/{large}/download").stdout == content[5:10]
        with subprocess.Popen(
            ["curl", "-sS", "--limit-rate", "8M", "-o", str(tmp_path / "broken"), f"{url}/exports/{broken}/download"],
            stderr=subprocess.PIPE,
        ) as client:
            wait_for(lambda: (tmp_path / "broken").exists() and (tmp_path / "broken").stat().st_size > 1000)
            os.truncate(path_of(folder, broken), 20_000_000)
            _, complaint = client.communicate(timeout=60)
        assert client.returncode in (18, 56), complaint


def test_a_client_that_takes_nothing_is_cut_off(records: str, tmp_path: Path) -> None:
    with serving(records, tmp_path, slow_client_timeout=3) as service:
        export_id = prepare(service)
        with RawDownload(service, export_id) as stalled, RawDownload(service, export_id) as slow:
            stalled.read_some(1000)
            started = time.monotonic()
            while time.monotonic() - started < 5:
                slow.read_some(65536)
                time.sleep(0.1)
            with pytest.raises(ConnectionResetError):
                stalled.read_to_end()
            slow.read_some(10_000_000)
        assert service.log().count("slow client was cut") == 1


def test_the_end_of_the_service_cuts_a_download(records: str, tmp_path: Path) -> None:
    with serving(records, tmp_path, shutdown_grace=0.5) as service:
        export_id = prepare(service)
        with RawDownload(service, export_id) as download:
            download.read_some(1000)
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(timeout=PATIENCE) == 0
            with pytest.raises(ConnectionResetError):
                download.read_to_end()
