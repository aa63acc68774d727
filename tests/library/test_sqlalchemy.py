"""Statements of SQLAlchemy: the rows are those that SQLAlchemy itself gets, whatever way they are read."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    aliased,
    mapped_column,
    scoped_session,
    sessionmaker,
    with_loader_criteria,
)

from polyglot_export import AccessDenied, ConnectionFailed, PolyglotError, SpecError, UnknownDataset, aexport, explain
from tests.library.helpers import copied, exported, exported_rows, new_role


class Base(DeclarativeBase):
    """Of the tables below."""


class Color(enum.Enum):
    """Kept by name."""

    RED = "r"
    BLUE = "b"


class Upper(sa.TypeDecorator[str]):
    """A type that only the ORM knows: it writes capital letters and reads small ones."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> str | None:
        return value and value.upper()

    def process_result_value(self, value: str | None, _dialect: Any) -> str | None:
        return value and value.lower()


class Computed(sa.TypeDecorator[str]):
    """A type whose columns are read through a function."""

    impl = sa.Text
    cache_ok = True

    def column_expression(self, column: Any) -> Any:
        return func.reverse(column)


class Order(Base):
    """Names with capital letters, spaces and a percent sign."""

    __tablename__ = "Orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[Decimal] = mapped_column("Total %", sa.Numeric(10, 2))
    color: Mapped[Color]
    code: Mapped[str] = mapped_column(Upper)
    turned: Mapped[str] = mapped_column(Computed)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    tags: Mapped[list[str]] = mapped_column(ARRAY(sa.Text))
    day: Mapped[dt.date]
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}  # noqa: RUF012 - as SQLAlchemy has it

    @hybrid_property
    def large(self) -> Any:
        return self.total > 50


class Special(Order):
    """In the same table."""

    __mapper_args__ = {"polymorphic_identity": "special"}  # noqa: RUF012 - as SQLAlchemy has it


class Item(Base):
    """Of an order, in a schema of its own."""

    __tablename__ = "items"
    __table_args__ = {"schema": "other"}  # noqa: RUF012 - as SQLAlchemy has it
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int]


@pytest.fixture(scope="module")
def dsn(module_dsn: str) -> str:
    """One database for all of them, since hardly any writes."""
    return module_dsn


@pytest.fixture(scope="module")
def engine(dsn: str) -> Iterator[Engine]:
    """Of the database, with the tables in it."""
    engine = create_engine(dsn.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("CREATE SCHEMA other"))
        Base.metadata.create_all(connection)
        connection.execute(
            text(
                """INSERT INTO "Orders" SELECT g, g / 3.0, (ARRAY['RED', 'BLUE'])[1 + g % 2]::color, 'CODE' || g % 5,"""
                """ 'abc' || g, jsonb_build_object('a', g % 3), ARRAY['it''s', 'x' || g % 2], date '2026-01-01' + g,"""
                """ (ARRAY['plain', 'special'])[1 + g % 2] FROM generate_series(1, 300) AS g;"""
                """ INSERT INTO other.items SELECT g, g % 100 FROM generate_series(1, 200) AS g"""
            )
        )
    yield engine
    engine.dispose()


