"""Role and settings of a caller are in force wherever something is looked up or read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export import AccessDenied, SpecError, UnknownDataset, adump, aexport, dump, explain, export_to_file
from tests.library.helpers import as_role, copied, exported, filled, new_role

TENANTS = (
    "CREATE TABLE guarded (id int, tenant int, pad text);"
    "INSERT INTO guarded SELECT g, g % 4, repeat('x', 400) FROM generate_series(1, 9000) AS g;"
    "CREATE FUNCTION tenant() RETURNS int STABLE LANGUAGE sql AS $$SELECT current_setting('app.tenant')::int$$;"
)
"""A function keeps a policy from being seen through by a planner that finds rows otherwise."""


@pytest.fixture
def role(conn: psycopg.Connection) -> Iterator[str]:
    """A role that sees a tenant's rows, and nothing without a tenant."""
    with new_role(conn, "reader") as name:
        conn.execute(
            f"{TENANTS} GRANT SELECT ON guarded TO {name}; ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own ON guarded TO {name} USING (tenant = tenant())".encode()
        )
        yield name


@pytest.mark.parametrize("names", [("app.tenant", "App.Tenant"), ("work_mem", "WORK_MEM")])
def test_one_setting_under_two_names(dsn: str, conn: psycopg.Connection, names: tuple[str, str]) -> None:
    """To the server they are one, of which the last value would hold."""
    for name, value in zip(names, ("7MB", "9MB"), strict=True):
        conn.execute(f"SET {name} = '{value}'".encode())
    assert conn.execute(f"SHOW {names[0]}".encode()).fetchone() == ("9MB",)
    with pytest.raises(SpecError, match=f"^settings: '{names[0]}' and '{names[1]}' are one setting to PostgreSQL"):
        exported(dsn, "anything", settings=dict.fromkeys(names, "7MB"))


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_a_policy_reads_the_setting_in_every_worker(
    dsn: str, conn: psycopg.Connection, role: str, workers: int
) -> None:
    for tenant in (0, 3):
        got = exported(dsn, "guarded", role=role, settings={"app.tenant": tenant}, workers=workers)
        assert got == copied(conn, f"SELECT * FROM guarded WHERE tenant = {tenant}")


def test_the_look_up_is_the_role_s(dsn: str, conn: psycopg.Connection, role: str) -> None:
    """Its own schema comes first in the search path, and it may not see what the login may."""
    conn.execute(f"CREATE SCHEMA {role}; CREATE TABLE {role}.own AS SELECT 'its own' AS x".encode())
    conn.execute(b"CREATE TABLE own AS SELECT 'public' AS x; CREATE TABLE hidden (x int)")
    conn.execute(f"GRANT USAGE ON SCHEMA {role} TO {role}; GRANT SELECT ON {role}.own TO {role}".encode())
    try:
        assert exported(dsn, "own", role=role) == b"x\nits own\n"
        with pytest.raises(AccessDenied, match="hidden"):
            exported(dsn, "hidden", role=role)
    finally:
        conn.execute(f"DROP SCHEMA {role} CASCADE".encode())


def test_everywhere(dsn: str, conn: psycopg.Connection, role: str, tmp_path: Path) -> None:
    expected = copied(conn, "SELECT * FROM guarded WHERE tenant = 2")
    what: dict[str, Any] = {"role": role, "settings": {"app.tenant": 2}}
    export_to_file(dsn, "guarded", tmp_path / "one.csv", **what)
    assert (tmp_path / "one.csv").read_bytes() == expected

    async def together() -> bytes:
        await adump(dsn, tmp_path / "async", tables="guarded", format="csv", **what)
        async with aexport(dsn, "guarded", **what) as chunks:
            return b"".join([chunk async for chunk in chunks])

    assert asyncio.run(together()) == expected
    dump(dsn, tmp_path / "set", tables="guarded", format="csv", **what)
    for name in ("set", "async"):
        (file,) = (tmp_path / name).rglob("*.csv")
        assert file.read_bytes() == expected
    assert explain(dsn, "guarded", **what).notes == ("one segment: row-level security is active on it",)


