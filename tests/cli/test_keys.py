"""``polyglot keys`` makes, lists, rotates and ends keys, and changes nothing else in the file."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from polyglot_export.access.keys import hash_key, load_keys, new_key
from tests.cli.helpers import complaint, succeeded
from tests.fixtures.process import Cli, Serve
from tests.service.client import call, post

OLD = new_key()
FILE = f"""# What we offer.
datasets.orders.table = "public.orders"   # all of it

[keys.reports]   # the finance team
hash = "{hash_key(OLD)}"
datasets = ["orders"]

[webhooks.done]
url = "https://example.com/done"
secret_env = "DONE"

[keys."The night's \\"job\\""]
hashes = [ "{hash_key("one")}",   # the first
           "{hash_key("two")}" ]
scopes = ["read"]
"""
NIGHT = 'The night\'s "job"'


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "polyglot.toml"
    path.write_text(FILE)
    return path


def read(path: Path) -> Any:
    return tomllib.loads(path.read_text())


def told(stderr: bytes) -> str:
    """The key that a command has shown."""
    found = re.search(r"^polyglot: the key, shown only now: (\S{40,})$", stderr.decode(), re.MULTILINE)
    assert found is not None
    return found[1]


def lines_changed(before: str, after: str) -> list[str]:
    changes = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in changes if line[0] in "-+"]


def test_a_key_and_its_hash(cli: Cli) -> None:
    done = cli("keys", "reports")
    table = tomllib.loads(succeeded(done).decode())
    found = re.fullmatch(r"polyglot: the key, shown only now: (\S{40,})\n", done.stderr.decode())
    assert found is not None
    digest = "sha256:" + hashlib.sha256(found[1].encode()).hexdigest()
    # It reads nothing until datasets are named.
    assert table == {"keys": {"reports": {"hash": digest, "datasets": []}}}
    assert found[1] not in done.stdout.decode()


def test_two_keys_differ(cli: Cli) -> None:
    assert cli("keys", "a").stdout != cli("keys", "a").stdout


@pytest.mark.parametrize(
    "name", ['The "finance" team', "Zoë 😀", "a\x7fb", "list"], ids=["quotes", "wide", "delete", "command"]
)
def test_a_key_of_ones_own(cli: Cli, name: str) -> None:
    done = cli("keys", "new", name, "--stdin", stdin=b"my own key\n")
    digest = "sha256:" + hashlib.sha256(b"my own key").hexdigest()
    assert tomllib.loads(succeeded(done).decode()) == {"keys": {name: {"hash": digest, "datasets": []}}}
    assert done.stderr == b""


def test_a_key_works_in_a_configuration(cli: Cli) -> None:
    """What the command prints is what the service reads."""
    from polyglot_export.access.keys import load_keys

    done = cli("keys", "reports")
    key = done.stderr.decode().split()[-1]
    keys = load_keys(tomllib.loads(done.stdout.decode()))
    found = keys.find(key)
    assert found is not None
    assert found.name == "reports"


def test_what_it_may_do_and_for_how_long(cli: Cli) -> None:
    options = ("--datasets", "orders, revenue", "--datasets", "staff", "--scopes", "read,metrics")
    table = tomllib.loads(succeeded(cli("keys", "k", *options, "--expires", "2031-01-31")).decode())["keys"]["k"]
    assert table["datasets"] == ["orders", "revenue", "staff"]
    assert table["scopes"] == ["read", "metrics"]
    assert table["expires"] == datetime(2031, 1, 31, tzinfo=UTC)
    table = tomllib.loads(succeeded(cli("keys", "--datasets", "all", "--expires", "2h", "k")).decode())["keys"]["k"]
    assert "datasets" not in table
    left = table["expires"] - datetime.now(UTC)
    assert timedelta(hours=1, minutes=50) < left <= timedelta(hours=2)


def test_a_key_is_added_to_the_file(cli: Cli, config: Path) -> None:
    before = config.read_text()
    config.chmod(0o640)
    done = cli("keys", "more", "--datasets", "orders", "--write", str(config))
    assert succeeded(done) == b""
    added = config.read_text().removeprefix(before)
    assert len(added) < len(config.read_text())
    assert tomllib.loads(added) == {"keys": {"more": {"hash": hash_key(told(done.stderr)), "datasets": ["orders"]}}}
    assert config.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in config.parent.iterdir()] == [config.name]
    new = config.parent / "new.toml"
    succeeded(cli("keys", "first", "--write", str(new)))
    assert list(read(new)["keys"]) == ["first"]


def test_a_link_stays_one(cli: Cli, config: Path) -> None:
    link = config.parent / "link.toml"
    link.symlink_to(config.name)
    succeeded(cli("keys", "more", "--write", str(link)))
    assert link.is_symlink()
    assert "more" in read(config)["keys"]


def test_the_key_before_holds_on_for_a_while(cli: Cli, config: Path) -> None:
    before = config.read_text()
    done = cli("keys", "rotate", "reports", "--keep", "2d", "--config", str(config))
    assert succeeded(done) == b""
    table = read(config)["keys"]["reports"]
    assert table["hash"] == hash_key(told(done.stderr))
    (kept,) = table["hashes"]
    assert kept["hash"] == hash_key(OLD)
    left = kept["expires"] - datetime.now(UTC)
    assert timedelta(days=1, hours=23) < left <= timedelta(days=2)
    # Nothing else has changed, comments and blanks neither.
    assert [line[:10] for line in lines_changed(before, config.read_text())] == [
        '- hash = "',
        '+ hash = "',
        "+ hashes =",
    ]
    # The one before that keeps its own, earlier end; one that has ended goes.
    succeeded(cli("keys", "rotate", "reports", "--keep", "9d", "--config", str(config)))
    ends = [each["expires"] - datetime.now(UTC) for each in read(config)["keys"]["reports"]["hashes"]]
    assert [round(end / timedelta(days=1)) for end in ends] == [9, 2]
    done = cli("keys", "rotate", "reports", "--keep", "0", "--config", str(config))
    assert "the one before is gone" in done.stderr.decode()
    assert set(read(config)["keys"]["reports"]) == {"hash", "datasets"}
    assert load_keys(read(config)).find(OLD) is None


def test_several_hashes_and_an_odd_name(cli: Cli, config: Path) -> None:
    done = cli("keys", "rotate", NIGHT, "--stdin", "--config", str(config), stdin=b"three")
    assert succeeded(done) == b""
    keys = load_keys(read(config))
    for key in ("one", "two", "three"):
        found = keys.find(key)
        assert found is not None
        assert found.name == NIGHT
        assert (found.hash.expires is None) == (key == "three")


def test_a_key_is_ended(cli: Cli, config: Path) -> None:
    before = config.read_text()
    done = cli("keys", "expire", "reports", env={"POLYGLOT_CONFIG": str(config)})
    assert succeeded(done) == b""
    end = read(config)["keys"]["reports"]["expires"]
    assert timedelta() <= datetime.now(UTC) - end < timedelta(minutes=5)
    assert done.stderr.decode().startswith(f"polyglot: {config}: reports ends at {end:%Y-%m-%dT%H:%M:%SZ}; ")
    assert [line[:6] for line in lines_changed(before, config.read_text())] == ["+ expi"]
    succeeded(cli("keys", "expire", "reports", "--at", "2031-05-01T12:00:00+02:00", "--config", str(config)))
    assert read(config)["keys"]["reports"]["expires"] == datetime(2031, 5, 1, 10, tzinfo=UTC)


def test_the_list(cli: Cli, config: Path, tmp_path: Path) -> None:
    with config.open("a") as file:
        file.write(
            f'[keys.gateway]\ncertificates = ["CN=gateway"]\n'
            f'[keys.gone]\nhash = "{hash_key("gone")}"\nexpires = 2020-01-01\ndatasets = []\ncertificates = ["CN=gone"]\n'
            f'[keys.later]\nhash = "{hash_key("later")}"\nnotBefore = 2031-01-01\nexpires = 2032-01-01\n'
        )
    text = succeeded(cli("keys", "list", "--config", str(config))).decode()
    rows = [re.split(r"  +", line) for line in text.splitlines()]
    usual = "read, export, cancel, metrics"
    assert rows == [
        ["name", "hashes", "datasets", "scopes", "holds"],
        ["reports", "1", "orders", usual, "always"],
        [NIGHT, "2", "all", "read", "always"],
        ["gateway", "0", "all", usual, "always"],
        ["gone", "1", "none", usual, "ended 2020-01-01T00:00:00Z"],
        ["later", "1", "all", usual, "from 2031-01-01T00:00:00Z until 2032-01-01T00:00:00Z"],
    ]
    events = [
        {"time": "2026-05-01T00:00:00.000Z", "caller": "reports", "address": "::1"},
        {"time": "2026-05-03T00:00:00.000Z", "caller": "reports", "address": "::1"},
        # Not by a request.
        {"time": "2026-05-04T00:00:00.000Z", "caller": "reports"},
        {"time": "2026-05-05T00:00:00.000Z", "address": "::1"},
    ]
    log, older = tmp_path / "audit.log", tmp_path / "audit.log.1"
    log.write_text("".join(json.dumps(each) + "\n" for each in events))
    older.write_text(json.dumps({"time": "2026-04-01T00:00:00.000Z", "caller": "gone", "address": "::1"}) + "\n")
    done = cli("keys", "list", "--config", str(config), "--audit", str(log), "--audit", str(older))
    last = [re.split(r"  +", line)[-1] for line in succeeded(done).decode().splitlines()]
    assert last == ["last used", "2026-05-03T00:00:00.000Z", "–", "–", "2026-04-01T00:00:00.000Z", "–"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("x", "--stdin"), "standard input holds no key"),
        (("x", "--scopes", "reed"), "--scopes: 'reed' is none; there are read, export, cancel, list-all, metrics"),
        (("x", "--expires", "soon"), "--expires: must be a time with its offset such as"),
        (("x", "--expires", "2031-01-01T00:00:00"), "--expires: must be a time with its offset such as"),
        (("x", "--datasets", "none", "--write", "FILE"), "FILE: keys.x.datasets: there is no dataset 'none'"),
        (("reports", "--write", "FILE"), "FILE: keys.reports: is there already; polyglot keys rotate reports gives"),
        (("rotate", "nobody", "--config", "FILE"), "FILE: there is no key 'nobody'; the file has "),
        (("rotate", "reports", "--keep", "-1d", "--config", "FILE"), "--keep: must not be negative"),
        (("rotate", "reports", "--keep", "long", "--config", "FILE"), "--keep: must be a time with its offset"),
        (("expire", "nobody", "--config", "FILE"), "FILE: there is no key 'nobody'"),
        (("list", "--config", "nowhere.toml"), "nowhere.toml: cannot be read: No such file or directory"),
        (("list", "--config", "FILE", "--audit", "FILE"), "FILE: line 1: is no line of an audit log"),
        (("new",), "keys new: Missing argument 'NAME'"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(
    cli: Cli, config: Path, arguments: tuple[str, ...], reason: str
) -> None:
    before = config.read_text()
    said = complaint(
        cli("keys", *(str(config) if each == "FILE" else each for each in arguments), cwd=config.parent), 2
    )
    assert reason.replace("FILE", str(config)) in said
    assert config.read_text() == before
    assert list(config.parent.iterdir()) == [config]


def test_a_running_service_takes_what_is_written(
    cli: Cli, serve: Serve, dsn: str, conn: psycopg.Connection, config: Path
) -> None:
    conn.execute("CREATE TABLE orders AS SELECT 1 AS id")
    config.write_text(f'[datasets.orders]\ntable = "public.orders"\n[keys.reports]\nhash = "{hash_key(OLD)}"\n')
    pid_file = config.parent / "pid"
    log = config.parent / "audit.log"
    with serve(dsn, config=config, pid_file=pid_file, audit_log=log) as service:

        def status(key: str) -> int:
            return call(service, "/datasets", headers=bearer(key)).status

        def reloaded() -> None:
            succeeded(cli("reload", "--pid-file", str(pid_file)))

        new = told(cli("keys", "rotate", "reports", "--config", str(config)).stderr)
        reloaded()
        assert (status(OLD), status(new)) == (200, 200)
        newest = told(cli("keys", "rotate", "reports", "--keep", "0", "--config", str(config)).stderr)
        reloaded()
        assert (status(OLD), status(new), status(newest)) == (401, 401, 200)
        nothing = told(cli("keys", "other", "--write", str(config)).stderr)
        succeeded(cli("keys", "expire", "reports", "--config", str(config)))
        reloaded()
        assert (status(newest), status(nothing)) == (401, 200)
        assert call(service, "/datasets", headers=bearer(nothing)).json() == {"datasets": []}
        # What the service has written tells who was here: one of the two has made an export.
        succeeded(cli("keys", "expire", "reports", "--at", "1d", "--config", str(config)))
        reloaded()
        assert post(service, {"format": "csv", "dataset": "orders"}, headers=bearer(newest)).status == 201
        listed = succeeded(cli("keys", "list", "--config", str(config), "--audit", str(log))).decode()
        used = {row[0]: row[-1] for row in (re.split(r"  +", line) for line in listed.splitlines()[1:])}
        assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(used["reports"]) < timedelta(minutes=5)
        assert used["other"] == "–"