def lines(engine: Engine, statement: Any) -> Counter[bytes]:
    """The lines of COPY of what SQLAlchemy itself sends to the server."""
    sent: list[tuple[str, Any]] = []
    with engine.connect() as connection:

        @sa.event.listens_for(connection, "before_cursor_execute")
        def see(_connection: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
            sent.append((text, parameters))

        selected: Any = statement
        if isinstance(statement, type | sa.Table):
            selected = select(selected)
        connection.execute(selected).close()
        driver: Any = connection.connection.driver_connection
        query = psycopg.ClientCursor(driver).mogrify(*sent[0])
        return Counter(copied(driver, query).splitlines())


def read(engine: Engine, statement: Any, **what: Any) -> Counter[bytes]:
    """The lines of an export, in any order: that of a select without one is the server's choice."""
    return Counter(exported(engine, statement, **what).splitlines())


item = aliased(Item)
PARALLEL: dict[str, Callable[[], Any]] = {
    "columns": lambda: select(Order.id, Order.total),
    "core": lambda: select(Order.__table__.c.id, Order.__table__.c["Total %"]),
    "labels": lambda: select(Order.total.label("n %"), Order.id.label("Id")),
    "condition": lambda: select(Order.id).where(Order.total > 50, Order.color == Color.RED),
    "or": lambda: select(Order.id).where(sa.or_(Order.id < 5, Order.code == "code1")),
    "in": lambda: select(Order.id).where(Order.id.in_([1, 2, 3]), Order.color.in_([Color.BLUE, Color.RED])),
    "in nothing": lambda: select(Order.id).where(Order.id.in_([])),
    "not in nothing": lambda: select(Order.id).where(Order.id.not_in([])),
    "tuples": lambda: select(Order.id).where(sa.tuple_(Order.id, Order.code).in_([(1, "code1"), (2, "code9")])),
    "types": lambda: select(Order.id).where(Order.code == "code1", Order.data == {"a": 1}),
    "lists": lambda: select(Order.id).where(Order.tags == ["it's", "x1"], Order.tags.contains(["it's"])),
    "dates": lambda: select(Order.id).where(Order.day >= dt.date(2026, 3, 1)),
    "hybrid": lambda: select(Order.id).where(Order.large),
    "params": lambda: select(Order.id).where(Order.id == sa.bindparam("which")).params(which=7),
    "percent": lambda: select(Order.id).where(Order.total % 2 == 0, Order.code.like("%E1")),
    "quotes": lambda: select(Order.id).where(Order.code != '\'; DROP TABLE "Orders"; --\\'),
    "functions": lambda: select(Order.id).where(func.length(Order.code) > 3),
    "polymorphic": lambda: select(Special.id),
    "another schema": lambda: select(Item),
    "a mapped class": lambda: Item,
    "a table": lambda: Item.__table__,
    "between": lambda: select(Order.id).where(Order.id.between(3, 9), Order.day.is_not(None)),
}
BY_QUERY: dict[str, Callable[[], Any]] = {
    "read by a function": lambda: select(Order),
    "distinct": lambda: select(Order.code).distinct(),
    "group": lambda: select(Order.code, func.count().label("n")).group_by(Order.code).having(func.count() > 3),
    "order": lambda: select(Order.id).order_by(Order.total.desc()).limit(7).offset(2),
    "join": lambda: select(Order.id, Item.id).join(Item, Item.order_id == Order.id),
    "outer join": lambda: select(Order.id, item.id.label("item")).outerjoin(item, item.order_id == Order.id),
    "sub-select": lambda: select(Order.id).where(Order.id.in_(select(Item.order_id).where(Item.id < 20))),
    "exists": lambda: select(Order.id).where(sa.exists().where(Item.order_id == Order.id)),
    "itself": lambda: select(Order.id).where(Order.total > select(func.avg(Order.total)).scalar_subquery()),
    "union": lambda: select(Order.id).where(Order.id < 5).union_all(select(Item.id).where(Item.id < 3)),
    "cte": lambda: select(select(Order.id).where(Order.id > 290).cte("few")),
    "expressions": lambda: select((Order.total * 2).label("twice"), sa.literal("a%b").label("x")),
    "text columns": lambda: select(text("id"), text("code")).select_from(Order),
    "text condition": lambda: select(Order.id).where(text('"Orders".id < 9')),
    "literal column": lambda: select(Order.id).where(sa.literal_column('"Orders".id') < 9),
    "alias": lambda: select(aliased(Order).id),
    "twice": lambda: select(Order.id, Order.id),
    "case": lambda: select(sa.case((Order.color == Color.RED, "r"), else_="b").label("c")),
    "window": lambda: select(func.row_number().over(order_by=Order.id).label("n")),
    "lateral": lambda: select(Order.id, select(Item.id).where(Item.order_id == Order.id).limit(1).lateral().c.id),
    "values": lambda: select(sa.values(sa.column("a", sa.Integer), name="v").data([(1,), (2,)])),
    "two tables": lambda: select(Order.id).where(Order.id == Item.order_id),
    "prefix": lambda: select(Order.code).prefix_with("ALL"),
}


@pytest.mark.parametrize("make", [*PARALLEL.values(), *BY_QUERY.values()], ids=[*PARALLEL, *BY_QUERY])
def test_the_rows_are_those_of_sqlalchemy(engine: Engine, make: Callable[[], Any]) -> None:
    statement = make()
    assert read(engine, statement) == lines(engine, statement)
    # As a query, which one connection reads.
    assert read(engine, statement, sql_where="true") == lines(engine, statement)


def test_what_is_read_in_parallel(engine: Engine) -> None:
    """Whether the ranges of pages join the statement; a table this small has one."""
    parallel = {
        name for name, make in (PARALLEL | BY_QUERY).items() if explain(engine, make()).scans[0].pages is not None
    }
    # A condition by the key is found by an index, or is no condition at all.
    assert parallel >= PARALLEL.keys() - {"in", "in nothing", "params", "between", "tuples"}
    assert not parallel & BY_QUERY.keys()
    assert "a query is read whole" in explain(engine, BY_QUERY["join"]()).notes[0]


def test_names_and_order_are_those_of_the_select(engine: Engine) -> None:
    statement = select(Order.total.label('a "b" %'), Order.id, Order.code.label("Code")).where(Order.id < 3)
    rows = exported_rows(engine, statement)
    assert [list(row) for row in rows] == [['a "b" %', "id", "Code"]] * 2
    with_join = select(Order.id, Item.id, Order.total).join(Item, Item.order_id == Order.id).where(Order.id == 1)
    assert exported(engine, with_join).splitlines()[0] == b"id,id_1,Total %"


@pytest.mark.parametrize("label", ["n" * 70, "ä" * 40, "n" + "ä" * 31, "n" * 63])
def test_a_long_label_is_the_servers_whatever_way_it_is_read(engine: Engine, label: str) -> None:
    """PostgreSQL cuts names at 63 bytes."""
    plain = select(Order.id.label(label)).where(Order.total < 0.5)
    with engine.connect() as connection:
        (cut,) = connection.exec_driver_sql(f'SELECT 1 AS "{label}"').keys()
    assert exported(engine, plain).decode() == f"{cut}\n1\n"
    assert exported(engine, plain.order_by(Order.total)).decode() == f"{cut}\n1\n"
    assert (explain(engine, plain).scans[0].pages is None) == (cut != label)


def test_what_the_caller_adds_is_about_the_result(engine: Engine) -> None:
    statement = select(Order.id.label("n"), Order.code).where(Order.id < 50)
    what: dict[str, Any] = {"where": "n > 40", "order_by": "n:desc", "limit": 3, "columns": ["n"]}
    assert exported(engine, statement, **what) == b"n\n49\n48\n47\n"
    assert exported(engine, select(Order.id).where(Order.id < 9), sql_where="id > 7") == b"id\n8\n"
    with pytest.raises(SpecError, match="there is no column 'code'"):
        exported(engine, select(Order.id), where="code = x")


def test_types_of_the_orm_give_what_the_database_holds(engine: Engine, conn: psycopg.Connection) -> None:
    statement = select(Order.color, Order.code).where(Order.id == 2)
    assert exported(engine, statement) == copied(conn, 'SELECT color, code FROM "Orders" WHERE id = 2')
    assert exported(engine, statement) == b"color,code\nRED,CODE2\n"


def test_a_name_with_capitals_is_no_other_table(engine: Engine, conn: psycopg.Connection) -> None:
    """SQLAlchemy quotes it, and the server then finds none."""
    conn.execute(b"CREATE TABLE accounts AS SELECT 1 AS id")
    accounts, wrong = (sa.Table(name, sa.MetaData(), sa.Column("id", sa.Integer)) for name in ("accounts", "Accounts"))
    assert exported(engine, accounts) == b"id\n1\n"
    with pytest.raises(UnknownDataset, match='"Accounts"'):
        exported(engine, wrong)
    conn.execute(b'CREATE TABLE "Accounts" AS SELECT 2 AS id')
    assert exported(engine, wrong) == b"id\n2\n"
    assert explain(engine, wrong).scans[0].relation == "public.Accounts"


def test_text_with_values(engine: Engine, dsn: str) -> None:
    statement = text('SELECT id FROM "Orders" WHERE code = :code AND id < 9 AND 7 % 2 = 1').bindparams(code="CODE1")
    assert exported(engine, statement) == b"id\n1\n6\n"
    pair = ('SELECT id FROM "Orders" WHERE code = %s AND id < %s', ["CODE1", 9])
    assert exported(dsn, pair) == b"id\n1\n6\n"
    named = ("SELECT %(x)s::text AS x, 'a%%' AS y", {"x": "it's \\ %s"})
    assert exported(dsn, named) == b"x,y\nit's \\ %s,a%\n"


def test_schemas_are_translated(engine: Engine, conn: psycopg.Connection) -> None:
    conn.execute(b"CREATE SCHEMA tenant; CREATE TABLE tenant.items AS SELECT 77 AS id, 1 AS order_id")
    statement = select(Item.id).where(Item.order_id == 1)
    translated = engine.execution_options(schema_translate_map={"other": "tenant"})
    assert exported(translated, statement) == b"id\n77\n"
    assert explain(translated, statement).scans[0].relation == "tenant.items"
    of_statement = statement.execution_options(schema_translate_map={"other": "tenant"})
    assert exported(engine, of_statement.order_by(Item.id)) == b"id\n77\n"


def test_the_json_of_an_engine(engine: Engine) -> None:
    own = create_engine(engine.url, json_serializer=lambda _: '{"a": 1}')
    for statement in (select(Order.id).where(Order.data == {"b": 7}), select(Order.id).where(Order.data.in_([{}]))):
        assert read(own, statement) == lines(own, statement)
        assert len(read(own, statement)) == 101
    own.dispose()


def test_a_session_that_reads_something_else(engine: Engine) -> None:
    """Many applications add the condition for a tenant there."""
    makes = sessionmaker(engine)

    @sa.event.listens_for(makes, "do_orm_execute")
    def add(state: Any) -> None:
        state.statement = state.statement.options(with_loader_criteria(Item, Item.id < 3))

    with makes() as session:
        for given in (session, scoped_session(makes)):
            with pytest.raises(SpecError, match=r"dsn: a listener of do_orm_execute"):
                exported(given, select(Item.id))
        written = select(Item.id).options(with_loader_criteria(Item, Item.id < 3))
        assert exported(session.get_bind(), written).count(b"\n") == 3


def test_everything_that_has_an_engine(engine: Engine, dsn: str) -> None:
    statement = select(func.count()).select_from(Item)
    expected = b"count_1\n200\n"
    own = create_async_engine(engine.url)
    given: list[Any] = [engine, engine.url, own, dsn.replace("://", "+psycopg2://"), dsn.replace("://", "+asyncpg://")]
    assert [exported(each, statement) for each in given] == [expected] * len(given)
    with engine.connect() as connection, Session(engine) as session:
        connection.execute(text("DELETE FROM other.items"))
        session.add(Item(id=1000, order_id=1))
        session.flush()
        # The export has a transaction of its own.
        assert exported(connection, statement) == exported(session, statement) == expected

    async def together() -> bytes:
        async with aexport(own, statement) as chunks:
            return b"".join([chunk async for chunk in chunks])

    assert asyncio.run(together()) == expected


def test_how_an_engine_connects(engine: Engine, dsn: str, conn: psycopg.Connection) -> None:
    who = select(func.current_user().label("u"), func.current_setting("app.x", True).label("x"))
    with new_role(conn, "other") as role:
        where = engine.url.set(username=None, password=None)
        by_arguments = create_engine(where, connect_args={"user": role, "password": "secret", "options": "-c app.x=3"})
        assert exported(by_arguments, who) == f"u,x\n{role},3\n".encode()
        by_listener = create_engine(where)

        @sa.event.listens_for(by_listener, "do_connect")
        def token(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
            parameters.update(user=role, password="secret")

        assert exported(by_listener, who) == f"u,x\n{role},\n".encode()
        # Its rights are those of the login that was given.
        with pytest.raises(AccessDenied):
            exported(by_listener, select(Item))
    of_a_function = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn))
    with pytest.raises(SpecError, match="dsn: this engine connects by a function"):
        exported(of_a_function, who)
    for each in (by_arguments, by_listener, of_a_function):
        each.dispose()


