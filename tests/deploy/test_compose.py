"""The compose file and what lies beside it fit each other and the service."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
import yaml
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from polyglot_export.access.keys import hash_key
from polyglot_export.service.config.environment import ServiceSettings, parse_size
from polyglot_export.service.config.file import load_configuration
from tests.fixtures.process import free_port, serve
from tests.fixtures.server import Database
from tests.service.client import call, post

FOLDER = Path(__file__).parents[2] / "deploy" / "compose"
KNOWN = {str(info.validation_alias) for info in ServiceSettings.model_fields.values()}
REPLICAS = ("polyglot-1", "polyglot-2")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    document = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    found: dict[str, Any] = document["services"]
    return found


def test_the_replicas_are_alike_and_limited(services: dict[str, Any]) -> None:
    one, two = (services[name] for name in REPLICAS)
    assert one == two
    assert parse_size(one["mem_limit"]) == parse_size(one["memswap_limit"]) == 256 << 20
    assert set(one["environment"]) <= KNOWN
    seconds = float(one["environment"]["POLYGLOT_SHUTDOWN_GRACE"])
    assert float(one["stop_grace_period"].removesuffix("s")) >= seconds + 10
    assert "spool:/var/spool/polyglot" in one["volumes"]


def test_no_password_is_written_down(services: dict[str, Any]) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    for secret in re.findall(r"://[^:@/\s]*:([^@\s]+)@", text):
        assert secret.startswith("${")
        assert ":?" in secret, "a forgotten one is told before anything starts"
    given = yaml.safe_load(text)["secrets"]
    assert {name: source["environment"] for name, source in given.items()} == {
        "postgres_password": "POSTGRES_PASSWORD",
        "reader_password": "READER_PASSWORD",
        "redis_password": "REDIS_PASSWORD",
    }
    used = {name for service in services.values() for name in service.get("secrets", [])}
    assert used == set(given)
    files = set(re.findall(r"/run/secrets/(\w+)", text + "".join(path.read_text() for path in FOLDER.glob("*.sh"))))
    assert files == used


def test_redis_has_its_password_and_no_argument_shows_it(tmp_path: Path) -> None:
    """The script of the container with a redis-server of this machine; the entry point of the image only starts it."""
    secret = tmp_path / "redis_password"
    secret.write_text("s3cret")
    entry = tmp_path / "docker-entrypoint.sh"
    entry.write_text('#!/bin/sh\nexec "$@" --bind 127.0.0.1 --port "$TEST_PORT" --dir "$TEST_DIR"\n')
    entry.chmod(0o755)
    script = (FOLDER / "redis.sh").read_text().replace("/run/secrets/redis_password", str(secret))
    port = free_port()
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TEST_PORT": str(port), "TEST_DIR": str(tmp_path)}
    process = subprocess.Popen(["sh", "-c", script], env=environment, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, password="s3cret", retry=Retry(ConstantBackoff(0.1), 100)) as client:
            client.ping()
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
        shown = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert b"redis-server" in shown
        assert b"s3cret" not in shown
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_the_login_gets_the_password_of_its_file(server: Database, tmp_path: Path) -> None:
    """By the psql command of the script, with a role that only says what it was given."""
    secret = tmp_path / "reader_password"
    secret.write_text("s3cret'quoted\n")
    script = (FOLDER / "database.sh").read_text()
    line = next(line for line in script.splitlines() if line.startswith("\\set password "))
    assert not re.search(r"PASSWORD", re.sub(r"ROLE polyglot LOGIN PASSWORD", "", script)), "no variable in a command"
    with server.database() as dsn:
        said = subprocess.run(
            ["psql", "--no-psqlrc", "-At", dsn],
            input=line.replace("/run/secrets/reader_password", str(secret)) + "\nSELECT :'password';\n",
            capture_output=True,
            text=True,
            check=True,
        )
    assert said.stdout == "s3cret'quoted\n"


def test_what_is_mounted_is_there(services: dict[str, Any]) -> None:
    named = set(yaml.safe_load((FOLDER / "compose.yaml").read_text())["volumes"])
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in named or (FOLDER / source).is_file(), volume
    build = services["polyglot-1"]["build"]
    assert (FOLDER / build["context"] / build["dockerfile"]).is_file()


def test_nginx_names_the_replicas(services: dict[str, Any]) -> None:
    upstream = re.findall(r"server (\S+):8080", (FOLDER / "nginx.conf").read_text())
    assert upstream == list(REPLICAS)
    assert set(upstream) <= set(services)


def test_the_connections_of_the_replicas_fit_the_login(services: dict[str, Any]) -> None:
    limit = int(re.findall(r"CONNECTION LIMIT (\d+)", (FOLDER / "database.sh").read_text())[0])
    workers = int(services["polyglot-1"]["environment"]["POLYGLOT_MAX_CONNECTIONS"])
    # Each export has a leader beside at least one worker; four questions at a time go to the catalogue.
    assert limit >= len(REPLICAS) * (2 * workers + 4)


def test_the_database_and_the_configuration_work_together(server: Database, tmp_path: Path) -> None:
    """The script of the image, on a real server; the role and the database have other names here, as the server is
    shared.
    """
    script = (FOLDER / "database.sh").read_text()
    sql = re.findall(r"<<'END'\n(.*?)^END$", script, re.MULTILINE | re.DOTALL)[0]
    name = f"reader_{tmp_path.name.replace('-', '_')}"[:60]
    with server.database() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            database = connection.info.dbname
            sql = "".join(line for line in sql.splitlines(keepends=True) if not line.startswith("\\set "))
            sql = sql.replace(":'password'", "'secret'").replace("ON DATABASE polyglot", f'ON DATABASE "{database}"')
            sql = sql.replace("ROLE polyglot", f"ROLE {name}").replace("TO polyglot", f"TO {name}")
            connection.execute(sql)
        try:
            config = tmp_path / "polyglot.toml"
            config.write_text((FOLDER / "polyglot.toml").read_text() + f'\n[keys.test]\nhash = "{hash_key("a-key")}"\n')
            assert load_configuration(config).keys
            reader = psycopg.conninfo.make_conninfo(dsn, user=name, password="secret")
            with serve(reader, config=config) as service:
                headers = {"Authorization": "Bearer a-key"}
                export = post(service, {"format": "csv"}, headers=headers).json()["exportId"]
                assert call(service, f"/exports/{export}/download", headers=headers).body.count(b"\n") == 1001
            with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE TABLE mine (id int)")
        finally:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_the_keys_command_is_the_one_that_the_head_of_the_file_names() -> None:
    head = (FOLDER / "compose.yaml").read_text().split("name: polyglot", 1)[0]
    assert "keys reports >> polyglot.toml" in head
