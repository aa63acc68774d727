"""A real nginx in front of the service, with the configuration of ``deploy/`` too: whole, cut, vanished, prepared.

``test_cut.py`` has the cut with each of nginx' settings; ``python -m benchmarks.proxies`` the other proxies.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.proxies import Row, table
from benchmarks.reverse_proxies import ReverseProxy, nginx_configuration, running
from tests.fixtures.process import Service, serve
from tests.service.client import (
    GONE_SECONDS,
    PATIENCE,
    assert_problem,
    backends,
    call,
    create,
    job,
    kill_backends,
    wait_for,
    wait_for_status,
)

DEPLOYED = Path(__file__).parents[2] / "deploy" / "compose" / "nginx.conf"
SLOWLY = ["--limit-rate", "2M"]


@contextmanager
def nginx(service: Service, folder: Path, directives: str) -> Iterator[str]:
    """An nginx with one location; gives its URL."""

    def configure(port: int, upstream: int, place: Path) -> tuple[str, list[str]]:
        server = f"server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream}; {directives} }} }}"
        return nginx_configuration(place, server), [
            "-p",
            str(place),
            "-e",
            f"{place}/error.log",
            "-c",
            "{configuration}",
        ]

    with running(ReverseProxy("nginx", "nginx", configure), service.port, folder) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def deployed_nginx(services: list[Service], folder: Path) -> Iterator[str]:
    """An nginx with the file of the compose deployment, whose replicas are these services."""

    def configure(port: int, _: int, place: Path) -> tuple[str, list[str]]:
        text = DEPLOYED.read_text()
        names = re.findall(r"server (polyglot-\w+:8080)", text)
        assert len(names) == len(services) == 2
        for name, service in zip(names, services, strict=True):
            text = text.replace(name, f"127.0.0.1:{service.port}")
        assert text.count("listen 8080;") == 1
        text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
        return nginx_configuration(place, text), ["-p", str(place), "-e", f"{place}/error.log", "-c", "{configuration}"]

    with running(ReverseProxy("nginx", "nginx", configure), 0, folder) as port:
        yield f"http://127.0.0.1:{port}"


def start_curl(url: str, export_id: str, target: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["curl", "-sS", "-o", str(target), *options, f"{url}/exports/{export_id}/download"], stderr=subprocess.PIPE
    )


@pytest.mark.parametrize(
    "directives", ["proxy_buffering off;", "proxy_ignore_headers X-Accel-Buffering;"], ids=["buffering off", "on"]
)
def test_a_client_that_vanishes_behind_nginx_ends_its_queries(
    records: str, throttled: Service, tmp_path: Path, directives: str
) -> None:
    export_id = create(throttled)
    with nginx(throttled, tmp_path, f"proxy_http_version 1.1; {directives}") as url:
        with start_curl(url, export_id, tmp_path / "file", *SLOWLY) as curl:
            wait_for(lambda: job(throttled, export_id)["bytes"] > 1 << 20)
            assert backends(records, export_id)
            curl.kill()
        assert wait_for(lambda: not backends(records, export_id)) < GONE_SECONDS
        assert wait_for_status(throttled, export_id, "cancelled")["error"]["code"] == "client-gone"


@pytest.fixture
def pair(records: str) -> Iterator[list[Service]]:
    """Two services of their own, behind one proxy."""
    with serve(records, workers=1, rate_limit="8MB") as one, serve(records, workers=1) as two:
        yield [one, two]


def test_the_deployed_nginx_keeps_streams_whole_or_visibly_cut(
    records: str, pair: list[Service], tmp_path: Path
) -> None:
    one, two = pair
    small = [create(service, dataset="small") for service in pair]
    large = create(one)
    with deployed_nginx(pair, tmp_path) as url:
        # Each job is known to one of them only, as they share no store here; nginx takes turns.
        answers = [call(url, f"/exports/{small[0]}/download") for _ in range(4)]
        assert {answer.status for answer in answers} == {200, 404}
        whole = next(answer for answer in answers if answer.status == 200)
        assert whole.body == call(one, f"/exports/{small[0]}/download").body
        wait_for(lambda: call(url, f"/exports/{small[1]}").status == 200)
        refused = wait_for_refusal(url, small[0], tmp_path)
        assert "426" in refused
        two.process.terminate()
        two.process.wait(timeout=PATIENCE)
        # One replica is gone: nobody notices.
        assert {call(url, f"/exports/{small[0]}/download").status for _ in range(4)} == {200}
        with start_curl(url, large, tmp_path / "file", *SLOWLY) as curl:
            wait_for(lambda: job(one, large)["bytes"] > 1 << 20)
            assert kill_backends(records, large)
            curl.communicate(timeout=60)
        assert curl.returncode in (18, 56)
        assert wait_for_status(one, large, "failed")["error"]["code"] == "database-lost"
        one.process.kill()
        one.process.wait(timeout=PATIENCE)
        assert call(url, "/health/ready").status == 502


def wait_for_refusal(url: str, export_id: str, folder: Path) -> str:
    """The statuses that an HTTP/1.0 client gets: nginx tells the version in ``Via``."""
    statuses = ""
    for _ in range(4):
        command = [
            "curl",
            "-s",
            "--http1.0",
            "-o",
            str(folder / "old"),
            "-w",
            "%{http_code} ",
            f"{url}/exports/{export_id}/download",
        ]
        statuses += subprocess.run(command, capture_output=True, check=True, text=True).stdout
    assert "200" not in statuses
    return statuses


@pytest.mark.parametrize(
    ("via", "status"), [("HTTP/1.0 nginx", 426), ("1.1 a, 1.0 b (old)", 426), ("1.1 a, 2.0 b", 200), ("1.1 1.0", 200)]
)
def test_a_hop_over_http_1_0_is_refused(service: Service, via: str, status: int) -> None:
    """RFC 9110, section 7.6.3: there a cut could look complete, whatever the last proxy speaks to us."""
    answer = call(service, f"/exports/{create(service, dataset='small')}/download", headers={"Via": via})
    if status == 426:
        assert_problem(answer, 426, "upgrade-required", "HTTP/1.0")
    else:
        assert answer.status == status


@pytest.mark.parametrize("version", ["--http1.0", "--http1.1"])
def test_a_prepared_file_is_whole_behind_any_nginx(throttled: Service, tmp_path: Path, version: str) -> None:
    export_id = create(throttled, dataset="small", delivery="file")
    state = wait_for_status(throttled, export_id, "completed")
    with nginx(throttled, tmp_path, "") as url:
        with start_curl(url, export_id, tmp_path / "file", version) as curl:
            curl.communicate(timeout=60)
        assert curl.returncode == 0
        content = (tmp_path / "file").read_bytes()
        assert hashlib.sha256(content).hexdigest() == state["file"]["sha256"]
        (tmp_path / "file").write_bytes(content[:10])
        with start_curl(url, export_id, tmp_path / "file", version, "-C", "-") as curl:
            curl.communicate(timeout=60)
        assert (curl.returncode, (tmp_path / "file").read_bytes()) == (0, content)


def test_the_table_of_the_guide_is_that_of_the_script() -> None:
    head = table([Row("a", "b", "c", "d", "e", "f")]).splitlines()
    guide = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert head[2] == "| a | b | c | d | e | f |"
    assert "\n".join(head[:2]) in guide
