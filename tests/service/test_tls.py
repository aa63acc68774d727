"""HTTPS without a proxy: whole files, visible cuts, and nothing of what a scanner looks for."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import trustme

from tests.fixtures.certificates import Authority
from tests.fixtures.process import Service, serve
from tests.service.client import (
    PATIENCE,
    RawDownload,
    call,
    create,
    job,
    kill_backends,
    wait_for,
    wait_for_status,
    wait_until_stalled,
)
from tests.service.raw import GET, read_all

WEAK = (
    "AES128-GCM-SHA256",
    "AES256-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA384",
    "DHE-RSA-AES256-GCM-SHA384",
    "DHE-RSA-CHACHA20-POLY1305",
    "ARIA128-GCM-SHA256",
    "ECDHE-RSA-CAMELLIA128-SHA256",
    "ADH-AES128-GCM-SHA256",
    "AECDH-AES128-SHA",
    "NULL-SHA256",
    "ECDHE-RSA-NULL-SHA",
)
"""Of each kind one: no forward secrecy, CBC, finite-field DH (whose groups clients cannot choose), no authentication, no
encryption."""
STRONG = (
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def service(records: str, authority: Authority) -> Iterator[Service]:
    """With a key of RSA, since that kind has the suites that a scanner complains of."""
    pair = authority.server(key_type=trustme.KeyType.RSA)
    with serve(records, context=authority.context(), workers=2, tls_hsts="1d", env=pair.env) as running:
        yield running


def s_client(service: Service, authority: Authority, *options: str, said: str = "") -> str:
    """What OpenSSL's own client tells about a connection."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{service.port}", "-CAfile", str(authority.root_file)]
    done = subprocess.run(
        [*command, "-verify_return_error", *options],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


@contextlib.contextmanager
def connected(service: Service, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
    """A connection whose handshake is done."""
    chosen = context or service.context
    assert chosen is not None
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as raw,
        chosen.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as tls,
    ):
        yield tls


def test_a_file_is_the_same_as_without_tls(records: str, service: Service) -> None:
    with psycopg.connect(records) as connection, connection.cursor() as cursor:
        statement = b"COPY (SELECT * FROM records ORDER BY id) TO STDOUT (FORMAT csv, HEADER)"
        with cursor.copy(statement) as copy:
            expected = b"".join(map(bytes, copy))
    export_id = create(service, dataset="records", orderBy=[{"column": "id"}])
    answer = call(service, f"/exports/{export_id}/download")
    assert answer.body.replace(b"\r\n", b"\n") == expected
    assert answer.headers["strict-transport-security"] == "max-age=86400"
    wait_for_status(service, export_id, "completed")


def test_a_cut_has_no_orderly_end(records: str, service: Service) -> None:
    """Neither the alert close_notify nor FIN, so that no client takes a part for the whole."""
    export_id = create(service, dataset="records")
    with RawDownload(service, export_id) as raw:
        raw.read_some(1 << 20)
        assert kill_backends(records, export_id) >= 1
        # Below TLS: Python says of a reset as of FIN that the bytes have ended too early.
        with socket.socket(fileno=os.dup(raw.socket.fileno())) as below, pytest.raises(ConnectionResetError):
            below.settimeout(PATIENCE)
            while below.recv(1 << 16):
                pass
    assert wait_for_status(service, export_id, "failed")["error"]["code"] == "database-lost"


def test_an_answer_that_is_whole_ends_with_close_notify(service: Service) -> None:
    with connected(service) as tls:
        tls.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_all(tls).endswith(b'{"status":"healthy"}')


@pytest.mark.parametrize("orderly", [True, False], ids=["close_notify", "FIN"])
def test_a_client_that_leaves_stops_its_export(service: Service, orderly: bool) -> None:
    export_id = create(service, dataset="records")
    with RawDownload(service, export_id, receive_buffer=4096) as raw:
        wait_until_stalled(service, export_id)
        if orderly:
            assert isinstance(raw.socket, ssl.SSLSocket)
            raw.socket.setblocking(False)
            # Sends the alert, and cannot read the answer now.
            with contextlib.suppress(ssl.SSLError):
                raw.socket.unwrap()
            wait_for(lambda: job(service, export_id)["status"] == "cancelled")
    wait_for(lambda: job(service, export_id)["status"] == "cancelled")


def test_requests_follow_each_other(service: Service) -> None:
    """In one record, in several, and a byte in each."""
    with connected(service) as tls:
        tls.sendall(GET + GET)
        for byte in GET:
            tls.sendall(bytes([byte]))
        answers = b""
        while answers.count(b'{"status":"healthy"}') < 3:
            answers += tls.recv(65536)


def test_large_bodies_come_in_many_records(service: Service) -> None:
    spec = b'{"format":"csv","dataset":"small"' + b" " * 900_000 + b"}"
    answer = call(service, "/exports", method="POST", body=spec, headers={"Content-Type": "application/json"})
    assert answer.status == 201


def test_a_client_that_is_still_sending_reads_why_its_body_is_refused(service: Service) -> None:
    """It has asked for the connection to be closed: urllib does."""
    for _ in range(10):
        assert call(service, "/exports", method="POST", body=b" " * 1_400_000).status == 415


def test_plain_http_is_told(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as raw:
        raw.sendall(GET)
        answer = read_all(raw)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"HTTPS is spoken here" in answer


# What a scanner looks for.


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions_that_are_spoken(service: Service, authority: Authority, version: str) -> None:
    context = authority.context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    with connected(service, context) as tls:
        assert tls.version() == version.replace("_", ".")
        assert tls.compression() is None


@pytest.mark.parametrize("number", [0, 1, 2], ids=["SSL 3.0", "TLS 1.0", "TLS 1.1"])
def test_versions_that_are_not(service: Service, number: int) -> None:
    """As bytes, since the client's own OpenSSL does not speak them either."""
    suites = bytes.fromhex("c013c014c02fc030002f0035")
    body = bytes([3, number]) + bytes(32) + b"\0" + len(suites).to_bytes(2) + suites + b"\1\0"
    hello = b"\1" + len(body).to_bytes(3) + body
    with socket.create_connection(("127.0.0.1", service.port), timeout=PATIENCE) as raw:
        raw.sendall(b"\x16\x03" + bytes([min(number, 1)]) + len(hello).to_bytes(2) + hello)
        answer = read_all(raw)
    kind, description = answer[0], answer[6]
    assert kind == 0x15, "an alert"
    assert description in {40, 70}, "handshake_failure or protocol_version"


@pytest.mark.parametrize("suite", WEAK)
def test_suites_that_are_refused(service: Service, authority: Authority, suite: str) -> None:
    told = s_client(service, authority, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
    assert "Cipher is (NONE)" in told, told
    assert "handshake failure" in told, told


@pytest.mark.parametrize("suite", STRONG)
def test_suites_that_are_spoken(service: Service, authority: Authority, suite: str) -> None:
    told = s_client(service, authority, "-tls1_2", "-cipher", suite)
    assert f"Cipher is {suite}" in told
    assert "Verify return code: 0 (ok)" in told


def test_what_a_handshake_agrees_on(service: Service, authority: Authority) -> None:
    told = s_client(service, authority, "-tls1_2", "-status", "-alpn", "h2,http/1.1", "-tlsextdebug")
    assert "Secure Renegotiation IS supported" in told, "RFC 5746"
    assert "Extended master secret: yes" in told, "RFC 7627"
    assert "Compression: NONE" in told
    assert "ALPN protocol: http/1.1" in told
    assert "heartbeat" not in told
    assert "no response sent" in told, "OCSP is not stapled"
    assert told.count("\n   i:") == 2, "the chain has the authority between the certificate and the root"


def test_renegotiation_is_refused(service: Service, authority: Authority) -> None:
    told = s_client(service, authority, "-tls1_2", said="R\n")
    assert "RENEGOTIATING" in told
    assert "no renegotiation" in told, told


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_sessions_are_resumed(service: Service, authority: Authority, tmp_path: Path, version: str) -> None:
    session = tmp_path / "session"
    request = GET.decode().replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    keep = ("-ign_eof", "-sess_out", str(session))
    assert "New, TLSv1" in s_client(service, authority, version, *keep, said=request)
    told = s_client(service, authority, version, "-ign_eof", "-sess_in", str(session), said=request)
    assert "Reused, TLSv1" in told
    assert "Early data was not sent" in told or version == "-tls1_2"


def test_early_data_is_refused(service: Service, authority: Authority, tmp_path: Path) -> None:
    """It could be sent again by whoever sees it (RFC 8446, section 8)."""
    session, early = tmp_path / "session", tmp_path / "early"
    request = GET.decode().replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    early.write_text(request)
    told = s_client(service, authority, "-tls1_3", "-ign_eof", "-sess_out", str(session), said=request)
    assert "Max Early Data: 0" in told
