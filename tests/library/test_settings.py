"""No setting of a login, a database or a server changes an export: every one that a login may have is tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from polyglot_export import AccessDenied, ConnectionFailed, PolyglotError
from tests.fixtures.server import Database
from tests.library.helpers import exported

BATCH = 40
"""Settings that are tried at a time."""
ROLE, PASSWORD = "changed_settings", "s3cret"
TEXTS = {
    "DateStyle": ["SQL, DMY", "German, YMD"],
    "TimeZone": ["Asia/Kathmandu"],
    "client_encoding": ["LATIN1"],
    "lc_numeric": ["C"],
    "search_path": ["hostile, public"],
    "default_text_search_config": ["pg_catalog.german"],
    "timezone_abbreviations": ["Australia"],
    "restrict_nonsystem_relation_kind": ["view, foreign-table"],
    "temp_tablespaces": ["no_such_tablespace"],
    "default_tablespace": ["pg_global"],
    "local_preload_libraries": ["no_such_library"],
    "session_preload_libraries": ["no_such_library"],
}
"""Values of the settings that are text; others of that kind are left as they are, or have a value of their own."""
UNTOUCHED = {
    # Part of the data: the currency of money, and how many digits it has.
    "lc_monetary",
    # Only files and folders of the server, of which there are no others here.
    *("backtrace_functions", "dynamic_library_path", "extension_control_path", "extension_destdir", "lc_messages"),
    *("lc_time", "output_plugin_libraries", "default_table_access_method", "createrole_self_grant"),
    # Of one transaction or of a replication connection; cannot be set for a login.
    *("transaction_deferrable", "transaction_isolation", "transaction_read_only", "wal_consistency_checking"),
    # Of builds for developers, in which everything takes minutes.
    "debug_discard_caches",
}
SECONDS = {
    "idle_session_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
    "transaction_timeout": "5s",
    "statement_timeout": "5s",
}
"""Times that our own short statements keep."""
REFUSED: dict[str, type[PolyglotError]] = {
    # The login may not turn them off, and with them rows are lost in silence.
    "zero_damaged_pages": AccessDenied,
    "ignore_checksum_failure": AccessDenied,
    "local_preload_libraries": ConnectionFailed,
    "session_preload_libraries": ConnectionFailed,
}
"""What does not work with a setting, and says so."""
TABLE = """
CREATE SCHEMA hostile;
CREATE TABLE hostile.pg_class (oid int);
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TABLE tricky (
    id int PRIMARY KEY, t text, at timestamptz, d date, i interval, f float8, r real, b bytea, a text[], j jsonb,
    m money, c colour, n name, o oid, reg regclass, v tsvector
);
INSERT INTO tricky SELECT g, E'back\\\\slash ''quote'' ' || g, timestamptz '2026-03-29 01:30+00' + g * interval '7 h',
    date '2026-01-02' + g, make_interval(days => g, secs => g / 7.0), g / 7.0, g / 3.0, decode(md5(g::text), 'hex'),
    ARRAY['x', NULL, E'a\\\\b'], jsonb_build_object('k', g / 3.0), g::numeric::money, 'red', 'Order', g, 'tricky', 'a:1 b:2'
    FROM generate_series(1, 400) AS g;
