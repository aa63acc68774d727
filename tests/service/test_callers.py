"""Who asks: keys with their scopes, and nothing said about what is another's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from polyglot_export.access.keys import Keys, hash_key, load_keys, new_key
from polyglot_export.access.schema import ExposedTables
from polyglot_export.service.callers import Callers
from polyglot_export.service.errors import Forbidden, Unauthorized
from tests.fixtures.process import Service, serve
from tests.service.client import call, post

ADMIN, REPORTS, NOBODY = new_key(), new_key(), new_key()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def guarded(module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two keys: one for everything, one for two columns of one dataset."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE orders (id int, total numeric, secret text); INSERT INTO orders VALUES (1, 2.50, 'hush')"
        )
        connection.execute("CREATE TABLE staff (id int, salary numeric); INSERT INTO staff VALUES (1, 1000)")
    config = tmp_path_factory.mktemp("config") / "polyglot.toml"
    config.write_text(
        f"""
[datasets.orders]
table = "public.orders"
[datasets.staff]
table = "public.staff"
[datasets.revenue]
query = "select sum(total) as revenue from public.orders"
[keys.admin]
hash = "{hash_key(ADMIN)}"
[keys.reports]
hash = "{hash_key(REPORTS)}"
datasets = ["orders"]
columns = {{ orders = ["id", "total"] }}
"""
    )
    with serve(module_dsn, config=config, default_dataset="orders") as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(NOBODY),
        bearer(""),
        {"Authorization": "Basic eDp5"},
        {"Authorization": ADMIN},
        bearer(hash_key(ADMIN)),
        bearer(ADMIN[:-1]),
    ],
)
def test_no_key_is_401(guarded: Service, headers: dict[str, str]) -> None:
    export_id = post(guarded, {"format": "csv"}, headers=bearer(ADMIN)).json()["exportId"]
    for path in (
        "/datasets",
        "/exports",
        f"/exports/{export_id}",
        f"/exports/{export_id}/download",
        "/exports/benchmark",
    ):
        answer = call(guarded, path, headers=headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["code"] == "unauthorized"
    assert post(guarded, {"format": "csv"}, headers=headers).status == 401
    assert call(guarded, f"/exports/{export_id}", method="DELETE", headers=headers).status == 401


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/openapi.json", "/docs"])
def test_what_needs_no_key(guarded: Service, path: str) -> None:
    assert call(guarded, path).status == 200


def test_a_key_sees_its_scope(guarded: Service) -> None:
    def names(key: str) -> list[str]:
        return [dataset["name"] for dataset in call(guarded, "/datasets", headers=bearer(key)).json()["datasets"]]

    assert names(ADMIN) == ["orders", "staff", "revenue"]
    assert names(REPORTS) == ["orders"]
    shown = call(guarded, "/datasets/orders", headers=bearer(REPORTS)).json()
    assert [column["name"] for column in shown["columns"]] == ["id", "total"]
    assert call(guarded, "/datasets/staff", headers=bearer(REPORTS)).status == 404


@pytest.mark.parametrize(
    "spec",
    [
        {"dataset": "staff"},
        {"dataset": "public.orders"},
        {"columns": [{"source": "secret"}]},
        {"filter": [{"column": "secret", "op": "like", "value": "h%"}]},
        {"orderBy": [{"column": "secret"}]},
        {"splitBy": "secret"},
    ],
)
def test_what_is_out_of_scope_does_not_exist(guarded: Service, spec: dict[str, object]) -> None:
    answer = post(guarded, {"format": "csv", **spec}, headers=bearer(REPORTS))
    assert answer.status == 400
    assert "there is no" in answer.json()["error"]
    assert b"hush" not in answer.body


def test_all_columns_are_the_keys_columns(guarded: Service) -> None:
    def export(key: str) -> bytes:
        export_id = post(guarded, {"format": "csv"}, headers=bearer(key)).json()["exportId"]
        return call(guarded, f"/exports/{export_id}/download", headers=bearer(key)).body

    assert export(REPORTS) == b"id,total\n1,2.50\n"
    assert export(ADMIN) == b"id,total,secret\n1,2.50,hush\n"


def test_the_order_of_rows_tells_nothing_of_hidden_columns(module_dsn: str, tmp_path: Path) -> None:
    """The primary key that is added behind the sort keys is not offered here: equal rows keep their own order."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE pay (salary int PRIMARY KEY, name text, team text);"
            "INSERT INTO pay SELECT 100 - n, 'name ' || n, 'team' FROM generate_series(1, 50) AS n"
        )
    config = tmp_path / "polyglot.toml"
    config.write_text('[datasets.pay]\ntable = "public.pay"\ncolumns = ["name", "team"]\n')
    with serve(module_dsn, config=config) as service:
        answer = post(service, {"format": "csv", "dataset": "pay", "orderBy": [{"column": "team"}]})
        body = call(service, f"/exports/{answer.json()['exportId']}/download").body.decode()
    assert body.splitlines()[1:] == [f"name {n},team" for n in range(1, 51)]


def test_a_job_belongs_to_its_key(guarded: Service) -> None:
    export_id = post(guarded, {"format": "csv"}, headers=bearer(ADMIN)).json()["exportId"]
    for method, path in (("GET", ""), ("GET", "/download"), ("HEAD", "/download"), ("DELETE", "")):
        assert call(guarded, f"/exports/{export_id}{path}", method=method, headers=bearer(REPORTS)).status == 404
    assert call(guarded, f"/exports/{export_id}", headers=bearer(ADMIN)).status == 200
    mine = call(guarded, "/exports?limit=500", headers=bearer(REPORTS)).json()["exports"]
    assert export_id not in [item["exportId"] for item in mine]


def test_keys_are_not_in_the_log(guarded: Service) -> None:
    export_id = post(guarded, {"format": "csv"}, headers=bearer(REPORTS)).json()["exportId"]
    call(guarded, f"/exports/{export_id}/download", headers=bearer(REPORTS))
    log = guarded.log()
    assert "key=reports" in log
    assert REPORTS not in log
    assert hash_key(REPORTS) not in log


HASH = hash_key("x")


@pytest.mark.anyio
async def test_keys_are_random_and_compared_whole() -> None:
    assert len({new_key() for _ in range(100)}) == 100
    keys = load_keys({"keys": {"a": {"hash": hash_key("right")}, "b": {"hash": hash_key("left")}}})
    callers = Callers(keys, ExposedTables.public())
    assert (await callers.identify("Bearer right")).name == "a"
    assert (await callers.identify("bearer left")).name == "b"
    for wrong in (None, "", "Bearer", "Bearer righ", "Bearer right2", "Basic right", hash_key("right")):
        with pytest.raises(Unauthorized):
            await callers.identify(wrong)


def test_the_owner_of_a_job_has_the_rights_of_today() -> None:
    keys = load_keys({"keys": {"a": {"hash": HASH}}})
    assert Callers(keys, ExposedTables.public()).owner("a").name == "a"
    with pytest.raises(Forbidden):
        Callers(keys, ExposedTables.public()).owner("revoked")
    with pytest.raises(Forbidden):
        Callers(keys, ExposedTables.public()).owner(None)
    with pytest.raises(Forbidden):
        Callers(Keys(), ExposedTables.public()).owner("a")
    assert Callers(Keys(), ExposedTables.public()).owner(None).name is None
