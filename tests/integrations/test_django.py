"""``ExportResponse`` of Django under WSGI and ASGI, and the actions of the admin."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import IntegrityError, connections
from django.http import BadHeaderError
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.utils.encoding import iri_to_uri
from openpyxl import load_workbook
from psycopg.conninfo import conninfo_to_dict

from polyglot_export import InternalError, SpecError
from polyglot_export.integrations.django import ExportAdminMixin, ExportResponse
from polyglot_export.integrations.limits import DEFAULT_MEMORY, DEFAULT_ROW_LIMIT, _made
from tests.cli.helpers import copied, wait_until
from tests.examples.helpers import MORE_ORDERS, ORDERS, backends
from tests.integrations.apps.django_app import Order, site


@pytest.fixture(autouse=True)
def database(dsn: str, conn: psycopg.Connection) -> Iterator[None]:
    """Django's connection is one to the database of the test."""
    conn.execute(ORDERS)
    parts = conninfo_to_dict(dsn)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    connections["default"].settings_dict.update({key: parts.get(name, "") for key, name in names.items()})
    yield
    connections.close_all()
    # It keeps what it has read of a database that is gone.
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects.clear_cache()


def content_of(response: Any) -> bytes:
    """The body as a WSGI server reads it."""
    try:
        return b"".join(response)
    finally:
        response.close()


def test_a_queryset_is_what_the_server_says(conn: psycopg.Connection) -> None:
    request = RequestFactory().get("/")
    chosen = (
        Order.objects.filter(customer__contains="Zoë 3", total__gte="10.5").order_by("-id").values("id", "customer")
    )
    response = ExportResponse(request, chosen, filename="Aufträge.csv")
    asked = "SELECT id, customer FROM orders WHERE customer LIKE '%Zoë 3%' AND total >= 10.5 ORDER BY id DESC"
    assert content_of(response) == copied(conn, asked)
    assert "filename*=UTF-8''Auftr%C3%A4ge.csv" in response["Content-Disposition"]
    assert content_of(ExportResponse(request, Order.objects.none())) == b"id,placed_on,customer,total\n"
    hostile = "'; DROP TABLE orders; -- %s \\"
    nobody = ExportResponse(request, Order.objects.filter(customer=hostile).values("id"), format="ndjson")
    assert content_of(nobody) == b""
    wait_until(lambda: backends(conn) == 0)


@pytest.mark.parametrize("wrong", [{"role": "nobody"}, {"min_rate": -1}, {"settings": {"a.b": 1, "A.B": 2}}])
def test_a_fault_of_the_project_is_raised(conn: psycopg.Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=f"^{next(iter(wrong))}"):
        ExportResponse(RequestFactory().get("/"), "orders", **wrong)
    assert backends(conn) == 0


def test_refusals_have_a_status(conn: psycopg.Connection) -> None:
    client = Client(headers={})
    assert client.get("/export/orders", SERVER_PROTOCOL="HTTP/1.0").status_code == 426
    assert client.get("/export/orders", headers={"range": "bytes=5-"}).status_code == 412
    refused = client.get("/export/nothing")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/json")
    assert "nothing" in json.loads(content_of(refused))["detail"]
    with pytest.raises(psycopg.Error), conn.transaction():
        conn.execute("SELECT 1 / 0")
    away = ExportResponse(RequestFactory().get("/"), "orders", dsn="postgresql://127.0.0.1:1/x")
    assert (away.status_code, away["Retry-After"]) == (503, "5")
    away.close()


def test_a_response_that_nobody_reads_ends_its_queries(conn: psycopg.Connection) -> None:
    conn.execute(MORE_ORDERS)
    response = ExportResponse(RequestFactory().get("/"), "orders")
    assert backends(conn) >= 2
    response.close()
    wait_until(lambda: backends(conn) == 0)


