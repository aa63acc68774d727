"""The Dockerfile, as far as that can be told without Docker: its files, its user, its health check, its lock."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.certificates import Authority
from tests.fixtures.process import Service, cli, serve

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "Dockerfile").read_text()
JOINED = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", TEXT, flags=re.MULTILINE))
LAST = JOINED.rpartition("\nFROM ")[2]


def ignored(path: str) -> bool:
    """Whether the context leaves a path out: the last rule that fits it, or a folder above it, decides."""
    verdict = False
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        if rule and not rule.startswith("#"):
            pattern = rule.removeprefix("!")
            parts = path.split("/")
            above = ["/".join(parts[: n + 1]) for n in range(len(parts))] if "/" not in pattern else []
            deep = pattern.startswith("**/") and fnmatch.fnmatch(parts[-1], pattern.removeprefix("**/"))
            if deep or any(name.count("/") == pattern.count("/") and fnmatch.fnmatch(name, pattern) for name in above):
                verdict = not rule.startswith("!")
    return verdict


def test_what_is_copied_is_there_and_in_the_context() -> None:
    copied = [
        source for line in re.findall(r"^COPY (?!--from)(.+)$", JOINED, re.MULTILINE) for source in line.split()[:-1]
    ]
    assert len(copied) >= 9
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not ignored(source), source


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        ".venv/bin/python",
        "target/release",
        "polyglot.toml",
        ".env",
        "python/polyglot_export/_core.abi3.so",
    ],
)
def test_what_must_not_get_into_the_context(path: str) -> None:
    assert ignored(path)


def test_the_image_runs_without_rights_and_has_no_secret() -> None:
    assert re.search(r"^USER 10001:10001$", LAST, re.MULTILINE)
    assert not re.search(r"DATABASE_URL|PASSWORD|REDIS_URL", JOINED)
    assert "build-essential" not in LAST, "no compiler in the image"
    assert "compileall" in JOINED


def test_the_environment_is_what_the_service_takes() -> None:
    from polyglot_export.service.config.environment import ServiceSettings

    known = {str(info.validation_alias) for info in ServiceSettings.model_fields.values()}
    ours = set(re.findall(r"\b(POLYGLOT_\w+|HOST|PORT)=", LAST))
    assert {"HOST", "PORT", "POLYGLOT_CONFIG", "POLYGLOT_SPOOL_DIR", "POLYGLOT_LOG_FORMAT"} == ours
    assert ours <= known


def test_it_says_what_is_missing_when_it_is_run_bare(tmp_path: Path) -> None:
    """No keys, but every address: the sentence names what to add."""
    config = tmp_path / "polyglot.toml"
    config.write_text("")
    done = cli("serve", env={"HOST": "0.0.0.0", "PORT": "8080", "POLYGLOT_CONFIG": str(config)})
    assert done.returncode == 2
    assert b"no keys are configured" in done.stderr


def test_the_health_check_tells_alive_from_dead(service: Service) -> None:
    command = json.loads(re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", JOINED, re.MULTILINE)[0])
    assert command[0] == "python"
    codes = [
        subprocess.run(
            [sys.executable, *command[1:]],
            env={**os.environ, "PORT": port},
            capture_output=True,
            timeout=30,
            check=False,
        ).returncode
        for port in (str(service.port), "1")
    ]
    assert codes[0] == 0
    assert codes[1] != 0


def test_the_health_check_speaks_https_where_the_service_does(tmp_path: Path) -> None:
    """On the address of the machine itself, for which no certificate is."""
    command = json.loads(re.findall(r"^HEALTHCHECK .*?CMD (\[.*\])$", JOINED, re.MULTILINE)[0])
    authority = Authority(tmp_path)
    pair = authority.server()
    with serve("host=127.0.0.1 port=1", context=authority.context(), env=pair.env) as service:
        for env, code in ((pair.env, 0), ({}, 1)):
            done = subprocess.run(
                [sys.executable, *command[1:]],
                env={**os.environ, "PORT": str(service.port), **env},
                capture_output=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == code, done.stderr


def test_the_tools_of_the_build_come_from_the_lock(tmp_path: Path) -> None:
    command = re.findall(r"^RUN (sed .*?) +&& pip install --require-hashes", JOINED, re.MULTILINE)[0]
    made = command.replace("maturin.txt", str(tmp_path / "maturin.txt"))
    subprocess.run(["sh", "-c", made], cwd=ROOT, check=True)
    lines = (tmp_path / "maturin.txt").read_text().splitlines()
    assert lines[0].startswith("maturin==")
    assert len(lines) > 5
    assert all("--hash=sha256:" in line for line in lines[1:])
    assert not lines[-1].endswith("\\")


def test_the_lock_of_the_image_has_everything_that_the_service_imports() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert {"fastapi", "uvicorn", "uvloop", "httptools", "psycopg-binary", "prometheus-client", "redis"} <= locked
