"""What clients may make the service hold before and below their requests, where TLS is spoken."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export.service.http.protocol import ExportProtocol
from polyglot_export.service.tls.files import TlsFiles
from polyglot_export.service.tls.layer import MOST_ANSWERED, TlsLayer
from polyglot_export.service.tls.turns import PLACES, Turns
from tests.fixtures.certificates import Authority, Pair
from tests.fixtures.process import Service, serve
from tests.service.client import PATIENCE, call, wait_for
from tests.service.raw import GET, connect, peak_of, read_all

CLIENTS = 64
"""Places, of which eight are for probes."""
CONNECTION_BYTES = 64 << 10
"""Ceiling of what an idle connection takes; 32 kB when it was measured."""
GROWTH = 24 << 20
"""The headroom: what clients may take together before they have asked for anything."""
LARGEST = bytes.fromhex("16030140000101fffc0303") + bytes(20)
"""One that announces 131 kB, the most that OpenSSL allows."""
HELLO = bytes.fromhex("16030100c8010000c40303")
"""The beginning of a ClientHello, whose rest never comes."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.server()


@pytest.fixture(scope="module")
def crowded(authority: Authority, pair: Pair) -> Iterator[Service]:
    """A service with few places."""
    with serve("host=127.0.0.1 port=1", context=authority.context(), env=pair.env, max_clients=CLIENTS) as service:
        yield service


def answered(service: Service) -> bool:
    try:
        return call(service, "/health/live").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("said", [b"", HELLO, b"\x16"], ids=["nothing", "half a hello", "a byte"])
def test_half_open_handshakes_give_way(crowded: Service, said: bytes) -> None:
    """Ten times as many as there are places; somebody who completes theirs is answered."""
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS * 10):
            raw = stack.enter_context(connect(crowded))
            with contextlib.suppress(OSError):
                raw.sendall(said)
        wait_for(lambda: answered(crowded))
        # Who has given way, or waits to be refused, is not kept beside those that have a place.
        wait_for(lambda: len(list(Path(f"/proc/{crowded.process.pid}/fd").iterdir())) < 3 * CLIENTS)
    wait_for(lambda: answered(crowded))
    assert "Traceback" not in crowded.log()


@pytest.mark.parametrize(
    "said", [LARGEST, LARGEST + b"\x16\x03\x01\x3a\x98" + b"x" * 15_000], ids=["announced", "begun"]
)
def test_large_hellos_take_little(authority: Authority, pair: Pair, said: bytes) -> None:
    """OpenSSL takes the memory for all of a message when its head has come: 130 MB for these."""
    with (
        serve("host=127.0.0.1 port=1", context=authority.context(), env=pair.env, memory_limit="256MB") as service,
        contextlib.ExitStack() as stack,
    ):
        call(service, "/openapi.json")
        before = peak_of(service)
        for _ in range(1000):
            raw = stack.enter_context(connect(service))
            with contextlib.suppress(OSError):
                raw.sendall(said)
        wait_for(lambda: answered(service))
        # The handshakes take turns, the last one first.
        wait_for(lambda: stands_still(service))
        assert peak_of(service) - before < GROWTH


def stands_still(service: Service) -> bool:
    """Whether the process takes no more memory."""
    seen = peak_of(service)
    time.sleep(0.3)
    return peak_of(service) == seen


def test_a_flood_of_whole_handshakes_lets_others_through(crowded: Service) -> None:
    """``openssl s_time`` makes new sessions as fast as it can, from several processes."""
    flood = ["openssl", "s_time", "-connect", f"127.0.0.1:{crowded.port}", "-new", "-time", "6"]
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            process = subprocess.Popen(flood, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.enter_context(process)
            stack.callback(process.terminate)
        for _ in range(20):
            assert call(crowded, "/health/live").status == 200


@pytest.mark.anyio
async def test_many_that_come_at_once_are_all_served(authority: Authority, pair: Pair) -> None:
    """Several times as many as may have a handshake under way."""
    context = authority.context()
    with serve("host=127.0.0.1 port=1", context=context, env=pair.env) as service:

        async def ask() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port, ssl=context)
            writer.write(GET)
            answer = await reader.read(100)
            writer.close()
            return answer

        answers = await asyncio.gather(*(ask() for _ in range(4 * PLACES)))
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