def test_asyncpg_s_own_parameters(dsn: str) -> None:
    arguments = {"server_settings": {"app.x": "a b\\c"}, "ssl": False, "statement_cache_size": 0, "timeout": 9}
    own = create_engine(dsn.replace("://", "+psycopg://"), connect_args=arguments)
    assert exported(own, select(func.current_setting("app.x").label("x"))) == b"x\na b\\c\n"
    secret = create_engine(dsn.replace("://", "+psycopg://"), connect_args={"ssl": object(), "x": "s3cr3t"})
    with pytest.raises(SpecError, match="parameter 'ssl' cannot be given to libpq") as wrong:
        exported(secret, select(1))
    assert "s3cr3t" not in str(wrong.value)
    unknown = create_engine("postgresql+psycopg://u:s3cr3t@h/d", connect_args={"nonsense": "s3cr3t"})
    with pytest.raises(SpecError, match="nonsense") as wrong:
        exported(unknown, select(1))
    assert "s3cr3t" not in str(wrong.value)


def test_other_databases() -> None:
    for given in (create_engine("sqlite://"), create_engine("sqlite://").url):
        with pytest.raises(SpecError, match="dsn: is a database of sqlite; it must be one of postgresql"):
            exported(given, select(1))


@pytest.mark.parametrize(
    "source",
    [
        3,
        frozenset(),
        b"orders",
        ["SELECT 1"],
        sa.insert(Item).values(id=1),
        sa.delete(Item),
        Item.id == 3,
        Item.id,
        sa.Integer(),
        select(Item).where(Item.id == sa.bindparam("missing", required=True)),
    ],
    ids=str,
)
def test_what_is_no_source(engine: Engine, source: Any) -> None:
    with pytest.raises(SpecError) as wrong:
        exported(engine, source)
    assert wrong.value.field == "source"


