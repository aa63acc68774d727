"""What is refused before anybody is served: a login that could do more than its role, and rights that mean nothing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.process import cli, serve
from tests.library.helpers import as_role, new_role
from tests.service.client import assert_problem, call, wait_for

KEY = new_key()


@pytest.fixture
def logins(dsn: str, conn: psycopg.Connection) -> Iterator[dict[str, str]]:
    """DSNs of logins that may become the role ``reader``."""
    with (
        new_role(conn, "reader") as reader,
        new_role(conn, "inheriting") as inheriting,
        new_role(conn, "bypassing", "NOINHERIT BYPASSRLS") as bypassing,
        new_role(conn, "gate", "NOINHERIT") as gate,
    ):
        conn.execute(f"CREATE TABLE things AS SELECT 1 AS id; GRANT SELECT ON things TO {reader}".encode())
        for each in (inheriting, bypassing, gate):
            conn.execute(f"GRANT {reader} TO {each}".encode())
        yield {
            "role": reader,
            "superuser": dsn,
            "inheriting": as_role(dsn, inheriting),
            "bypassing": as_role(dsn, bypassing),
            "gate": as_role(dsn, gate),
        }


def written(folder: Path, *lines: str) -> Path:
    config = folder / "polyglot.toml"
    key = f'[keys.ann]\nhash = "{hash_key(KEY)}"\n'
    config.write_text('[datasets.things]\ntable = "public.things"\n' + key + "\n".join(lines) + "\n")
    return config


@pytest.mark.parametrize(
    ("login", "reason"),
    [("superuser", "is a superuser"), ("inheriting", "inherits the rights of"), ("bypassing", "has BYPASSRLS")],
)
def test_a_login_that_could_do_more_than_its_role(
    logins: dict[str, str], tmp_path: Path, login: str, reason: str
) -> None:
    config = written(tmp_path, f'role = "{logins["role"]}"', 'database = "env:LOGIN"')
    env = {"HOST": "127.0.0.1", "PORT": "0", "POLYGLOT_CONFIG": str(config), "LOGIN": logins[login]}
    done = cli("serve", dsn=logins["gate"], env=env)
    assert done.returncode == 2, done
    (line,) = done.stderr.decode().splitlines()
    assert f"keys.ann.role: the role '{logins['role']}' cannot be set" in line
    assert reason in line
    assert "secret" not in line


def test_a_reload_is_refused_too(logins: dict[str, str], tmp_path: Path) -> None:
    config = written(tmp_path, f'role = "{logins["role"]}"')
    auth = {"Authorization": f"Bearer {KEY}"}
    with serve(logins["gate"], env={"LOGIN": logins["inheriting"]}, config=config) as service:
        assert [each["name"] for each in call(service, "/datasets", headers=auth).json()["datasets"]] == ["things"]
        wait_for(lambda: call(service, "/health/ready").status == 200)
        written(tmp_path, f'role = "{logins["role"]}"', 'database = "env:LOGIN"')
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "configuration not reloaded" in service.log())
        assert "inherits the rights of" in service.log()
        assert call(service, "/datasets", headers=auth).status == 200
        # A membership that is granted later is seen at the next use.
        with psycopg.connect(logins["superuser"], autocommit=True) as connection:
            connection.execute(f"ALTER ROLE {connection.info.dbname}_gate INHERIT".encode())
            if connection.info.server_version >= 160000:
                connection.execute(
                    f"GRANT {logins['role']} TO {connection.info.dbname}_gate WITH INHERIT TRUE".encode()
                )
        assert_problem(call(service, "/datasets", headers=auth), 500, "internal-error")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('database = "postgresql://ann:pa55@db/sales"', "keys.ann.database: must not have a password"),
        ('database = "host=db password=pa55"', "keys.ann.database: must not have a password"),
        ('database = "env:NOT_SET"', "keys.ann.database: the variable NOT_SET is not set"),
        ('database = "sales"', "keys.ann.database: cannot read the connection string"),
        ('mask.thing.id = "null"', "keys.ann.mask: there is no dataset 'thing'"),
        ('rows.things = "id = :id"', "keys.ann.rows.things.sql: names the parameter :id"),
        ('rows.things = ""', "keys.ann.rows.things.sql: must be a condition in SQL"),
    ],
)
def test_rights_that_mean_nothing(tmp_path: Path, line: str, complaint: str) -> None:
    config = written(tmp_path, line)
    done = cli("serve", env={"HOST": "127.0.0.1", "PORT": "0", "POLYGLOT_CONFIG": str(config)})
    assert done.returncode == 2, done
    (said,) = done.stderr.decode().splitlines()
    assert complaint in said
    assert "pa55" not in said


@pytest.mark.parametrize(
    "line",
    [
        'rows.things = "id = {claim.id}"',
        'rows.things = { sql = "id = 1 {claim.id}" }',
        'mask.things.id = "{claim.id}"',
        'database = "host=db user={claim.sub}"',
        'database = "{claim.database}"',
        'database = "env:{claim.database}"',
    ],
)
def test_a_claim_is_never_sql(tmp_path: Path, line: str) -> None:
    issuer = (
        f'[issuers.x]\nissuer = "https://x.example"\naudience = "exports"\njwks = "{tmp_path / "keys.json"}"\n{line}'
    )
    config = written(tmp_path, issuer)
    done = cli("serve", env={"HOST": "127.0.0.1", "PORT": "0", "POLYGLOT_CONFIG": str(config)})
    assert done.returncode == 2, done
    assert "must not have a claim in it" in done.stderr.decode()