CREATE TABLE keys (id int PRIMARY KEY);
INSERT INTO keys SELECT (g * 7919) % 10007 FROM generate_series(1, 10006) AS g;
CREATE TABLE parts (id int, t text) PARTITION BY HASH (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parts SELECT g, 'p' || g FROM generate_series(1, 1000) AS g;
VACUUM ANALYZE tricky, keys, parts_0, parts_1;
GRANT USAGE ON SCHEMA hostile TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA public, hostile TO PUBLIC;
"""
FILTERS = [
    {"column": "at", "op": "<", "value": "2026-06-01 EST"},
    {"column": "t", "op": "!=", "value": "back\\slash 'quote' 3"},
    {"column": "a", "op": "=", "value": '{x,NULL,"a\\\\b"}'},
]


@dataclass(frozen=True)
class Login:
    """A role whose settings are changed, on a database with the tables."""

    dsn: str
    admin: psycopg.Connection

    def files(self) -> tuple[object, ...]:
        """Exports of everything."""
        return (
            exported(self.dsn, "public.tricky"),
            # Its footer has the number of the snapshot.
            pq.read_table(BytesIO(exported(self.dsn, "public.tricky", format="parquet"))).to_pylist(),
            exported(self.dsn, "public.tricky", format="ndjson", filter=FILTERS, order_by=[{"column": "d"}]),
            exported(self.dsn, "public.keys"),
            exported(self.dsn, "public.parts", format="json"),
        )

    def set(self, name: str, value: str) -> None:
        """Give the login a setting, unless the server has no such value (a stack that the system does not give)."""
        statement = sql.SQL("ALTER ROLE {} SET {} = {}").format(_role(), sql.Identifier(name), _value(name, value))
        with suppress(psycopg.errors.InvalidParameterValue):
            self.admin.execute(statement)

    def reset(self) -> None:
        """Take all settings back."""
        self.admin.execute(sql.SQL("ALTER ROLE {} RESET ALL").format(_role()))


def _role() -> sql.Identifier:
    return sql.Identifier(ROLE)


def _value(name: str, value: str) -> sql.Composable:
    # Lists are not one literal.
    return sql.SQL(value) if name in ("search_path", "temp_tablespaces") else sql.Literal(value)


@pytest.fixture(params=["server", "debian"])
def login(request: pytest.FixtureRequest) -> Iterator[Login]:
    server = request.getfixturevalue(request.param)
    assert isinstance(server, Database)
    with server.database(check_idle=False) as dsn, psycopg.connect(dsn, autocommit=True) as admin:
        for statement in TABLE.split(";\n"):
            admin.execute(statement.encode())
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(_role(), sql.Literal(PASSWORD)))
        try:
            yield Login(make_conninfo(dsn, user=ROLE, password=PASSWORD), admin)
        finally:
            admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(_role()))


def test_every_setting_of_a_login(login: Login) -> None:
    """Many at a time; where the files of such a batch are others, each is tried alone to name it."""
    expected = login.files()
    settings = login.admin.execute(
        "SELECT name, vartype, setting, min_val, max_val, enumvals FROM pg_settings"
        " WHERE context IN ('user', 'superuser') ORDER BY name"
    ).fetchall()
    values = {row[0]: _hostile(*row) for row in settings if row[0] not in REFUSED}
    # The first values of all settings, then the second ones: a login has one of each.
    tried = [
        (name, found[turn])
        for turn in range(max(map(len, values.values())))
        for name, found in values.items()
        if turn < len(found)
    ]
    assert len(tried) > 200
    for start in range(0, len(tried), BATCH):
        batch = tried[start : start + BATCH]
        if _files(login, batch) == expected:
            continue
        for each in batch:
            assert _files(login, [each]) == expected, each
        pytest.fail(f"these together change an export: {batch}")


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_refused_says_so(login: Login, name: str) -> None:
    value = TEXTS.get(name, ["on"])[0]
    with pytest.raises(REFUSED[name], match=f"{name}|{value}"):
        _files(login, [(name, value)])


def _files(login: Login, settings: Sequence[tuple[str, str]]) -> tuple[object, ...]:
    try:
        for name, value in settings:
            login.set(name, value)
        return login.files()
    finally:
        login.reset()


def _hostile(
    name: str, vartype: str, setting: str, least: str | None, most: str | None, words: list[str] | None
) -> list[str]:
    if name in SECONDS:
        return [SECONDS[name]]
    if name in UNTOUCHED:
        return []
    match vartype:
        case "bool":
            return ["off" if setting == "on" else "on"]
        case "enum":
            return [word for word in words or () if word != setting]
        case "string":
            return TEXTS.get(name, [])
    return [value for value in (least, most) if value is not None and value != setting]
