"""A caller may be read for as a role of the database, with settings that its policies look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from polyglot_export import SpecError
from polyglot_export.integrations import Caller
from tests.library.helpers import as_role, new_role
from tests.mounted.running import App, ask, create, created, download, login, mounted
from tests.mounted.test_rows import copied, finished, lines
from tests.service.client import assert_problem, wait_for

POLICIES = """
CREATE TABLE notes (id int, tenant int, note text, secret text);
INSERT INTO notes SELECT g, g % 5, repeat('note ' || g, 20), 'secret' FROM generate_series(1, 60000) AS g;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes USING (tenant = current_setting('app.tenant')::int);
CREATE VIEW seen WITH (security_barrier) AS SELECT id, tenant FROM notes
    WHERE tenant = current_setting('app.tenant')::int;
GRANT SELECT (id, tenant, note) ON notes TO {role};
GRANT SELECT ON seen TO {role};
ANALYZE notes;
"""
CONFIG = {
    "datasets": {
        "notes": {"table": "public.notes", "columns": ["id", "tenant", "note"]},
        "all of notes": {"table": "public.notes"},
        "seen": {"table": "public.seen"},
        "orders": {"table": "public.orders"},
    }
}


@pytest.fixture(scope="module")
def role(data: str) -> Iterator[str]:
    """A role that reads a tenant's rows of one table, and not all of its columns."""
    with psycopg.connect(data, autocommit=True) as connection, new_role(connection, "tenants") as name:
        connection.execute(POLICIES.format(role=name).encode())
        yield name


@pytest.fixture(scope="module")
def guarded(data: str, role: str) -> Iterator[App]:
    """The app, with a login that may become the role and inherits nothing; exports of it have three workers."""
    with psycopg.connect(data, autocommit=True) as connection, new_role(connection, "gate", "NOINHERIT") as gate:
        connection.execute(f"GRANT {role} TO {gate}; GRANT SELECT (id, tenant, note) ON notes TO {gate}".encode())
        with mounted(as_role(data, gate), CONFIG, workers=3, default_dataset="notes") as running:
            yield running


def of(role: str, tenant: int | str, **rights: Any) -> dict[str, str]:
    """Somebody of a tenant."""
    return login(role=role, settings={"app.tenant": tenant}, **rights)


def test_leader_and_workers_read_as_the_role(guarded: App, data: str, role: str) -> None:
    for tenant in (3, "4"):
        wanted = lines(copied(data, f"SELECT id, tenant, note FROM notes WHERE tenant = {tenant}"))
        assert lines(download(guarded, of(role, tenant))) == wanted
        seen = lines(copied(data, f"SELECT id, tenant FROM notes WHERE tenant = {tenant}"))
        assert lines(download(guarded, of(role, tenant), dataset="seen")) == seen
    # Only a setting, at which the policy looks for the login too.
    wanted = lines(copied(data, "SELECT id, tenant, note FROM notes WHERE tenant = 1"))
    assert lines(download(guarded, login(settings={"app.tenant": 1}))) == wanted


def test_a_login_that_could_do_more_than_the_role_is_refused(data: str, role: str) -> None:
    """Each time: an app's callers are not known before they ask."""
    with mounted(data, CONFIG, default_dataset="notes") as running:
        for answer in (ask(running, "/datasets", of(role, 3)), create(running, of(role, 3))):
            assert_problem(answer, 500, "internal-error")
        export_id = created(running, login())
        answer = ask(running, f"/exports/{export_id}/download", of(role, 3))
        assert_problem(answer, 500, "internal-error")
        wait_for(lambda: "is a superuser" in running.log())


def test_masks_and_conditions_of_an_app(guarded: App, role: str) -> None:
    rows = {"notes": {"sql": "id < :most", "parameters": {"most": {"type": "int", "value": 20}}}}
    who = of(role, 3, rows=rows, mask={"notes": {"note": "left(note, 4)"}})
    assert lines(download(guarded, who)) == [b"13,3,note", b"18,3,note", b"3,3,note", b"8,3,note", b"id,tenant,note"]
    described = ask(guarded, "/datasets/notes", who).json()
    assert [column["type"] for column in described["columns"]] == ["integer", "integer", "text"]


