"""docs/howto/identity.md: every step as its reader takes it, with the blocks of the page."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.issuer import AUDIENCE, ISSUER, TestIssuer, test_issuer
from tests.fixtures.process import Service, cli, serve
from tests.service.audited import lines
from tests.service.client import Answer, assert_problem, call, wait_for

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "identity.md").read_text()
STEPS = [
    (int(number), language, block)
    for number, part in re.findall(r"(?ms)^## (\d)\. .*?\n(.*?)(?=^## |\Z)", f"## 0. Before\n{PAGE}")
    for language, block in re.findall(r"(?s)<!-- step \w+ -->\n```(\w+)\n(.*?)```", part)
]
KEYS = {name: new_key() for name in ("SHARED", "SUPPORT", "FINANCE", "ACME", "GLOBEX", "ACMEOWN")}
LOGINS = ("reader", "exports", "acme_login")


def toml(upto: int, issuer: TestIssuer) -> str:
    text = "\n".join(block for number, language, block in STEPS if language == "toml" and number <= upto)
    for name, key in KEYS.items():
        text = text.replace(f'"{name}"', f'"{hash_key(key)}"')
    for name, value in {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "JWKS": issuer.url}.items():
        text = text.replace(f'"{name}"', f'"{value}"')
    return text


@pytest.fixture
def conn(dsn: str) -> Iterator[psycopg.Connection]:
    """A superuser's session; the logins of the page belong to the server and are dropped behind the database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection
        connection.execute("DROP TABLE orders")
        for login in reversed(LOGINS):
            connection.execute(f"DROP OWNED BY {login}; DROP ROLE {login}".encode())


def take(conn: psycopg.Connection, step: int) -> None:
    for number, language, block in STEPS:
        if number == step and language == "sql":
            conn.execute(block.encode())


def read(service: Service, key: str, query: str = "") -> Answer:
    return call(service, f"/datasets/orders.csv{query}", headers={"Authorization": f"Bearer {key}"})


def ids(answer: Answer) -> list[int]:
    assert answer.status == 200, answer
    return [int(line.split(",")[0]) for line in answer.body.decode().splitlines()[1:]]


def test_every_step(dsn: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    config, log = tmp_path / "polyglot.toml", tmp_path / "audit.log"
    assert [number for number, language, _ in STEPS if language == "toml"] == [1, 2, 3, 4, 5]
    with test_issuer() as issuer:
        take(conn, 0)
        config.write_text(toml(1, issuer))
        with serve(dsn, config=config) as service:
            assert ids(read(service, KEYS["SHARED"])) == [1, 2, 3, 4]
            assert_problem(read(service, KEYS["SUPPORT"]), 401, "unauthorized")
            config.write_text(toml(2, issuer))
            service.process.send_signal(signal.SIGHUP)
            wait_for(lambda: read(service, KEYS["SUPPORT"]).status == 200)
            assert read(service, KEYS["SUPPORT"]).body.decode().splitlines()[:2] == ["id,email", "1,a…@acme.example"]
            finance = read(service, KEYS["FINANCE"])
            assert finance.body == b"id,tenant,total\n1,acme,10.50\n2,globex,20\n3,acme,30\n4,globex,40\n"
            assert_problem(read(service, KEYS["FINANCE"], "?where=email='x'"), 400, "bad-request", "email")
        for step in (3, 4):
            take(conn, step)
        config.write_text(toml(5, issuer))
        exports = conninfo.make_conninfo(dsn, user="exports", password="change me")
        acme = conninfo.make_conninfo(dsn, user="acme_login", password="another one")
        with serve(exports, config=config, audit_log=log, env={"ACME_DSN": acme}) as service:
            assert ids(read(service, KEYS["ACME"])) == [1, 3]
            assert ids(read(service, KEYS["GLOBEX"])) == [2, 4]
            assert ids(read(service, KEYS["ACMEOWN"])) == [1, 3]
            # As the page says: they have no role.
            assert read(service, KEYS["SHARED"]).status in (403, 404)
            token = issuer.token(sub="ann", tenant="globex")
            assert ids(read(service, token)) == [2, 4]
            assert_problem(read(service, issuer.token(tenant="globex", aud="other")), 401, "unauthorized")
            shown = call(service, "/caller", headers={"Authorization": f"Bearer {token}"}).json()
            assert (shown["name"], shown["limits"]["exports"]) == ("company:ann", 2)
            ended = [line for line in lines(log) if line["event"] == "run.ended"]
            assert [(line["caller"], line["rows"]) for line in ended[:2]] == [("acme", 2), ("globex", 2)]
            done = cli("keys", "expire", "acme", "--config", str(config))
            assert done.returncode == 0, done.stderr
            service.process.send_signal(signal.SIGHUP)
            wait_for(lambda: read(service, KEYS["ACME"]).status == 401)
            assert ids(read(service, KEYS["GLOBEX"])) == [2, 4]
