"""Who may: loopback without keys, scopes with keys, and nothing said about what is another's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.keys import Keys, hash_key, load_keys, new_key
from polyglot_export.access.schema import ExposedTables
from polyglot_export.errors import SpecError, UnknownDataset
from polyglot_export.service.callers import Callers
from polyglot_export.service.config.file import load_configuration
from polyglot_export.service.errors import Forbidden, Unauthorized
from polyglot_export.service.sockets import check_binding
from tests.fixtures.process import Service, cli, serve
from tests.service.client import call, create, job, post

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


# --- without keys ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local(module_dsn: str) -> Iterator[Service]:
    """A service without configuration."""
    with serve(module_dsn) as running:
        yield running


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8080"])
def test_loopback_names_are_answered(local: Service, host: str) -> None:
    assert status_for_host(local, host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:127.0.0.1", "", "0.0.0.0"],
)
def test_other_names_are_not(local: Service, host: str) -> None:
    """DNS rebinding: a page's own name that points to this machine."""
    assert status_for_host(local, host) == 403


def status_for_host(service: Service, host: str) -> int:
    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as raw:
        raw.sendall(f"GET /datasets HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return int(raw.recv(100).split()[1])


def test_a_page_cannot_post_without_asking_first(local: Service) -> None:
    """What a browser sends to another site without a preflight: no JSON, or no type at all."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = call(
            local, "/exports", method="POST", body=b'{"format":"csv"}', headers={"Content-Type": content_type}
        )
        assert answer.status == 415
    assert (
        "access-control-allow-origin" not in call(local, "/datasets", headers={"Origin": "http://evil.example"}).headers
    )


def test_the_tables_of_schema_public_are_offered(local: Service) -> None:
    names = {dataset["name"] for dataset in call(local, "/datasets").json()["datasets"]}
    assert {"orders", "staff"} <= names
    export_id = create(local, dataset="orders")
    assert call(local, f"/exports/{export_id}/download").status == 200
    assert job(local, export_id)["status"] == "completed"
    assert post(local, {"format": "csv", "dataset": "pg_catalog.pg_class"}).status == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_without_keys_the_network_is_refused(dsn: str, host: str) -> None:
    done = cli("serve", "--host", host, "--port", "0", dsn=dsn)
    assert done.returncode == 2, done.stderr
    said = done.stderr.decode()
    assert "no keys are configured" in said
    assert "Traceback" not in said


def test_with_keys_the_network_is_allowed() -> None:
    keys = load_keys({"keys": {"a": {"hash": hash_key("x")}}})
    check_binding("0.0.0.0", keys)
    check_binding("127.0.0.1", Keys())
    check_binding("::1", Keys())
    with pytest.raises(SpecError, match="cannot be resolved"):
        check_binding("no-such-host.invalid", keys)


# --- the configuration file ------------------------------------------------------------------------------------------

HASH = hash_key("x")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[keys.a]\nhash = 'x'", ["keys.a.hash", "sha256:"]),
        (f"[keys.a]\nhash = '{HASH.upper()}'", ["keys.a.hash"]),
        ("[keys.a]", ["keys.a.hash"]),
        ("keys = 3", ["keys"]),
        (f"[keys.a]\nhash = '{HASH}'\ncolour = 1", ["keys.a", "'colour'"]),
        (f"[keys.a]\nhash = '{HASH}'\ndatasets = 'orders'", ["keys.a.datasets", "list"]),
        (
            f"[keys.a]\nhash = '{HASH}'\ndatasets = ['ordres']\n[datasets.orders]\ntable = 'orders'",
            ["keys.a", "'ordres'"],
        ),
        (
            f"[keys.a]\nhash = '{HASH}'\ncolumns = {{ orders = ['nope'] }}\n[datasets.orders]\ntable = 'orders'\ncolumns = ['id']",
            ["keys.a.columns.orders", "'nope'"],
        ),
        (
            f"[keys.a]\nhash = '{HASH}'\ncolumns = {{ orders = [] }}\n[datasets.orders]\ntable = 'orders'",
            ["keys.a.columns.orders", "empty"],
        ),
        (f"[keys.a]\nhash = '{HASH}'\n[keys.b]\nhash = '{HASH}'", ["keys", "same hash"]),
        ("[datasets.a]\ntable = 'a'\nquery = 'select 1'", ["datasets.a", "either"]),
        ("[databases.a]", ["'databases'", "datasets and keys"]),
        ("[datasets", ["polyglot.toml"]),
    ],
)
def test_a_wrong_configuration_is_said_at_the_start(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        load_configuration(path)
    assert str(path) in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_a_missing_file_that_was_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"nope\.toml"):
        load_configuration(tmp_path / "nope.toml")


def test_with_keys_nothing_is_offered_that_is_not_named(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(f"[keys.a]\nhash = '{HASH}'")
    exposure = load_configuration(path).exposure
    assert isinstance(exposure, ConfiguredDatasets)
    with pytest.raises(UnknownDataset):
        exposure.resolve("records")
    path.write_text("# nothing yet\n")
    assert isinstance(load_configuration(path).exposure, ExposedTables)


def test_the_example_is_a_configuration() -> None:
    configuration = load_configuration(Path(__file__).parents[2] / "polyglot.example.toml")
    assert isinstance(configuration.exposure, ConfiguredDatasets)
    assert configuration.exposure.datasets


def test_keys_are_random_and_compared_whole() -> None:
    assert len({new_key() for _ in range(100)}) == 100
    keys = load_keys({"keys": {"a": {"hash": hash_key("right")}, "b": {"hash": hash_key("left")}}})
    callers = Callers(keys, ExposedTables.public())
    assert callers.identify("Bearer right").name == "a"
    assert callers.identify("bearer left").name == "b"
    for wrong in (None, "", "Bearer", "Bearer righ", "Bearer right2", "Basic right", hash_key("right")):
        with pytest.raises(Unauthorized):
            callers.identify(wrong)


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


def test_what_is_wrong_is_said_with_its_place_and_without_the_words_of_a_library(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    for text, message in (
        ("[datasets.a]\ntable = 3", "datasets.a.table: must be a string (got 3)"),
        ("[datasets.a]\nquery = ''", "datasets.a.query: must have at least 1 character (got '')"),
        ("[datasets.a]", "datasets.a: give either table or query"),
        ("[datasets]\na = 1", "datasets.a: must be an object with the members table, query, columns (got 1)"),
        ("datasets = 1", "datasets: must be tables such as [datasets.NAME]"),
        ("[datasets.'']\ntable = 'a'", "datasets: an entry must have a name"),
        (
            "[datasets.a]\ntable = 'a'\ncolums = ['b']",
            "datasets.a: unknown member 'colums'; allowed are table, query, columns",
        ),
        ("[other]", "unknown table 'other'; datasets and keys are allowed"),
    ):
        path.write_text(text)
        with pytest.raises(SpecError) as caught:
            load_configuration(path)
        assert str(caught.value) == f"{path}: {message}"