def test_rows_are_filtered_too(guarded: App, role: str) -> None:
    who = of(role, 3, rows={"notes": {"id": [1, 3, 8, 9]}}, columns={"notes": ["id"]})
    assert download(guarded, who, orderBy=[{"column": "id"}]) == b"id\n3\n8\n"


def test_what_the_role_may_not_read_is_not_there(guarded: App, role: str) -> None:
    who = of(role, 3)
    listed = {each["name"]: each for each in ask(guarded, "/datasets", who).json()["datasets"]}
    assert set(listed) == {"notes", "all of notes", "seen"}
    assert [column["name"] for column in listed["all of notes"]["columns"]] == ["id", "tenant", "note"]
    assert {(each["estimatedRows"], each["estimatedBytes"]) for each in listed.values()} == {(None, None)}
    assert_problem(ask(guarded, "/datasets/orders", who), 404, "not-found")
    assert_problem(create(guarded, who, dataset="orders"), 400, "unknown-dataset")
    assert_problem(create(guarded, who, dataset="all of notes", columns=["secret"]), 400, "bad-request", "'secret'")


def test_a_prepared_file_is_given_to_the_same_role_and_settings(guarded: App, data: str, role: str) -> None:
    export_id = finished(guarded, of(role, 3), delivery="file")
    path = f"/exports/{export_id}/download"
    wanted = lines(copied(data, "SELECT id, tenant, note FROM notes WHERE tenant = 3"))
    assert lines(ask(guarded, path, of(role, 3)).body) == wanted
    for other in (of(role, 4), login(), login(role=role), login(settings={"app.tenant": 3})):
        assert_problem(ask(guarded, path, other), 403, "forbidden", "may not read any more")


def test_a_role_that_is_refused_is_the_apps_defect(guarded: App) -> None:
    who = login(role="nobody_at_all")
    for answer in (ask(guarded, "/datasets", who), ask(guarded, "/datasets/notes", who), create(guarded, who)):
        assert_problem(answer, 500, "internal-error")
        assert b"nobody_at_all" not in answer.body
    wait_for(lambda: "what a caller is read as: role: role" in guarded.log())
    assert "nobody_at_all" in guarded.log()
    export_id = created(guarded, login())
    answer = ask(guarded, f"/exports/{export_id}/download", who)
    assert_problem(answer, 500, "internal-error")
    assert b"nobody_at_all" not in answer.body


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"role": "none"}, "role"),
        ({"role": ""}, "role"),
        ({"settings": {"search_path": "mine"}}, "settings"),
        ({"settings": {"app.tenant": None}}, "settings.app.tenant"),
        ({"settings": {"app.tenant'; --": "3"}}, "settings"),
        ({"settings": ["app.tenant"]}, "settings"),
        ({"database": "postgresql://ann:secret@example.org/sales"}, "database"),
        ({"database": "env:A B"}, "database"),
        ({"database": ""}, "database"),
        ({"mask": {"notes": {}}}, "mask.notes"),
        ({"mask": {"notes": {"note": ""}}}, "mask.notes.note"),
        ({"rows": {"notes": {"sql": "id = :id"}}}, "rows.notes.sql"),
        ({"rows": {"notes": {"sql": "id = 1", "parameters": {"id": {"type": "int"}}}}}, "rows.notes.parameters.id"),
        (
            {"rows": {"notes": {"sql": "id = :id", "parameters": {"id": {"type": "int); x"}}}}},
            "rows.notes.parameters.id.type",
        ),
    ],
)
def test_what_cannot_be_set_is_refused_at_once(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecError) as refused:
        Caller(name="ann", datasets="all", **wrong)
    assert refused.value.field == field
