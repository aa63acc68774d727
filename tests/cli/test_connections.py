"""Which database is meant: named connections, libpq's service file, and nothing that was not asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.cli.helpers import complaint, succeeded
from tests.fixtures.process import Cli

QUERY = ("export", "--quiet", "--query", "SELECT current_database() AS name")
Write = Callable[..., dict[str, str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the connections; gives the variable that leads to them."""

    def written(text: str, mode: int = 0o600) -> dict[str, str]:
        file = tmp_path / "polyglot" / "connections.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        return {"XDG_CONFIG_HOME": str(tmp_path)}

    return written


def parts(dsn: str) -> dict[str, str]:
    return {name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(dsn).items()}


def as_table(dsn: str, **others: str) -> str:
    return "".join(f"{name} = '''{value}'''\n" for name, value in (parts(dsn) | others).items())


def test_a_connection_has_a_name(cli: Cli, dsn: str, write: Write) -> None:
    env = write(f'text = "{dsn}"\n[table]\n{as_table(dsn)}')
    expected = f"name\n{parts(dsn)['dbname']}\n".encode()
    for name in ("@text", "@table"):
        done = cli(*QUERY, "--dsn", name, env=env, dsn="host=/nowhere")
        assert succeeded(done) == expected
        assert done.stderr == b""
    assert succeeded(cli(*QUERY, dsn="@table", env=env)) == expected, "DATABASE_URL takes a name too"


def test_values_are_quoted_for_libpq(cli: Cli, dsn: str, write: Write) -> None:
    """A backslash and a quote in a value stay what they are."""
    env = write(f"[odd]\n{as_table(dsn, dbname=chr(92) + 'it' + chr(39) + 's x')}")
    assert r'database "\it' + "'s x" in complaint(cli(*QUERY, "-d", "@odd", env=env), 1)


def test_the_default_comes_last(cli: Cli, dsn: str, write: Write) -> None:
    env = write(f'default = "text"\ntext = "{dsn}"\n')
    assert succeeded(cli(*QUERY, env=env)).decode() == f"name\n{parts(dsn)['dbname']}\n"
    assert "/nowhere/" in complaint(cli(*QUERY, env=env, dsn="host=/nowhere"), 1)
    assert "/nowhere/" in complaint(cli(*QUERY, env={**env, "PGHOST": "/nowhere"}), 1)


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ('a = "x"\n[b]\n', "@c", "--dsn '@c': there is no connection of this name in "),
        ('a = "x"\n[b]\n', "@c", "; there are @a, @b"),
        ('default = "a"\na = ""\n', "@default", "there are @a"),
        ("a = 3\n", "@a", "--dsn '@a': must be a connection string in "),
        ("[a]\nhost = []\n", "@a", "must be a connection string in "),
        ("[a]\ncolour = 'red'\n", "@a", 'invalid connection option "colour"'),
        ("a = \n", "@a", "cannot be read: Invalid value"),
        ("default = 3\n", None, "default in "),
        ('default = "gone"\n', None, "'@gone': there is no connection of this name"),
    ],
)
def test_refused(cli: Cli, write: Write, text: str, name: str | None, reason: str) -> None:
    done = cli(*QUERY, *(() if name is None else ("--dsn", name)), env=write(text))
    assert reason in complaint(done, 1 if "colour" in text else 2)


def test_no_file(cli: Cli, tmp_path: Path) -> None:
    assert "there are none" in complaint(cli(*QUERY, "--dsn", "@a", env={"XDG_CONFIG_HOME": str(tmp_path)}), 2)


@pytest.mark.parametrize("form", ["text", "table"])
def test_passwords_that_others_can_read(cli: Cli, dsn: str, write: Write, form: str) -> None:
    with_password = f'text = "{dsn}"\n[table]\n{as_table(dsn)}' if form == "text" else f"[table]\n{as_table(dsn)}"
    done = cli(*QUERY, "--dsn", f"@{form}", env=write(with_password, 0o640))
    succeeded(done)
    assert done.stderr.decode().startswith("polyglot: warning: ")
    assert done.stderr.decode().endswith(
        "connections.toml has passwords and can be read by others; chmod 600 makes it yours alone\n"
    )


def test_others_may_read_what_is_no_secret(cli: Cli, dsn: str, write: Write) -> None:
    public = {name: value for name, value in parts(dsn).items() if name != "password"}
    text = "[a]\n" + "".join(f'{name} = "{value}"\n' for name, value in public.items())
    done = cli(*QUERY, "--dsn", "@a", env={**write(text, 0o644), "PGPASSWORD": parts(dsn)["password"]})
    succeeded(done)
    assert done.stderr == b""


def test_a_service_of_libpq(cli: Cli, dsn: str, tmp_path: Path) -> None:
    """For the leader and for the workers."""
    file = tmp_path / "services.conf"
    file.write_text("[shop]\n" + "".join(f"{name}={value}\n" for name, value in parts(dsn).items()))
    env = {"PGSERVICEFILE": str(file)}
    expected = f"name\n{parts(dsn)['dbname']}\n".encode()
    assert succeeded(cli(*QUERY, "--dsn", "service=shop", env=env)) == expected
    assert succeeded(cli(*QUERY, env={**env, "PGSERVICE": "shop"})) == expected


def test_a_file_of_variables_is_not_read(cli: Cli, dsn: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={dsn}\n")
    env = {"PGHOST": "/nowhere"}
    assert "/nowhere/" in complaint(cli(*QUERY, env=env, cwd=tmp_path), 1)


def test_other_commands_take_a_name(cli: Cli, dsn: str, conn: psycopg.Connection, write: Write, tmp_path: Path) -> None:
    conn.execute("CREATE TABLE t AS SELECT 1 AS id")
    env = write(f'shop = "{dsn}"\n')
    assert b"public.t" in succeeded(cli("datasets", "-d", "@shop", env=env))
    succeeded(cli("dump", "-d", "@shop", "-o", "set", "--quiet", env=env, cwd=tmp_path))
    succeeded(cli("verify", "set", "--against", "@shop", "--quiet", env=env, cwd=tmp_path))
    configuration = tmp_path / "p.toml"
    configuration.write_text('[datasets.t]\ntable = "public.t"\n')
    succeeded(cli("check", "-d", "@shop", "--config", str(configuration), env=env, cwd=tmp_path))