def test_who_finds_no_place_gets_an_alert(authority: Authority, pair: Pair) -> None:
    """All places are taken by clients that wait for an answer, and nobody has to give way then."""
    with (
        serve("host=127.0.0.1 port=1", context=authority.context(), env=pair.env, max_clients=2) as service,
        contextlib.ExitStack() as stack,
    ):
        told: list[str] = []

        def no_place() -> bool:
            try:
                tls = stack.enter_context(
                    authority.context().wrap_socket(connect(service), server_hostname="localhost")
                )
                # The body stays away, so that the request is under way.
                tls.sendall(b"POST /exports HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
                tls.sendall(b"Content-Length: 9\r\n\r\n{")
            except OSError as error:
                told.append(str(error))
            return bool(told)

        wait_for(no_place)
        assert "alert internal error" in told[0]


def test_idle_connections_take_little(authority: Authority, pair: Pair) -> None:
    count = 300
    with (
        serve("host=127.0.0.1 port=1", context=authority.context(), env=pair.env, memory_limit="256MB") as service,
        contextlib.ExitStack() as stack,
    ):
        call(service, "/health/live")
        before = peak_of(service)
        for _ in range(count):
            tls = authority.context().wrap_socket(connect(service), server_hostname="localhost")
            stack.enter_context(tls)
            tls.sendall(GET)
            assert tls.recv(65536).startswith(b"HTTP/1.1 200")
        assert peak_of(service) - before < count * CONNECTION_BYTES


def test_records_without_data_are_answered(crowded: Service, authority: Authority) -> None:
    """KeyUpdate, which asks for one in return, in the middle of a request."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{crowded.port}", "-tls1_3"]
    done = subprocess.Popen(
        [*command, "-CAfile", str(authority.root_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with done:
        assert done.stdin is not None
        assert done.stdout is not None
        # A K by itself is a command of s_client.
        for line, answer in (("K\n", "KEYUPDATE"), ("K\n", "KEYUPDATE"), (GET.decode(), "HTTP/1.1 200 OK")):
            done.stdin.write(line)
            done.stdin.flush()
            while answer not in (told := done.stdout.readline()):
                assert told, "it has ended"
        done.terminate()


class Above(asyncio.Protocol):
    """Notes that there was no connection."""

    def __init__(self) -> None:
        self.made = False
        self.never = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: ARG002 - its signature
        self.made = True

    def handshake_received(self, size: int) -> None:
        pass

    def never_connected(self) -> None:
        self.never.set()


@pytest.mark.anyio
@pytest.mark.parametrize("said", [b"", HELLO], ids=["nothing", "half a hello"])
async def test_a_handshake_has_a_time_limit(pair: Pair, said: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        above = Above()
        context = TlsFiles(pair.cert, pair.key).read().context
        layer = TlsLayer(context, above, Turns(), b"", 0.1)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: layer, ours)
        theirs.sendall(said)
        await asyncio.wait_for(above.never.wait(), PATIENCE)
        assert not above.made
        assert theirs.recv(1) == b""


@pytest.mark.anyio
@pytest.mark.parametrize("end", ["give_up", "retire"])
async def test_a_handshake_ends_for_the_sake_of_others(pair: Pair, end: str) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        above = Above()
        layer = TlsLayer(TlsFiles(pair.cert, pair.key).read().context, above, Turns(), b"", PATIENCE)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: layer, ours)
        protocol = ExportProtocol.__new__(ExportProtocol)
        protocol._connected, protocol.handshake = False, layer
        if end == "give_up":
            protocol.give_up(None)
        else:
            protocol.retire()
        await asyncio.wait_for(above.never.wait(), PATIENCE)
        assert theirs.recv(1) == b""


@pytest.mark.parametrize("damage", ["the first record", "a later record"])
def test_what_is_no_record_ends_the_connection(crowded: Service, authority: Authority, damage: str) -> None:
    with connect(crowded) as raw:
        if damage == "the first record":
            raw.sendall(b"\x16\x03\x01\xff\xff" + b"x" * 70_000)
        else:
            with authority.context().wrap_socket(raw, server_hostname="localhost") as tls:
                tls.sendall(GET)
                assert tls.recv(65536)
                with socket.socket(fileno=tls.detach()) as below:
                    below.settimeout(PATIENCE)
                    below.sendall(b"\x17\x03\x03\x00\x40" + b"x" * 64)
                    read_all(below)
                    return
        assert read_all(raw)[:1] in {b"\x15", b""}


class Below(asyncio.Transport):
    """Of a peer that takes nothing of what it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = bytearray()
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.waits += data

    def get_write_buffer_size(self) -> int:
        return len(self.waits)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 16 << 10, 64 << 10

    def is_closing(self) -> bool:
        return self.aborted

    def resume_reading(self) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


@pytest.mark.anyio
async def test_a_peer_that_takes_nothing_is_not_answered_for_ever(pair: Pair) -> None:
    layer = TlsLayer(TlsFiles(pair.cert, pair.key).read().context, Above(), Turns(), b"", 10)
    below = Below()
    layer.connection_made(below)
    layer._received = b"\x16"
    with contextlib.suppress(ValueError):
        layer.step()
    for _ in range(10):
        below.waits += bytes(MOST_ANSWERED // 2)
        layer._out.write(b"an answer")
        layer._answer_records()
    assert below.aborted
    assert layer.is_closing()
    layer.connection_lost(None)


def test_who_speaks_something_else_is_told(crowded: Service) -> None:
    """Neither HTTP nor anything else makes it fail."""
    for said in (GET, b"SSH-2.0-x\r\n", b"\0" * 100, bytes(range(256))):
        with connect(crowded) as raw:
            raw.sendall(said)
            answer = read_all(raw)
        assert answer.startswith((b"HTTP/1.1 400", b"\x15"))
    assert "Traceback" not in crowded.log()
