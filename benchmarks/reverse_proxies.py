"""Real reverse proxies in front of a service: nginx, haproxy, caddy and Apache, each with settings that people use.

Each one is a program of Debian, started with a configuration of its own in a temporary folder, and stopped at the end.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PACKAGES", "PROXIES", "ReverseProxy", "free_port", "missing", "nginx_configuration", "running"]

READY_SECONDS = 20.0
"""Limit of a start; it takes some milliseconds."""
PACKAGES = {"nginx": "nginx-light", "haproxy": "haproxy", "caddy": "caddy", "apache2": "apache2"}
"""The Debian package of each program."""
_APACHE_MODULES = Path("/usr/lib/apache2/modules")

Configure = Callable[[int, int, Path], tuple[str, list[str]]]
"""From the proxy's port, the service's port and a folder: the text of the configuration, and the arguments behind its
path."""


@dataclass(frozen=True)
class ReverseProxy:
    """One program with one set of settings.

    Attributes:
        name: For the reader: program and what is special.
        program: The command.
        configure: Makes the configuration.
    """

    name: str
    program: str
    configure: Configure

    @property
    def path(self) -> str | None:
        """Where the program is; ``None`` when it is not installed."""
        return shutil.which(self.program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def missing() -> list[str]:
    """The Debian packages of the programs that are not there."""
    return sorted({PACKAGES[proxy.program] for proxy in PROXIES if proxy.path is None})


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(proxy: ReverseProxy, upstream: int, folder: Path) -> Iterator[int]:
    """Run a proxy in front of a port of 127.0.0.1; gives the proxy's port.

    Args:
        proxy: What to run; it must be installed.
        upstream: The service's port.
        folder: An empty one, for its configuration, log and temporary files.

    Raises:
        RuntimeError: It is not installed, or did not start; its output is in the message.
    """
    if proxy.path is None:
        raise RuntimeError(f"{proxy.program} is not installed; on Debian: apt-get install {PACKAGES[proxy.program]}")
    port = free_port()
    text, arguments = proxy.configure(port, upstream, folder)
    configuration = folder / "configuration"
    configuration.write_text(text)
    output = folder / "output"
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [proxy.path, *(argument.replace("{configuration}", str(configuration)) for argument in arguments)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
            cwd=folder,
        )
    try:
        _wait_for(port, process, output)
        yield port
    finally:
        # Apache's workers end with their parent at SIGTERM, and so do nginx' and haproxy's.
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def nginx_configuration(folder: Path, server: str) -> str:
    """A whole configuration around the directives of the ``http`` block, with every path in a folder."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"  {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    return (
        f"daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log info;\n"
        f"events {{}}\nhttp {{\n  access_log off;\n{paths}{server}\n}}\n"
    )


def _nginx(directives: str) -> Configure:
    def configure(port: int, upstream: int, folder: Path) -> tuple[str, list[str]]:
        location = f"location / {{ proxy_pass http://127.0.0.1:{upstream}; {directives} }}"
        server = f"  server {{ listen 127.0.0.1:{port}; {location} }}"
        return nginx_configuration(folder, server), [
            "-p",
            str(folder),
            "-e",
            f"{folder}/error.log",
            "-c",
            "{configuration}",
        ]

    return configure


def _haproxy(more: str) -> Configure:
    def configure(port: int, upstream: int, _: Path) -> tuple[str, list[str]]:
        text = (
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"frontend web\n  bind 127.0.0.1:{port}\n  default_backend export\n"
            f"backend export\n  {more}\n  server one 127.0.0.1:{upstream}\n"
        )
        return text, ["-db", "-f", "{configuration}"]

    return configure


def _caddy(outside: str, inside: str) -> Configure:
    def configure(port: int, upstream: int, folder: Path) -> tuple[str, list[str]]:
        text = (
            f"{{\n  admin off\n  auto_https off\n  storage file_system {folder}\n}}\n"
            f"http://127.0.0.1:{port} {{\n  {outside}\n  reverse_proxy 127.0.0.1:{upstream} {{\n    {inside}\n  "
            f"}}\n}}\n"
        )
        return text, ["run", "--config", "{configuration}", "--adapter", "caddyfile"]

    return configure


def _apache(more: str) -> Configure:
    def configure(port: int, upstream: int, folder: Path) -> tuple[str, list[str]]:
        modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "deflate", "filter", "env", "setenvif"]
        loads = "".join(f"LoadModule {name}_module {_APACHE_MODULES}/mod_{name}.so\n" for name in modules)
        account = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
        text = (
            f"{loads}{account}ServerName 127.0.0.1\nListen 127.0.0.1:{port}\nPidFile {folder}/apache.pid\n"
            f"DefaultRuntimeDir {folder}\nErrorLog {folder}/error.log\nDocumentRoot {folder}\nProxyTimeout 3600\n"
            f"{more}\nProxyPass / http://127.0.0.1:{upstream}/\n"
        )
        return text, ["-X", "-d", str(folder), "-f", "{configuration}"]

    return configure


_11 = 'proxy_http_version 1.1; proxy_set_header Connection ""; '
_VIA = 'proxy_set_header Via "$server_protocol nginx"; '
_GZIP = "gzip on; gzip_types *; gzip_proxied any; "

PROXIES: tuple[ReverseProxy, ...] = (
    ReverseProxy("nginx, as delivered", "nginx", _nginx("")),
    ReverseProxy("nginx, `proxy_http_version 1.1`", "nginx", _nginx(_11)),
    ReverseProxy("nginx, 1.1, `Via` set", "nginx", _nginx(_11 + _VIA)),
    ReverseProxy("nginx, 1.1, `proxy_buffering off`", "nginx", _nginx(_11 + "proxy_buffering off;")),
    ReverseProxy("nginx, 1.1, buffering forced on", "nginx", _nginx(_11 + "proxy_ignore_headers X-Accel-Buffering;")),
    ReverseProxy(
        "nginx, 1.1, buffering forced on, `gzip`",
        "nginx",
        _nginx(_11 + "proxy_ignore_headers X-Accel-Buffering; " + _GZIP),
    ),
    ReverseProxy("haproxy, `mode http`", "haproxy", _haproxy("")),
    ReverseProxy(
        "haproxy, `compression algo gzip`", "haproxy", _haproxy("compression algo gzip\n  compression type text/csv")
    ),
    ReverseProxy("caddy, `reverse_proxy`", "caddy", _caddy("", "")),
    ReverseProxy("caddy, `Via` set", "caddy", _caddy("", 'header_up Via "{http.request.proto} caddy"')),
    ReverseProxy("caddy, `flush_interval -1`", "caddy", _caddy("", "flush_interval -1")),
    ReverseProxy(
        "caddy, `encode gzip`", "caddy", _caddy("encode gzip {\n    match header Content-Type text/csv*\n  }", "")
    ),
    ReverseProxy("Apache, `mod_proxy_http`", "apache2", _apache("")),
    ReverseProxy("Apache, `ProxyVia On`", "apache2", _apache("ProxyVia On")),
    ReverseProxy("Apache, `mod_deflate`", "apache2", _apache("SetOutputFilter DEFLATE")),
    ReverseProxy(
        "Apache, `force-proxy-request-1.0`",
        "apache2",
        _apache("SetEnv force-proxy-request-1.0 1\nSetEnv proxy-nokeepalive 1"),
    ),
)


def _wait_for(port: int, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)
    process.kill()
    process.wait()
    raise RuntimeError(f"the proxy did not start: {output.read_text(errors='replace')[-2000:]}")
