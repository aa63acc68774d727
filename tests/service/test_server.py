"""Sockets, settings and the life of the process."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path

import psycopg
import pytest

from polyglot_export.errors import SpecError
from polyglot_export.service.config.environment import ServiceSettings, parse_size
from polyglot_export.service.sockets import TCP_NOTSENT_LOWAT, listen, user_timeout
from tests.fixtures.process import Service, cli, free_port, serve
from tests.service.client import GONE_SECONDS, PATIENCE, RawDownload, backends, call, create, wait_for

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_accepted_connections_inherit_the_options() -> None:
    (listener,) = listen("127.0.0.1", 0, 70)
    with listener, socket.create_connection(listener.getsockname()) as client:
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 15
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 5
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 70_000
            assert accepted.getsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT) == 128 << 10
        client.close()


def test_the_kernel_gives_up_on_a_slow_client_later_than_we_do() -> None:
    assert user_timeout(ServiceSettings.load().slow_client_timeout) == 60
    assert user_timeout(300) > 300


def test_a_name_with_two_addresses_gets_one_port() -> None:
    sockets = listen("localhost", 0, 60)
    try:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
    finally:
        for sock in sockets:
            sock.close()


def test_a_port_in_use_is_said(dsn: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SpecError, match=f"cannot listen on 127.0.0.1 port {port}"):
            listen("127.0.0.1", port, 60)
        done = cli("serve", "--port", str(port), dsn=dsn)
    assert done.returncode == 2
    assert b"cannot listen" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PORT": "99999"}, [b"PORT"]),
        ({"POLYGLOT_MEMORY_LIMIT": "much"}, [b"POLYGLOT_MEMORY_LIMIT", b"kB, MB or GB"]),
        ({"POLYGLOT_QUEUE_TIMEOUT": "-1"}, [b"POLYGLOT_QUEUE_TIMEOUT"]),
        ({"POLYGLOT_LOG_FORMAT": "yaml"}, [b"POLYGLOT_LOG_FORMAT", b"json"]),
        ({"POLYGLOT_CONFIG": "/no/such/file"}, [b"/no/such/file"]),
    ],
)
def test_a_wrong_setting_is_exit_code_2_and_a_sentence(variables: dict[str, str], words: list[bytes]) -> None:
    done = cli("serve", env=variables)
    assert done.returncode == 2, done.stderr
    for word in words:
        assert word in done.stderr
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_variable_of_a_kubernetes_service_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service called "polyglot" puts POLYGLOT_PORT=tcp://… into every pod."""
    monkeypatch.setenv("POLYGLOT_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("PORT", "")
    assert ServiceSettings.load().port == 8080


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("1kB", 1024), ("256MB", 256 << 20), ("256 MiB", 256 << 20), ("1g", 1 << 30), (5, 5)]
)
def test_sizes(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "1.5GB", "-1", "1TB", "1 000"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number of bytes"):
        parse_size(text)


def test_every_setting_is_documented_with_its_default() -> None:
    text, _, _ = REFERENCE.read_text().partition("## The configuration file")
    rows = {row[0]: row[1] for row in re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE)}
    names = {str(info.validation_alias): (name, info.default) for name, info in ServiceSettings.model_fields.items()}
    assert set(rows) == set(names)
    for variable, (name, default) in names.items():
        documented = rows[variable].strip("`")
        if default is None:
            assert documented, f"{variable} has no default, and the page says what holds then"
        elif name in {"row_limit", "max_body", "min_rate", "spool_limit"}:
            assert parse_size(documented) == default, variable
        else:
            assert (
                documented == f"{default:g}"
                if isinstance(default, float)
                else documented == (str(default) if default not in ("", ()) else "none")
            ), variable


def test_json_logs_have_the_id_on_the_line_of_the_run(dsn: str) -> None:
    with serve(dsn, log_format="json") as service:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE records AS SELECT 1 AS id")
        export_id = create(service)
        call(service, f"/exports/{export_id}/download")
        lines = [json.loads(line) for line in service.log().splitlines()]
    (ended,) = [line for line in lines if line.get("exportId") == export_id]
    assert ended["message"] == "export ended"
    assert (ended["status"], ended["rows"], ended["format"], ended["dataset"], ended["level"]) == (
        "completed",
        1,
        "csv",
        "records",
        "info",
    )
    assert ended["snapshot"]
    started = next(line for line in lines if line["message"] == "service started")
    assert started["url"] == service.url


def test_what_is_not_http_is_a_problem_too(service: Service) -> None:
    for request in (b"HELLO\r\n\r\n", b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", service.port), timeout=20) as raw:
            raw.sendall(request)
            answer = raw.makefile("rb").read()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in head
        assert json.loads(body)["code"] == "malformed-request"


def test_an_endless_head_is_cut_off(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nX: ")
        answer = b""
        try:
            for _ in range(100):
                raw.sendall(b"x" * 4096)
            answer = raw.recv(1000)
        except (BrokenPipeError, ConnectionResetError):
            answer = b"HTTP/1.1 431 "
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert call(service, "/health/live").status == 200


def test_a_head_that_does_not_come_is_not_waited_for(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import polyglot_export.service.http.protocol as p\np.HEAD_SECONDS = 1.5\n"
    )
    package = Path(__file__).parents[2] / "python"
    with serve(dsn, env={"PYTHONPATH": f"{tmp_path}:{package}"}) as service:
        for start in (b"", b"GET / HT"):
            with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as raw:
                raw.sendall(start)
                assert raw.recv(100) == b""
        with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as raw:
            for _ in range(2):
                raw.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = raw.recv(1000)
                while b'"}' not in answer:
                    piece = raw.recv(1000)
                    assert piece, answer
                    answer += piece
                assert answer.startswith(b"HTTP/1.1 200")
                time.sleep(2)


def test_a_pipelined_request_does_not_hide_a_disconnect(records: str, service: Service) -> None:
    """A second request behind a download: its bytes are thrown away, and the client's end is still seen."""
    export_id = create(service)
    with RawDownload(service, export_id, headers="") as download:
        download.socket.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        download.read_some(1000)
    assert wait_for(lambda: not backends(records, export_id)) < GONE_SECONDS


def test_a_free_port_is_printed(dsn: str) -> None:
    port = free_port()
    with serve(dsn, port=port) as service:
        assert f"url=http://127.0.0.1:{port}" in service.log()