def test_a_response_that_is_lost_gives_its_share_back(
    conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django closes only what it sends: not what a view made before it failed, nor what a middleware replaced."""
    allowed = _made(DEFAULT_MEMORY, 2, DEFAULT_ROW_LIMIT)
    monkeypatch.setattr("polyglot_export.integrations.limits._room", allowed)
    request = RequestFactory().get("/")
    for _ in range(3):
        with pytest.raises(BadHeaderError):
            ExportResponse(request, "orders", headers={"X-Name": "a\nb"})
        assert allowed.budget.running == 0

    def lose() -> None:
        response = ExportResponse(request, "orders")
        assert (response.status_code, allowed.budget.running) == (200, 1)
        del response
        gc.collect()

    with pytest.warns(ResourceWarning, match="not closed"):
        lose()
    assert (allowed.budget.running, allowed.budget.reserved) == (0, 0)
    wait_until(lambda: backends(conn) == 0)


def test_an_asynchronous_view(conn: psycopg.Connection) -> None:
    async def ask(path: str) -> tuple[Any, bytes]:
        response = await AsyncClient().get(path, headers={"Accept-Encoding": "gzip"})
        body = b"".join([piece async for piece in response]) if response.streaming else response.content
        return response, body

    for path in ("/async/orders", "/export/orders"):
        response, body = asyncio.run(ask(path))
        assert response.is_async
        assert response["Content-Encoding"] == "identity"
        assert body == copied(conn, "SELECT * FROM orders")
    refused, _ = asyncio.run(ask("/async/nothing"))
    assert refused.status_code == 400
    wait_until(lambda: backends(conn) == 0)


def test_a_body_is_read_by_one_iterator(conn: psycopg.Connection) -> None:
    """A middleware that looks at the first chunk must not make an empty file of the others."""
    conn.execute(MORE_ORDERS)

    async def look() -> list[bytes]:
        response = await ExportResponse.open(AsyncRequestFactory().get("/"), "orders")
        try:
            async for _ in response:
                break
            return [piece async for piece in response]
        finally:
            response.close()

    with pytest.raises(InternalError, match="read once"):
        asyncio.run(look())
    wait_until(lambda: backends(conn) == 0)


def test_the_event_loop_is_not_blocked() -> None:
    async def view() -> None:
        ExportResponse(RequestFactory().get("/"), "orders")

    with pytest.raises(Exception, match=r"await ExportResponse\.open"):
        asyncio.run(view())


@pytest.fixture
def staff(database: None) -> Client:  # noqa: ARG001
    """Somebody who may do everything."""
    from django.contrib.auth.models import User

    call_command("migrate", verbosity=0)
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


def act(client: Client, action: str, *keys: int, across: bool = False, query: str = "") -> Any:
    """What the admin's list does when somebody chooses an action."""
    data = {"action": action, "_selected_action": [str(key) for key in keys], "select_across": str(int(across))}
    return client.post(iri_to_uri(f"/admin/auth/order/{query}"), data)


def test_selected_rows_are_exported_from_the_admin(staff: Client, conn: psycopg.Connection) -> None:
    page = staff.get("/admin/auth/order/").content.decode()
    assert "Export selected orders as CSV" in page
    answer = act(staff, "export_as_csv", 3, 7)
    assert content_of(answer) == copied(conn, "SELECT id, customer FROM orders WHERE id IN (3, 7) ORDER BY id DESC")
    assert answer["Content-Disposition"].startswith('attachment; filename="orders.csv"')
    across = act(staff, "export_as_json", 3, across=True, query="?placed_on=2026-11-02")
    found = json.loads(content_of(across))
    wanted = conn.execute("SELECT id, customer FROM orders WHERE placed_on = '2026-11-02' ORDER BY id DESC").fetchall()
    assert [(row["id"], row["customer"]) for row in found] == wanted
    workbook = load_workbook(BytesIO(content_of(act(staff, "export_as_xlsx", 3, 7))))
    assert [row[0] for row in workbook.worksheets[0].values] == ["id", 7, 3]
    log = conn.execute("SELECT change_message FROM django_admin_log ORDER BY id").fetchall()
    assert log == [("Exported as CSV.",), ("Exported as JSON.",), ("Exported as xlsx.",)]


def test_what_cannot_be_noted_is_not_exported(
    staff: Client, conn: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = _made(DEFAULT_MEMORY, 2, DEFAULT_ROW_LIMIT)
    monkeypatch.setattr("polyglot_export.integrations.limits._room", allowed)
    conn.execute(b"ALTER TABLE django_admin_log ADD CHECK (change_message = 'no')")
    with pytest.raises(IntegrityError):
        act(staff, "export_as_csv", 3)
    assert allowed.budget.running == 0


def test_only_who_may_view_may_export(staff: Client) -> None:
    from django.contrib.auth.models import Permission, User
    from django.contrib.contenttypes.models import ContentType

    assert staff.get("/admin/").status_code == 200
    helper = User.objects.create_user("helper", password="x", is_staff=True)
    request = RequestFactory().get("/")
    request.user = helper
    orders = site.get_model_admin(Order)
    assert "export_as_csv" not in orders.get_actions(request)
    kind = ContentType.objects.get_for_model(Order)
    helper.user_permissions.add(Permission.objects.create(codename="view_order", name="view", content_type=kind))
    request.user = User.objects.get(username="helper")
    assert "export_as_csv" in orders.get_actions(request)


def test_what_the_admin_does_not_show_is_not_exported(staff: Client) -> None:
    """The page of a user shows no hash of a password by which one could be guessed; the file has none either."""
    from django.contrib.auth.admin import UserAdmin
    from django.contrib.auth.models import User

    request = RequestFactory().get("/")
    request.user = User.objects.get(username="boss")
    assert staff.get("/admin/").status_code == 200
    users = type("UserAdmin", (ExportAdminMixin, UserAdmin), {})(User, site)
    assert "password" not in users.get_export_fields(request)
