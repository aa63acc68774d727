"""Several exports of one snapshot."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from polyglot_export import SourceChanged, SpecError, StatementTimeout, UnknownDataset, amoment, moment
from tests.library.helpers import copied, filled, new_role


@pytest.fixture(autouse=True)
def tables(conn: psycopg.Connection) -> None:
    """Two tables, a view, and a partitioned table."""
    filled(conn, "orders", 40)
    filled(conn, "customers", 3)
    conn.execute(
        b"CREATE VIEW v AS SELECT id FROM orders WHERE id < 9;"
        b"CREATE TABLE p (id int) PARTITION BY RANGE (id);"
        b"CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (50);"
        b"CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (50) TO (100);"
        b"INSERT INTO p SELECT generate_series(0, 99)"
    )


def pulled(opened: Any, source: Any = None, **what: Any) -> bytes:
    with opened.export(source, **what) as chunks:
        return b"".join(chunks)


def test_all_are_of_its_snapshot(dsn: str, conn: psycopg.Connection) -> None:
    names = ("orders", "customers", "v", "p")
    expected = {name: copied(conn, f"SELECT * FROM {name}") for name in names}
    with moment(dsn, "orders", "customers") as opened:
        conn.execute(b"DELETE FROM orders WHERE id % 2 = 0; INSERT INTO customers VALUES (0); DELETE FROM p")
        # The last two are not what it was opened with.
        for name in (*names, *names):
            assert pulled(opened, name, workers=2) == expected[name]
        condition = sa.select(sa.table("orders", sa.column("id"))).where(sa.column("id") < 5)
        assert pulled(opened, condition) == b"id\n1\n2\n3\n4\n"
        assert pulled(opened, ("SELECT count(*) AS n FROM orders WHERE id > %s", [0])) == b"n\n800\n"
        assert pulled(opened, query="SELECT max(id) AS m FROM p", format="ndjson") == b'{"m":99}\n'
        # A session of one's own sees the same.
        with psycopg.connect(dsn) as other:
            other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            other.execute(psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(psycopg.sql.Literal(opened.snapshot)))
            assert other.execute("SELECT count(*) FROM orders").fetchone() == (800,)


def test_what_is_of_another_database_is_refused(dsn: str, conn: psycopg.Connection) -> None:
    """A session may have a database for each table; the moment is of one, and may have a table of that name too."""
    engine = sa.create_engine(dsn.replace("://", "+psycopg://"))
    elsewhere = sa.create_engine(engine.url.set(database="elsewhere"))
    metadata = sa.MetaData()
    orders, customers = (sa.Table(name, metadata, sa.Column("id", sa.Integer)) for name in ("orders", "customers"))
    session = Session(binds={orders: engine, customers: elsewhere})
    expected = copied(conn, "SELECT id FROM orders")
    with pytest.raises(SpecError, match="source: is of another database"):
        moment(session, orders, customers)
    with moment(session, orders) as opened:
        assert pulled(opened, orders) == expected
        with pytest.raises(SpecError, match="source: is of another database"):
            opened.export(customers)


def test_a_token_in_place_of_a_password_may_change(dsn: str, conn: psycopg.Connection) -> None:
    engine = sa.create_engine(dsn.replace("://", "+psycopg://"))
    tokens = count()

    @sa.event.listens_for(engine, "do_connect")
    def renew(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        if next(tokens) > 0:
            parameters["password"] = "another"

    orders = sa.select(sa.table("orders", sa.column("id")))
    with moment(engine, orders) as opened:
        assert pulled(opened, orders) == copied(conn, "SELECT id FROM orders")


def test_side_by_side(dsn: str, conn: psycopg.Connection) -> None:
    names = ["orders", "customers", "v", "p"] * 3
    expected = [copied(conn, f"SELECT * FROM {name}") for name in names]
    with moment(dsn, "orders") as opened, ThreadPoolExecutor(4) as pool:
        conn.execute(b"DELETE FROM orders; DELETE FROM customers")
        assert list(pool.map(lambda name: pulled(opened, name, workers=2), names)) == expected


def test_one_that_fails_leaves_the_others(dsn: str, conn: psycopg.Connection) -> None:
    expected = copied(conn, "SELECT * FROM orders")
    with moment(dsn, "orders") as opened, opened.export("orders") as running:
        for wrong in ({"source": "nowhere"}, {"source": "orders", "columns": ["x"]}, {"query": "SELECT 1 FROM"}):
            with pytest.raises(SpecError):
                opened.export(**wrong)
        with pytest.raises(SpecError, match=r"options\.timeZone"):
            opened.export("orders", options={"timeZone": "Nowhere/None"})
        with pytest.raises(Exception, match="division by zero"):
            pulled(opened, query="SELECT 1 / (id - 1) FROM orders")
        cancelled = opened.export("orders")
        cancelled.cancel()
        cancelled.close()
        assert b"".join(running) == expected
        assert pulled(opened, "orders") == expected


def test_what_it_was_opened_with_cannot_be_changed(dsn: str, conn: psycopg.Connection) -> None:
    with moment(dsn, "orders", "p") as opened:
        conn.execute(b"SET lock_timeout = '50ms'")
        for statement in (b"TRUNCATE orders", b"ALTER TABLE p DETACH PARTITION p1", b"DROP TABLE p2"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                conn.execute(statement)
        assert len(pulled(opened, "p").splitlines()) == 101
    conn.execute(b"TRUNCATE orders")


@pytest.mark.parametrize(
    ("statement", "source"),
    [
        ("TRUNCATE customers", "customers"),
        ("TRUNCATE customers", ("SELECT * FROM customers", ())),
        ("VACUUM FULL customers", "customers"),
        ("DROP TABLE customers", "customers"),
        ("ALTER TABLE customers DROP COLUMN pad", "customers"),
        ("ALTER TABLE customers ALTER COLUMN pad TYPE varchar(900)", "customers"),
        ("DROP TABLE customers; CREATE TABLE customers (id int, pad text)", "customers"),
        ("ALTER TABLE p DETACH PARTITION p1", "p"),
        ("ALTER TABLE p DETACH PARTITION p1", ("SELECT * FROM p", ())),
        ("TRUNCATE p1", "p"),
        ("TRUNCATE orders", "v"),
    ],
    ids=str,
)
def test_what_has_changed_since_is_an_error(dsn: str, conn: psycopg.Connection, statement: str, source: Any) -> None:
    with moment(dsn) as opened:
        for each in statement.split("; "):
            conn.execute(each.encode())
        # A name that means nothing any more is an unknown one.
        with pytest.raises((SourceChanged, UnknownDataset)) as changed:
            pulled(opened, source)
        if not statement.startswith("DROP"):
            assert isinstance(changed.value, SourceChanged)
        assert len(pulled(opened, query="SELECT 1 AS x")) > 0


def test_what_only_grew_is_as_it_was(dsn: str, conn: psycopg.Connection) -> None:
    expected = copied(conn, "SELECT * FROM customers")
    with moment(dsn) as opened:
        conn.execute(b"ALTER TABLE customers ADD COLUMN later int; INSERT INTO customers VALUES (0, 'later', 1)")
        conn.execute(b"ANALYZE customers; CREATE INDEX ON customers (pad)")
        assert pulled(opened, "customers") == expected


def test_role_and_settings_are_of_all(dsn: str, conn: psycopg.Connection) -> None:
    with new_role(conn, "reader") as role:
        conn.execute(
            f"GRANT SELECT ON orders, customers TO {role}; ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"
            f"CREATE POLICY own ON orders TO {role} USING (id = current_setting('app.id')::int)".encode()
        )
        with moment(dsn, "customers", role=role, settings={"app.id": 7}) as opened:
            assert pulled(opened, "orders", columns=["id"]) == b"id\n7\n"
            zoned = pulled(
                opened, query="SELECT timestamptz '2026-01-01 00:00Z' AS t", options={"timeZone": "Asia/Tokyo"}
            )
            assert zoned == b"t\n2026-01-01 09:00:00+09\n"
            assert pulled(opened, query="SELECT current_user AS u") == f"u\n{role}\n".encode()


def test_a_lock_of_somebody_else_is_waited_for_only_so_long(dsn: str) -> None:
    with moment(dsn, lock_timeout=0.05) as opened, psycopg.connect(dsn) as other:
        other.execute("LOCK TABLE customers")
        with pytest.raises(StatementTimeout, match=r"public.customers is locked by another session"):
            opened.export("customers")
        other.rollback()
        assert pulled(opened, "customers")


def test_it_ends_with_its_block(dsn: str) -> None:
    with moment(dsn, "orders") as opened:
        running = opened.export("orders")
    with pytest.raises(Exception, match="closed"):
        next(running)
    with pytest.raises(SpecError, match="the moment is closed"):
        opened.export("orders")
    opened.close()


def test_wrong_sources_open_nothing(dsn: str) -> None:
    with pytest.raises(UnknownDataset):
        moment(dsn, "orders", "nowhere")


def test_in_an_event_loop(dsn: str, conn: psycopg.Connection) -> None:
    expected = {name: copied(conn, f"SELECT * FROM {name}") for name in ("orders", "customers")}

    async def read(opened: Any, name: str) -> bytes:
        async with opened.export(name) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def together() -> list[bytes]:
        async with amoment(dsn, "orders", "customers") as opened:
            conn.execute(b"DELETE FROM orders; DELETE FROM customers")
            return list(await asyncio.gather(*(read(opened, name) for name in expected)))

    assert asyncio.run(together()) == [*expected.values()]
    with pytest.raises(SpecError, match="the moment is not open"):
        amoment(dsn).export("orders")
