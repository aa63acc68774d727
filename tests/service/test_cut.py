"""An export that breaks in the middle is seen as broken by every client and through a real proxy."""

from __future__ import annotations

import http.client
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.fixtures.process import Service, free_port
from tests.service.client import RawDownload, call, create, job, kill_backends, wait_for, wait_for_status

RATE = "4M"
"""Bytes a second that clients read at, so that the export is still running when it is cut."""


def cut_in_the_middle(dsn: str, service: Service, export_id: str, *, after: int = 1 << 20) -> None:
    """Terminate the server processes of an export once so many bytes of it have been sent."""
    wait_for(lambda: job(service, export_id)["bytes"] >= after)
    # Workers may have read all they will; the leader stays to the last byte.
    assert kill_backends(dsn, export_id) >= 1, "the leader was still there"


def assert_failed(service: Service, export_id: str) -> None:
    """The job says so too."""
    seen = wait_for_status(service, export_id, "failed")
    assert seen["error"]["code"] == "database-lost"
    assert seen["error"]["message"]
    assert 0 < seen["bytes"] < 60 << 20


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_curl(records: str, service: Service, tmp_path: Path, compression: str | None) -> None:
    export_id = create(service, compression=compression)
    target = tmp_path / "file"
    url = f"{service.url}/exports/{export_id}/download"
    rate = RATE if compression is None else "300k"
    with subprocess.Popen(
        ["curl", "-sS", "--limit-rate", rate, "-o", str(target), url], stderr=subprocess.PIPE
    ) as curl:
        cut_in_the_middle(records, service, export_id)
        _, complaint = curl.communicate(timeout=60)
    assert curl.returncode in (18, 56), complaint
    assert_failed(service, export_id)


def test_wget_with_its_retries(records: str, service: Service, tmp_path: Path) -> None:
    """The retry asks for the rest with Range. Answered with another run's bytes it would splice two exports into one
    file.
    """
    export_id = create(service)
    url = f"{service.url}/exports/{export_id}/download"
    command = ["wget", "--limit-rate=4m", "--waitretry=1", "-O", str(tmp_path / "file"), url]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as wget:
        cut_in_the_middle(records, service, export_id)
        _, said = wget.communicate(timeout=60)
    assert wget.returncode != 0, said
    assert b"412" in said, "wget tried again, and was refused"
    assert len(job(service, export_id)["runs"]) == 1, "no second run was spliced to the first"


def test_httpx(records: str, service: Service) -> None:
    export_id = create(service)
    with httpx.stream("GET", f"{service.url}/exports/{export_id}/download") as answer:
        assert answer.status_code == 200
        chunks = answer.iter_raw()
        next(chunks)
        cut_in_the_middle(records, service, export_id, after=1)
        with pytest.raises(httpx.TransportError):
            for _ in chunks:
                pass
    assert_failed(service, export_id)


def test_urllib(records: str, service: Service) -> None:
    export_id = create(service)
    with urllib.request.urlopen(f"{service.url}/exports/{export_id}/download") as answer:
        answer.read(1000)
        cut_in_the_middle(records, service, export_id, after=1)
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            answer.read()
    assert_failed(service, export_id)


def test_the_connection_is_reset_and_not_ended(records: str, service: Service) -> None:
    """A FIN would be the proper end of an HTTP/1.0 body, and some proxies make it one."""
    export_id = create(service)
    with RawDownload(service, export_id) as download:
        download.read_some(1000)
        cut_in_the_middle(records, service, export_id, after=1)
        with pytest.raises(ConnectionResetError):
            download.read_to_end()


def test_http_1_0_is_refused(service: Service, tmp_path: Path) -> None:
    export_id = create(service, dataset="small")
    url = f"{service.url}/exports/{export_id}/download"
    done = subprocess.run(
        ["curl", "-sS", "-0", "-D", str(tmp_path / "head"), "-o", str(tmp_path / "file"), url],
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.returncode == 0
    head = (tmp_path / "head").read_text()
    assert head.startswith("HTTP/1.1 426 ")
    assert "upgrade: HTTP/1.1" in head
    assert b"proxy_http_version 1.1" in (tmp_path / "file").read_bytes()
    assert job(service, export_id)["runs"] == []


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=100-200", "lines=1-2"])
def test_a_range_is_refused(service: Service, value: str) -> None:
    export_id = create(service, dataset="small")
    answer = call(service, f"/exports/{export_id}/download", headers={"Range": value})
    assert answer.status == 412
    assert "no ranges" in answer.json()["error"]
    assert job(service, export_id)["runs"] == []


@contextmanager
def nginx(service: Service, folder: Path, directives: str) -> Iterator[str]:
    """A real nginx in front of the service; yields its address."""
    port = free_port()
    for name in ("body", "proxy", "fastcgi", "uwsgi", "scgi"):
        (folder / name).mkdir()
    temporary = "".join(
        f"{name}_temp_path {folder}/{path};"
        for name, path in (
            ("client_body", "body"),
            ("proxy", "proxy"),
            ("fastcgi", "fastcgi"),
            ("uwsgi", "uwsgi"),
            ("scgi", "scgi"),
        )
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log info; events {{}}\n"
        f"http {{ access_log off; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {service.url}; {directives} }} }} }}\n"
    )
    process = subprocess.Popen(
        ["/usr/sbin/nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
    )
    try:
        wait_for(lambda: _answers(f"http://127.0.0.1:{port}"))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        return call(url, "/health/live").status == 200
    except OSError:
        return False


def test_nginx_as_delivered_gets_426(service: Service, tmp_path: Path) -> None:
    """It speaks HTTP/1.0 to the service, whose cut it would not see."""
    export_id = create(service, dataset="small")
    with nginx(service, tmp_path, "") as url:
        answer = call(url, f"/exports/{export_id}/download")
    assert answer.status == 426
    assert answer.headers["upgrade"] == "HTTP/1.1"
    assert "proxy_http_version 1.1" in answer.json()["error"]


@pytest.mark.parametrize("buffering", ["on", "off"])
@pytest.mark.parametrize("more", ["", "gzip on; gzip_types text/csv;"], ids=["plain", "gzip"])
def test_nginx_with_1_1_passes_the_cut_on(
    records: str, throttled: Service, tmp_path: Path, buffering: str, more: str
) -> None:
    export_id = create(throttled)
    # Our own header switches buffering off; ignored, nginx buffers as it would for any other service.
    ignore = "proxy_ignore_headers X-Accel-Buffering;" if buffering == "on" else ""
    directives = f"proxy_http_version 1.1; proxy_buffering {buffering}; {ignore} {more}"
    with nginx(throttled, tmp_path, directives) as proxy:
        url = f"{proxy}/exports/{export_id}/download"
        command = [
            "curl",
            "-sS",
            "--limit-rate",
            RATE,
            "-H",
            "Accept-Encoding: gzip",
            "-o",
            str(tmp_path / "file"),
            url,
        ]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as curl:
            cut_in_the_middle(records, throttled, export_id)
            _, complaint = curl.communicate(timeout=60)
    assert curl.returncode in (18, 56), complaint
    assert_failed(throttled, export_id)


def test_nginx_with_1_1_passes_a_whole_file_on(service: Service, tmp_path: Path) -> None:
    export_id = create(service, dataset="small")
    with nginx(service, tmp_path, "proxy_http_version 1.1;") as url:
        through = call(url, f"/exports/{export_id}/download")
    direct = call(service, f"/exports/{export_id}/download")
    assert through.status == direct.status == 200
    assert through.body == direct.body
    assert job(service, export_id)["status"] == "completed"
