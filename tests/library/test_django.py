"""Django's querysets: the rows are those that Django itself gets, whatever way they are read."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.db import connections, models
from django.db.models import Count, F, OuterRef, Q, Sum, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat, Length, Now, TruncMonth, Upper
from django.test.utils import CaptureQueriesContext
from psycopg.conninfo import conninfo_to_dict

from polyglot_export import SpecError, explain
from tests.integrations.apps import django_app
from tests.library.helpers import copied, exported, exported_rows, new_role

# A process has one Django, whichever of its tests is collected first; models need it to be configured.
assert django_app.site is not None


class Customer(models.Model):  # type: ignore[misc]  # noqa: DJ008 - nobody prints it
    """With a column that has another name than its field."""

    name = models.TextField(db_column="Full Name")
    region = models.CharField(max_length=9)

    class Meta:
        app_label = "shop"
        db_table = "Customer"


class Order(models.Model):  # type: ignore[misc]  # noqa: DJ008 - nobody prints it
    """Of a customer."""

    customer = models.ForeignKey(Customer, models.CASCADE)
    total = models.DecimalField(max_digits=9, decimal_places=2)
    tags = models.JSONField()
    made = models.DateTimeField()
    note = models.TextField(null=True)  # noqa: DJ001 - there are such tables

    class Meta:
        app_label = "shop"
        db_table = "orders"


@pytest.fixture(scope="module")
def dsn(module_dsn: str) -> str:
    """One database for all of them, since none writes."""
    return module_dsn


@pytest.fixture(scope="module", autouse=True)
def database(dsn: str) -> Iterator[None]:
    """The alias ``shop`` is the test's database."""
    given = conninfo_to_dict(dsn)
    connections.databases["shop"] = connections.databases["default"] | {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": given["dbname"],
        "USER": given["user"],
        "PASSWORD": given["password"],
        "HOST": given["host"],
        "PORT": given["port"],
        "OPTIONS": {},
    }
    connections.databases["lite"] = connections.databases["shop"] | {"ENGINE": "django.db.backends.sqlite3"}
    with connections["shop"].schema_editor() as editor:
        editor.create_model(Customer)
        editor.create_model(Order)
    connections["shop"].close()
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            b"""INSERT INTO "Customer" SELECT g, 'na''me %s ' || g, 'r' || g % 3 FROM generate_series(1, 20) AS g;"""
            b" INSERT INTO orders (id, total, tags, made, note, customer_id) SELECT g, g / 3.0, jsonb_build_object('a', g % 3), timestamptz '2026-01-01 UTC' + g * '1 hour'::interval,"
            b" nullif('n' || g % 7, 'n3'), 1 + g % 20 FROM generate_series(1, 300) AS g"
        )
    try:
        yield
    finally:
        for alias in ("shop", "lite"):
            connections[alias].close()
            del connections[alias]
            del connections.databases[alias]


def orders() -> Any:
    return Order.objects.using("shop")


def lines(queryset: Any) -> Counter[bytes]:
    """The lines of COPY of what Django itself sends to the server, without the names of the columns."""
    connection: Any = connections["shop"]
    with CaptureQueriesContext(connection) as sent:
        list(queryset)
    connection.ensure_connection()
    raw = connection.connection
    return Counter(copied(raw, sent[-1]["sql"], "HEADER false").splitlines())


def read(queryset: Any, **what: Any) -> Counter[bytes]:
    return Counter(exported(None, queryset, options={"header": False}, **what).splitlines())


DAY = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
PARALLEL: dict[str, Callable[[], Any]] = {
    "all": orders,
    "values": lambda: orders().values("id", "total"),
    "values_list": lambda: orders().values_list("total", "id"),
    "renamed": lambda: Customer.objects.using("shop").values("name", "id"),
    "filter": lambda: orders().filter(total__gt=Decimal("50.5"), note="n2"),
    "or": lambda: orders().filter(Q(total__lt=3) | ~Q(note="n1")),
    "exclude": lambda: orders().exclude(note="n1"),
    "null": lambda: orders().filter(note__isnull=True),
    "dates": lambda: orders().filter(made__gte=DAY, made__year=2026),
    "json": lambda: orders().filter(tags__a=1),
    "patterns": lambda: Customer.objects.using("shop").filter(name__icontains="%S 1"),
    "quotes": lambda: Customer.objects.using("shop").exclude(name='\'; DROP TABLE "Customer"; --\\'),
    "only": lambda: orders().only("id", "total").filter(total__gt=3),
    "defer": lambda: orders().defer("tags"),
    "foreign key": lambda: orders().filter(customer_id=3).values("customer", "id"),
    "columns": lambda: orders().filter(total__gt=F("customer_id")),
    "functions": lambda: orders().alias(n=Length("note")).filter(n=2),
    "in a list": lambda: orders().filter(note__in=["n1", "n2"]),
}
BY_QUERY: dict[str, Callable[[], Any]] = {
    "order": lambda: orders().order_by("-total", "id"),
    "slice": lambda: orders().order_by("id")[3:9],
    "distinct": lambda: orders().values("note").distinct(),
    "annotation": lambda: orders().annotate(twice=F("total") * 2).values("id", "twice"),
    "group": lambda: orders().values("note").annotate(n=Count("id"), s=Sum("total")),
    "join": lambda: orders().values("id", "customer__name", "customer__region"),
    "join in a condition": lambda: orders().filter(customer__region="r1"),
    "select_related": lambda: orders().select_related("customer"),
    "sub-select": lambda: orders().filter(customer__in=Customer.objects.using("shop").filter(region="r2")),
    "exists": lambda: orders().filter(models.Exists(Customer.objects.filter(id=OuterRef("total"), region="r1"))),
    "union": lambda: orders().filter(id=1).values("id").union(orders().filter(id=2).values("id"), all=True),
    "extra": lambda: orders().extra(where=['"orders"."id" < %s'], params=[9]).values("id"),
    "raw sql": lambda: orders().filter(id__in=RawSQL("SELECT %s", [3])),
    "raw name": lambda: orders().filter(RawSQL("orders.id < %s", [9], output_field=models.BooleanField())),
    "months": lambda: orders().annotate(m=TruncMonth("made")).values("m").annotate(n=Count("id")),
    "concat": lambda: (
        orders()
        .annotate(x=Concat(Value("a%'s"), Upper("note"), output_field=models.TextField()))
        .values_list("x", "id")
    ),
}