@pytest.mark.parametrize("dsn", [3, object(), [], select(1), b"postgresql://"])
def test_what_is_no_connection(dsn: Any) -> None:
    with pytest.raises(SpecError, match=r"^dsn: "):
        exported(dsn, "orders")


def test_a_statement_and_a_query_exclude_each_other(engine: Engine) -> None:
    with pytest.raises(SpecError, match="source and query exclude each other"):
        exported(engine, select(Item), query="SELECT 1")


def test_a_password_is_never_told(dsn: str) -> None:
    engine = create_engine(make_conninfo_url(dsn, "wr0ng-s3cret"))
    with pytest.raises((ConnectionFailed, PolyglotError)) as failed:
        exported(engine, select(1))
    assert "wr0ng-s3cret" not in f"{failed.value!r} {failed.value.hint}"


def make_conninfo_url(dsn: str, password: str) -> sa.URL:
    """Another password; a server that trusts everybody has no database of that name either."""
    parameters = psycopg.conninfo.conninfo_to_dict(dsn)
    return sa.URL.create(
        "postgresql+psycopg",
        str(parameters["user"]),
        password,
        str(parameters["host"]),
        int(str(parameters["port"])),
        "no",
    )


def test_row_locks_are_refused(engine: Engine) -> None:
    with pytest.raises(SpecError, match="must only read"):
        exported(engine, select(Item).with_for_update())