def test_a_login_may_become_only_roles_that_it_is_a_member_of(dsn: str, conn: psycopg.Connection, role: str) -> None:
    with pytest.raises(SpecError, match=r'^role: role "no such \\"role" does not exist$') as unknown:
        exported(dsn, "guarded", role='no such \\"role')
    assert unknown.value.field == "role"
    with new_role(conn, "stranger") as stranger:
        with pytest.raises(AccessDenied, match="permission denied to set role") as denied:
            exported(as_role(dsn, stranger), "guarded", role=role)
        assert denied.value.field == "role"
        conn.execute(f"GRANT {role} TO {stranger}".encode())
        got = exported(as_role(dsn, stranger), "guarded", role=role, settings={"app.tenant": 1})
        assert got == copied(conn, "SELECT * FROM guarded WHERE tenant = 1")


@pytest.mark.parametrize("role", ["", "none", "x" * 64, "a\0b", 3])
def test_what_is_no_role(dsn: str, role: Any) -> None:
    with pytest.raises(SpecError, match=r"^role: must ") as wrong:
        exported(dsn, "anything", role=role)
    assert wrong.value.field == "role"


@pytest.mark.parametrize(
    "name",
    [
        "DateStyle", "search_path", "role", "session_authorization", "statement_timeout", "row_security",
        "default_transaction_read_only", "transaction_isolation", "client_encoding", "TimeZone", "app tenant",
        "app.", ".tenant", "app..tenant", "app.tenant = 3; SET x.y", 'app."x', "", 3,
    ],
)  # fmt: skip
def test_settings_that_would_undo_ours(dsn: str, name: Any) -> None:
    with pytest.raises(SpecError, match=r"cannot be set for an export; allowed are .*app\.tenant"):
        exported(dsn, "anything", settings={name: "x"})


@pytest.mark.parametrize("value", [None, ["a"], "a\0b", "\ud800"])
def test_values_that_are_none(dsn: str, value: Any) -> None:
    with pytest.raises(SpecError, match="must be") as wrong:
        exported(dsn, "anything", settings={"app.tenant": value})
    assert wrong.value.field == "settings.app.tenant"


def test_what_is_no_mapping(dsn: str) -> None:
    with pytest.raises(SpecError, match=r"^settings: must be a mapping"):
        exported(dsn, "anything", settings="app.tenant=3")


@pytest.mark.parametrize("value", ["it's", 'a "b" \\ c', "'; DROP TABLE x; --", "", "näme", True, 3.5, 7])
def test_a_value_arrives_as_it_is(dsn: str, value: Any) -> None:
    got = exported(dsn, query="SELECT current_setting('App.Some_value$') AS v", settings={"app.some_value$": value})
    expected = str(value).lower() if isinstance(value, bool) else str(value)
    with psycopg.connect(dsn) as conn:
        assert got == copied(conn, f"SELECT {psycopg.sql.Literal(expected).as_string(conn)} AS v")


def test_a_setting_of_the_server_that_changes_nothing_but_time(dsn: str) -> None:
    assert exported(dsn, query="SELECT current_setting('work_mem') AS v", settings={"work_mem": "7MB"}) == b"v\n7MB\n"
    with pytest.raises(SpecError, match="invalid value for parameter") as wrong:
        exported(dsn, query="SELECT 1", settings={"work_mem": "much"})
    assert wrong.value.field == "settings.work_mem"


def test_a_wrong_role_is_told_before_a_wrong_table(dsn: str, conn: psycopg.Connection) -> None:
    filled(conn, "here", 1)
    with pytest.raises(UnknownDataset):
        exported(dsn, "nowhere", settings={"a.b": 1})
