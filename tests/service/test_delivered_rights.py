"""Who may have exports delivered, and where to; what a key has lost is lost at its next call."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyglot_export.access.keys import hash_key, new_key
from tests.fixtures.process import Service, cli, serve
from tests.service.client import Answer, assert_problem, call, post, wait_for

ONE, OTHER = new_key(), new_key()


def config(folder: Path, *, one: str = 'destinations = ["lake"]', small: str = "", lake: str | None = None) -> str:
    """Two keys, of which one may use the destination ``lake``."""
    return f"""
[datasets.small]
table = "public.small"
{small}
[datasets.records]
table = "public.records"
[destinations.lake]
url = "{lake or folder / "lake"}"
[destinations.other]
url = "{folder / "other"}"
[keys.one]
hash = "{hash_key(ONE)}"
{one}
[keys.other]
hash = "{hash_key(OTHER)}"
"""


@pytest.fixture
def service(records: str, tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "polyglot.toml").write_text(config(tmp_path))
    with serve(records, config=tmp_path / "polyglot.toml", workers=2) as running:
        yield running


def ask(service: Service, key: str, **spec: object) -> Answer:
    headers = {"Authorization": f"Bearer {key}"}
    return post(service, {"format": "csv", "delivery": "store", "destination": "lake", **spec}, headers=headers)


def as_key(service: Service, key: str, path: str) -> Answer:
    return call(service, path, headers={"Authorization": f"Bearer {key}"})


def reload(service: Service, folder: Path, text: str, word: str = "configuration reloaded") -> None:
    before = service.log().count(word)
    (folder / "polyglot.toml").write_text(text)
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: service.log().count(word) > before)


def delivered(service: Service, **spec: object) -> str:
    """The path of an export of the first key that is complete."""
    answer = ask(service, ONE, **spec)
    assert answer.status == 201, answer
    path = f"/exports/{answer.json()['exportId']}"
    wait_for(lambda: as_key(service, ONE, path).json()["status"] == "completed")
    return path


def test_a_key_names_its_destinations(service: Service) -> None:
    path = delivered(service, dataset="small")
    assert as_key(service, ONE, f"{path}/files/0").status == 200
    # None of them is offered to a key that names none, and what there is is not told.
    refused = ask(service, OTHER, dataset="small")
    assert_problem(refused, 400, "bad-request", "no destination 'lake'", "allowed are: none")
    assert_problem(ask(service, ONE, dataset="small", destination="other"), 400, "bad-request", "allowed are: lake")
    for what in ("", "/files", "/files/0"):
        assert as_key(service, OTHER, f"{path}{what}").status == 404
        assert call(service, f"{path}{what}").status == 401


def test_rights_that_were_taken_away(service: Service, tmp_path: Path) -> None:
    path = delivered(service, datasets=["small", "records"])
    narrow = delivered(service, datasets=[{"dataset": "small", "columns": ["id"]}])
    reload(service, tmp_path, config(tmp_path, one='destinations = ["lake"]\ndatasets = ["small"]'))
    for what in ("/files", "/files/0"):
        assert_problem(as_key(service, ONE, f"{path}{what}"), 403, "forbidden", "may not read any more")
    assert as_key(service, ONE, f"{narrow}/files/0").status == 200
    reload(service, tmp_path, config(tmp_path, small='columns = ["id", "name"]'))
    assert_problem(as_key(service, ONE, f"{path}/files"), 403, "forbidden", "may not read any more")
    assert as_key(service, ONE, f"{narrow}/files/0").status == 200
    reload(service, tmp_path, config(tmp_path, one=""))
    assert_problem(as_key(service, ONE, f"{narrow}/files"), 403, "forbidden", "destination 'lake'")
    reload(service, tmp_path, config(tmp_path, lake=str(tmp_path / "elsewhere")))
    assert_problem(as_key(service, ONE, f"{narrow}/files"), 503, "file-missing", "is another place")
    reload(service, tmp_path, config(tmp_path))
    assert as_key(service, ONE, f"{path}/files").status == 200


def test_the_first_object_store_needs_a_restart(service: Service, tmp_path: Path) -> None:
    reload(service, tmp_path, config(tmp_path, lake="s3://bucket/lake"), "configuration not reloaded")
    assert "the first one of s3:// needs a restart" in service.log()
    assert as_key(service, ONE, delivered(service, dataset="small")).status == 200


def test_check_tells_of_every_destination(records: str, tmp_path: Path) -> None:
    file = tmp_path / "polyglot.toml"
    (tmp_path / "taken").write_text("")
    file.write_text(config(tmp_path, lake=str(tmp_path / "taken")))
    done = cli("check", "--config", str(file), dsn=records)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.decode().splitlines()
    assert f"ok       destination other: {tmp_path / 'other'}" in lines
    (problem,) = [line for line in lines if "destination lake" in line]
    assert problem.startswith("problem")
    assert "Not a directory" in problem