@pytest.mark.parametrize("make", [*PARALLEL.values(), *BY_QUERY.values()], ids=[*PARALLEL, *BY_QUERY])
def test_the_rows_are_those_of_django(make: Callable[[], Any]) -> None:
    assert read(make()) == lines(make())
    # As a query, which one connection reads.
    assert read(make(), sql_where="true") == lines(make())


def test_what_is_read_in_parallel() -> None:
    """Whether the ranges of pages join the statement; a table this small has one."""
    parallel = {
        name for name, make in (PARALLEL | BY_QUERY).items() if explain(None, make()).scans[0].pages is not None
    }
    # A condition by a key is found by an index.
    assert parallel >= PARALLEL.keys() - {"foreign key"}
    assert not parallel & BY_QUERY.keys()


def test_now_is_one_time_for_all_rows() -> None:
    """Django's is the time at which a statement began, and each segment is a statement."""
    plan = explain(None, orders().filter(made__lt=Now()))
    assert plan.scans[0].pages is None
    assert "statement_timestamp in the filter is something else for each worker" in plan.notes[0]


def test_names_are_those_of_values(conn: psycopg.Connection) -> None:
    joined = orders().filter(id=1).values("customer__name", "id", "customer__id")
    assert [[*row] for row in exported_rows(None, joined)] == [[*joined[0]]]
    named = Customer.objects.using("shop").filter(id=1).values("name", "id")
    assert [[*row] for row in exported_rows(None, named)] == [["name", "id"]]
    # Of models, the columns of the database.
    everything = Customer.objects.using("shop").order_by("id")
    assert exported(None, everything) == copied(conn, 'SELECT * FROM "Customer" ORDER BY id')


def test_what_a_distinct_is_ordered_by_is_not_in_the_file(dsn: str) -> None:
    """Django asks for it, since SQL wants it so, and takes it off the rows."""
    by_name = orders().order_by("customer__name", "note").distinct()
    notes = exported(None, by_name.values("note")).splitlines()
    assert notes == [b"note", *((row["note"] or "").encode() for row in by_name.values("note"))]
    assert exported(None, by_name).splitlines()[0] == b"id,customer_id,total,tags,made,note"
    twice = by_name.select_related("customer")
    assert exported(dsn, twice).splitlines()[0] == b"id,customer_id,total,tags,made,note,id,Full Name,region"


def test_nothing_has_the_right_header() -> None:
    assert exported(None, orders().none()) == b"id,customer_id,total,tags,made,note\n"
    assert exported(None, orders().filter(id__in=[]).values("customer__name", "id")) == b"customer__name,id\n"
    assert explain(None, orders().none().values("made")).columns[0].sql_type == "timestamp with time zone"


def test_what_the_caller_adds_is_about_the_result() -> None:
    named = Customer.objects.using("shop").values("name", "id")
    assert exported(None, named, where="id <= 2", order_by="id:desc", columns=["id"]) == b"id\n2\n1\n"
    assert exported(None, named, sql_where="id = 3", columns=["id"]) == b"id\n3\n"


def test_managers_models_and_connections(dsn: str) -> None:
    (count,) = orders().aggregate(n=Count("id")).values()
    for given in (Order.objects.using("shop"), Order.objects, Order):
        rows = exported(connections["shop"], given).splitlines()
        assert len(rows) == count + 1
    assert exported(dsn, orders()).splitlines() == rows
    assert exported(connections["shop"], query="SELECT 1 AS x") == b"x\n1\n"


def test_the_role_of_a_connection(conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    with new_role(conn, "assumed") as role, new_role(conn, "named") as named:
        monkeypatch.setitem(connections["shop"].settings_dict["OPTIONS"], "assume_role", role)
        query = {"query": "SELECT current_user AS u"}
        assert exported(connections["shop"], **query) == f"u\n{role}\n".encode()
        assert exported(connections["shop"], role=named, **query) == f"u\n{named}\n".encode()


def test_other_databases() -> None:
    with pytest.raises(SpecError, match=r"dsn: .*sqlite"):
        exported(None, Order.objects.using("lite"))
    with pytest.raises(SpecError, match=r"dsn: .*sqlite"):
        exported(connections["lite"], Order.objects.all())


def test_what_is_no_queryset(dsn: str) -> None:
    for given in (Q(id=3), F("id"), Order(), models.TextField(), Order.objects.using("shop").raw("SELECT 1")):
        with pytest.raises(SpecError) as wrong:
            exported(dsn, given)
        assert wrong.value.field == "source"
