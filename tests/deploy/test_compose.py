"""The compose file and what lies beside it fit each other and the service."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from polyglot_export.access.keys import hash_key
from polyglot_export.service.config.environment import ServiceSettings, parse_size
from polyglot_export.service.config.file import load_configuration
from tests.fixtures.process import serve
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
    variables = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name
    ]
    assert variables
    assert all(value.startswith("${") and ":?" in value for value in variables), (
        "a forgotten one is told before anything starts"
    )


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
    assert subprocess.run(["sh", "-n", str(FOLDER / "database.sh")], check=False).returncode == 0
