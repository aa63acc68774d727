"""``polyglot check`` finds what is wrong with a configuration, a line each, before a client does."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from polyglot_export.access.keys import hash_key
from tests.cli.helpers import complaint
from tests.fixtures.process import cli, free_port
from tests.fixtures.redis import RedisServer
from tests.library.helpers import as_role, new_role

RIGHT = f"""
[datasets.items]
table = "public.items"
columns = ["id", "name"]
[datasets.sums]
query = "select count(*) as n, sum(id) as total from items"
[keys.reports]
hash = "{hash_key("x")}"
columns = {{ items = ["id"] }}
"""

WRONG = [
    ("[datasets.a]\ntable = 'public.nowhere'", "problem  dataset a: table 'public.nowhere': "),
    (
        "[datasets.a]\ntable = 'items'\ncolumns = ['id', 'nmae']",
        "problem  dataset a: there is no column 'nmae'; there are id, name",
    ),
    ("[datasets.a]\nquery = 'select * frm items'", "problem  dataset a: query: syntax error"),
    ("[datasets.a]\nquery = 'select nmae from items'", 'problem  dataset a: query: column "nmae" does not exist'),
    ("[datasets.a]\nquery = 'delete from items'", "problem  dataset a: query: "),
    (
        "[datasets.a]\nquery = 'select 1 as x'\ncolumns = ['y']",
        "problem  dataset a: there is no column 'y'; there are x",
    ),
    (
        f"[datasets.a]\ntable = 'items'\n[keys.k]\nhash = '{hash_key('x')}'\ncolumns = {{ a = ['nmae'] }}",
        "problem  key k: of dataset 'a' it names the column 'nmae', which does not exist; there are id, name",
    ),
]


@pytest.fixture
def items(dsn: str, conn: psycopg.Connection) -> str:
    conn.execute("CREATE TABLE items AS SELECT 1 AS id, 'one'::text AS name")
    return dsn


def check(dsn: str | None, config: Path | None = None, **env: str) -> tuple[int, list[str]]:
    """The exit code and the lines."""
    arguments = () if config is None else ("--config", str(config))
    variables = {name: value for name, value in env.items() if name.isupper()}
    done = cli("check", *arguments, dsn=dsn, env=variables, cwd=config.parent if config is not None else Path("/"))
    assert done.stderr == b"", done.stderr
    return done.returncode, done.stdout.decode().splitlines()


def test_what_is_right(items: str, tmp_path: Path) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(RIGHT)
    code, lines = check(items, config)
    assert code == 0, lines
    assert [line.partition(":")[0] for line in lines] == [
        "ok       configuration",
        "ok       spool",
        "ok       job store",
        "ok       memory",
        "ok       database",
        "ok       dataset items",
        "ok       dataset sums",
        "ok       key reports",
    ]
    assert lines[5].endswith("table with 2 columns")


@pytest.mark.parametrize(("text", "line"), WRONG)
def test_what_is_wrong(items: str, tmp_path: Path, text: str, line: str) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(f"{text}\n[datasets.right]\ntable = 'items'\n")
    code, lines = check(items, config)
    problems = [each for each in lines if each.startswith("problem")]
    assert code == 1
    assert len(problems) == 1, lines
    assert problems[0].startswith(line)
    assert "ok       dataset right: table with 2 columns" in lines


def test_rights_that_are_missing(items: str, conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute("CREATE FUNCTION closed() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE ALL ON items FROM PUBLIC")
    config = tmp_path / "polyglot.toml"
    config.write_text("[datasets.a]\ntable = 'items'\n[datasets.b]\nquery = 'select * from items'\n")
    with new_role(conn, "poor") as role:
        code, lines = check(as_role(items, role), config)
    assert code == 1
    assert [line.split(":")[0] for line in lines if line.startswith("problem")] == [
        "problem  dataset a",
        "problem  dataset b",
    ]


def test_settings(items: str, tmp_path: Path, redis_server: RedisServer) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(RIGHT)
    (tmp_path / "file").touch()
    for variables, start in (
        ({"POLYGLOT_MEMORY_LIMIT": "50MB"}, "problem  memory: no export fits"),
        (
            {"POLYGLOT_DEFAULT_DATASET": "nope"},
            "problem  default dataset nope: there is no such dataset; configured are items, sums",
        ),
        ({"POLYGLOT_SPOOL_DIR": str(tmp_path / "file")}, "problem  spool: "),
        ({"POLYGLOT_REDIS_URL": f"redis://127.0.0.1:{free_port()}"}, "problem  job store: "),
    ):
        code, lines = check(items, config, **variables)
        assert code == 1
        assert any(line.startswith(start) for line in lines), (start, lines)
    assert check(items, config, POLYGLOT_REDIS_URL=redis_server.url)[0] == 0
    assert (tmp_path / "file").read_bytes() == b""


def test_no_database() -> None:
    code, lines = check(f"host=127.0.0.1 port={free_port()}", None)
    assert code == 1
    assert lines[-1].startswith("problem  database: cannot connect")


def test_what_cannot_be_read(items: str, tmp_path: Path) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text("[datasets.a]\ntabel = 'x'")
    assert "unknown member 'tabel'" in complaint(cli("check", "--config", str(config), dsn=items), 2)
    assert "PORT" in complaint(cli("check", dsn=items, env={"PORT": "http"}), 2)
