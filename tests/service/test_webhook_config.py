"""The ``[webhooks.…]`` tables: what is wrong is said with its place, and never with the secret or the URL."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from polyglot_export.access.keys import hash_key
from polyglot_export.access.schema import ExposedTables
from polyglot_export.errors import SpecError
from polyglot_export.service.config.file import load_configuration
from tests.fixtures.process import cli
from tests.service.webhook_receiver import new_secret

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
"""The same in every worker of pytest, as it is in the names of tests."""
HTTPS = 'url = "https://hooks.example/T0KEN"\n'
GOOD = f'secret = "{SECRET}"\n'


def encoded(size: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * size).decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD, ["webhooks.a.url", "missing"]),
        (HTTPS, ["webhooks.a", "one of secret, secret_env and secret_file"]),
        (HTTPS + GOOD + 'secret_env = "X"', ["webhooks.a", "one of secret"]),
        (HTTPS + f'secret = "{SECRET[6:]}"', ["webhooks.a.secret", "whsec_", "24 to 64 bytes"]),
        (HTTPS + f'secret = "{encoded(23)}"', ["webhooks.a.secret", "24 to 64 bytes"]),
        (HTTPS + f'secret = "{encoded(65)}"', ["webhooks.a.secret", "24 to 64 bytes"]),
        (HTTPS + f'secret = "{SECRET}!"', ["webhooks.a.secret", "Base64"]),
        (HTTPS + f'secret = ["{SECRET}", 3]', ["webhooks.a.secret", "list of strings"]),
        (HTTPS + "secret = []", ["webhooks.a.secret", "list of strings"]),
        (HTTPS + f"secret = {[SECRET] * 5}", ["webhooks.a.secret", "from 1 to 4"]),
        (HTTPS + 'secret_env = "POLYGLOT_TEST_NOT_SET"', ["webhooks.a.secret_env", "no environment variable"]),
        (HTTPS + 'secret_file = "/nowhere/secret"', ["webhooks.a.secret_file", "No such file"]),
        ('url = "http://hooks.example/T0KEN"\n' + GOOD, ["webhooks.a.url", "https", "insecure = true"]),
        ('url = "ftp://hooks.example/T0KEN"\n' + GOOD, ["webhooks.a.url", "http or https"]),
        ('url = "https:///T0KEN"\n' + GOOD, ["webhooks.a.url", "host"]),
        ('url = "https://hooks.example:0/T0KEN"\n' + GOOD, ["webhooks.a.url", "host"]),
        ('url = "https://hooks.example:x/T0KEN"\n' + GOOD, ["webhooks.a.url", "not a URL"]),
        ('url = "https://user:T0KEN@hooks.example/"\n' + GOOD, ["webhooks.a.url", "user name"]),
        ('url = "https://hooks.example/#T0KEN"\n' + GOOD, ["webhooks.a.url", "fragment"]),
        ('url = "https://hooks.example/T0KEN X"\n' + GOOD, ["webhooks.a.url", "visible ASCII"]),
        ('url = "https://hooks.example/T0KEN\\r\\nX: y"\n' + GOOD, ["webhooks.a.url", "visible ASCII"]),
        ("url = 3\n" + GOOD, ["webhooks.a.url", "http or https"]),
        (HTTPS + GOOD + "timeout = 0", ["webhooks.a.timeout", "above zero"]),
        (HTTPS + GOOD + "timeout = true", ["webhooks.a.timeout", "above zero"]),
        (HTTPS + GOOD + "timeout = nan", ["webhooks.a.timeout", "above zero"]),
        (HTTPS + GOOD + 'timeout = "2min"', ["webhooks.a.timeout", "at most 60"]),
        (HTTPS + GOOD + 'timeout = "soon"', ["webhooks.a.timeout", "ms, s, min"]),
        (HTTPS + GOOD + 'retry_delays = "5s"', ["webhooks.a.retry_delays", "list"]),
        (HTTPS + GOOD + "retry_delays = [1, 0]", ["webhooks.a.retry_delays.1", "above zero"]),
        (HTTPS + GOOD + 'retry_delays = ["2d"]', ["webhooks.a.retry_delays.0", "at most 86400"]),
        (HTTPS + GOOD + f"retry_delays = {[1] * 11}", ["webhooks.a.retry_delays", "at most 10"]),
        (HTTPS + GOOD + "colour = 1", ["webhooks.a", "'colour'", "retry_delays"]),
    ],
)
def test_a_wrong_webhook_is_said_and_not_shown(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(f"[webhooks.a]\n{text}\n")
    with pytest.raises(SpecError) as caught:
        load_configuration(path)
    sentence = str(caught.value)
    for word in [str(path), *words]:
        assert word in sentence
    assert "T0KEN" not in sentence
    assert SECRET[6:] not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    "text", [f'webhooks = "{SECRET}"', f'[webhooks]\na = "{SECRET}"', f'[webhooks]\na = ["{SECRET}"]']
)
def test_a_secret_in_the_wrong_place_is_not_shown(tmp_path: Path, text: str) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match="table") as caught:
        load_configuration(path)
    assert SECRET not in str(caught.value)


def test_a_secret_comes_from_the_file_the_environment_or_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new_secret()
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    monkeypatch.setenv("HOOK_SECRETS", f"{SECRET} {other}")
    path = tmp_path / "polyglot.toml"
    tables = {
        "table": GOOD,
        "list": f'secret = ["{SECRET}", "{other}"]',
        "file": f'secret_file = "{tmp_path / "secret"}"',
        "variables": 'secret_env = "HOOK_SECRETS"',
    }
    path.write_text("\n".join(f"[webhooks.{name}]\n{HTTPS}{text}" for name, text in tables.items()))
    found = load_configuration(path).webhooks
    key, next_key = (base64.b64decode(secret[6:]) for secret in (SECRET, other))
    assert {name: webhook.keys for name, webhook in found.items()} == {
        "table": (key,),
        "list": (key, next_key),
        "file": (key,),
        "variables": (key, next_key),
    }
    shown = repr(found)
    assert "T0KEN" not in shown
    assert SECRET[6:] not in shown
    assert repr(key) not in shown


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_http_may_lead_to_this_machine(tmp_path: Path, host: str) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(f'[webhooks.a]\nurl = "http://{host}:9/x"\n{GOOD}')
    assert load_configuration(path).webhooks["a"].timeout == 15


def test_insecure_http_must_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(f'[webhooks.a]\nurl = "http://receiver.internal/x"\ninsecure = true\n{GOOD}')
    assert load_configuration(path).webhooks["a"].insecure


def test_webhooks_alone_do_not_change_what_is_offered(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(f"[webhooks.a]\n{HTTPS}{GOOD}")
    assert isinstance(load_configuration(path).exposure, ExposedTables)


def test_a_key_names_its_webhooks(tmp_path: Path) -> None:
    path = tmp_path / "polyglot.toml"
    webhook = f"[webhooks.a]\n{HTTPS}{GOOD}\n"
    key = f'[keys.k]\nhash = "{hash_key("x")}"\n'
    path.write_text(webhook + key + 'webhooks = ["a"]')
    assert load_configuration(path).keys["k"].webhooks == ("a",)
    path.write_text(webhook + key)
    assert load_configuration(path).keys["k"].webhooks == ()
    path.write_text(webhook + key + 'webhooks = ["b"]')
    with pytest.raises(SpecError, match=r"keys\.k\.webhooks: there is no webhook 'b'"):
        load_configuration(path)


def test_check_lists_webhooks_by_their_names(tmp_path: Path, dsn: str) -> None:
    path = tmp_path / "polyglot.toml"
    local = 'url = "http://localhost:9/T0KEN"\n'
    path.write_text(f"[webhooks.far]\n{HTTPS}{GOOD}[webhooks.near]\n{local}{GOOD}")
    ended = cli("check", "--config", str(path), dsn=dsn)
    assert b"ok       webhook far: https\n" in ended.stdout
    assert b"ok       webhook near: http, not encrypted\n" in ended.stdout
    assert b"T0KEN" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("command", ["check", "serve"])
def test_check_and_serve_say_the_same(tmp_path: Path, command: str) -> None:
    path = tmp_path / "polyglot.toml"
    path.write_text(f'[webhooks.a]\nurl = "http://hooks.example/T0KEN"\n{GOOD}')
    ended = cli(command, "--config", str(path))
    assert ended.returncode == 2
    assert b"webhooks.a.url" in ended.stderr
    assert b"T0KEN" not in ended.stderr + ended.stdout
    assert SECRET.encode() not in ended.stderr + ended.stdout
