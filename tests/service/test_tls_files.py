"""The files of a certificate: what is wrong with them is a sentence, at the start and on reload."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from polyglot_export.access.keys import hash_key
from polyglot_export.errors import SpecError
from polyglot_export.service.tls.files import TlsFiles
from tests.fixtures.certificates import Authority, Pair
from tests.fixtures.process import cli, serve
from tests.service.client import call


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.server()


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file.pem"
    path.write_bytes(content)
    return path


def swapped(pair: Pair, _authority: Authority, _folder: Path) -> TlsFiles:
    return TlsFiles(pair.key, pair.cert)


def damaged(pair: Pair, _authority: Authority, folder: Path) -> TlsFiles:
    return TlsFiles(written(folder, pair.cert.read_bytes()[:300]), pair.key)


def of_another_key(pair: Pair, authority: Authority, _folder: Path) -> TlsFiles:
    return TlsFiles(pair.cert, authority.server().key)


def upside_down(pair: Pair, _authority: Authority, folder: Path) -> TlsFiles:
    first, second = pair.cert.read_bytes().split(b"-----END CERTIFICATE-----\n")[:2]
    end = b"-----END CERTIFICATE-----\n"
    return TlsFiles(written(folder, second + end + first + end), pair.key)


def a_folder(pair: Pair, _authority: Authority, folder: Path) -> TlsFiles:
    return TlsFiles(folder, pair.key)


def missing(pair: Pair, _authority: Authority, folder: Path) -> TlsFiles:
    return TlsFiles(pair.cert, folder / "none.key")


def huge(pair: Pair, _authority: Authority, folder: Path) -> TlsFiles:
    return TlsFiles(written(folder, b"x" * (5 << 20)), pair.key)


def no_authority(pair: Pair, _authority: Authority, folder: Path) -> TlsFiles:
    return TlsFiles(pair.cert, pair.key, client_ca=written(folder, b"nothing"))


@pytest.mark.parametrize(
    ("made", "field", "words"),
    [
        (swapped, "POLYGLOT_TLS_CERT", "has no certificates in PEM"),
        (damaged, "POLYGLOT_TLS_CERT", "has no certificates in PEM, or they are damaged"),
        (of_another_key, "POLYGLOT_TLS_KEY", "is not the key of the first certificate"),
        (upside_down, "POLYGLOT_TLS_KEY", "is not the key of the first certificate"),
        (a_folder, "POLYGLOT_TLS_CERT", "cannot be read: Is a directory"),
        (missing, "POLYGLOT_TLS_KEY", "cannot be read: No such file or directory"),
        (huge, "POLYGLOT_TLS_CERT", "has more than 4 MB"),
        (no_authority, "POLYGLOT_TLS_CLIENT_CA", "has no certificates in PEM"),
    ],
    ids=lambda given: given.__name__ if callable(given) else "",
)
def test_what_is_wrong_is_said(
    authority: Authority,
    pair: Pair,
    tmp_path: Path,
    made: Callable[[Pair, Authority, Path], TlsFiles],
    field: str,
    words: str,
) -> None:
    with pytest.raises(SpecError, match=words) as raised:
        made(pair, authority, tmp_path).read()
    assert raised.value.field == field


def test_weak_keys_are_refused(tmp_path: Path) -> None:
    """RSA with 1024 bits: OpenSSL's security level says so."""
    cert, key = tmp_path / "weak.crt", tmp_path / "weak.key"
    subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes", "-newkey", "rsa:1024"]
    subprocess.run(
        ["openssl", "req", "-x509", *subject, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    with pytest.raises(SpecError, match="EE_KEY_TOO_SMALL"):
        TlsFiles(cert, key).read()


def test_a_key_with_a_password(pair: Pair, tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkcs8", "-topk8", "-in", str(pair.key), "-out", str(locked), "-passout", "pass:sesame"],
        check=True,
        capture_output=True,
    )
    assert TlsFiles(pair.cert, locked, "sesame").read().client_ca is None
    # Left over from another key.
    TlsFiles(pair.cert, pair.key, "sesame").read()
    with pytest.raises(SpecError, match="is encrypted; POLYGLOT_TLS_KEY_PASSWORD has its password"):
        TlsFiles(pair.cert, locked).read()
    with pytest.raises(SpecError, match="is not the password") as raised:
        TlsFiles(pair.cert, locked, "wrong").read()
    assert raised.value.field == "POLYGLOT_TLS_KEY_PASSWORD"
    assert "sesame" not in repr(TlsFiles(pair.cert, locked, "sesame"))


KEY = hash_key("x")
BY_CERTIFICATE = '[keys.reports]\ncertificates = ["CN=reports"]\n'


@pytest.mark.parametrize(
    ("settings", "config", "words"),
    [
        ({"POLYGLOT_TLS_CERT": "{cert}"}, "", [b"POLYGLOT_TLS_KEY: is missing"]),
        ({"POLYGLOT_TLS_KEY": "{key}"}, "", [b"POLYGLOT_TLS_KEY: is of no use without POLYGLOT_TLS_CERT"]),
        (
            {"POLYGLOT_TLS_CERT": "{cert}", "POLYGLOT_TLS_KEY": "/no/such/file"},
            "",
            [b"POLYGLOT_TLS_KEY", b"/no/such/file cannot be read: No such file or directory"],
        ),
        (
            {"POLYGLOT_TLS_CERT": "{cert}", "POLYGLOT_TLS_KEY": "{key}", "POLYGLOT_TLS_CLIENT_AUTH": "required"},
            "",
            [b"POLYGLOT_TLS_CLIENT_AUTH", b"POLYGLOT_TLS_CLIENT_CA"],
        ),
        ({}, BY_CERTIFICATE, [b"keys.reports.certificates", b"without POLYGLOT_TLS_CLIENT_CA"]),
        ({}, '[keys.a]\ncertificates = ["reports"]\n', [b"'reports' is no name of a certificate", b"RFC 4514"]),
        (
            {},
            f'[keys.a]\nhash = "{KEY}"\ncertificates = ["O=x,CN=a"]\n[keys.b]\ncertificates = ["O=\\\\78,CN=a"]\n',
            [b"two entries have the certificate 'O=x,CN=a'"],
        ),
    ],
    ids=["no key", "no certificate", "unreadable", "required of nobody", "asked of nobody", "no name", "twice"],
)
def test_the_start_ends_with_a_sentence(
    pair: Pair, tmp_path: Path, settings: dict[str, str], config: str, words: list[bytes]
) -> None:
    (tmp_path / "polyglot.toml").write_text(config)
    env = {name: value.format(cert=pair.cert, key=pair.key) for name, value in settings.items()}
    done = cli("serve", "--port", "0", env=env, cwd=tmp_path, dsn="host=127.0.0.1 port=1")
    assert done.returncode == 2, done.stderr
    for word in words:
        assert word in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_check_looks_at_the_files(authority: Authority, pair: Pair, dsn: str) -> None:
    done = cli("check", env=pair.env, dsn=dsn)
    assert re.search(rb"^ok       TLS: the certificate expires on \d{4}-\d\d-\d\d$", done.stdout, re.MULTILINE), done
    done = cli("check", env=pair.env | {"POLYGLOT_TLS_KEY": str(authority.server().key)}, dsn=dsn)
    assert done.returncode == 1
    assert b"problem  TLS: POLYGLOT_TLS_KEY" in done.stdout, done


def test_a_certificate_that_expires_soon_is_warned_of(authority: Authority) -> None:
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    soon = authority.server(expires=expires)
    with serve("host=127.0.0.1 port=1", context=authority.context(), env=soon.env) as service:
        assert "the certificate expires soon" in service.log()
        assert "https://127.0.0.1:" in service.log()
        metric = "polyglot_tls_certificate_expiry_timestamp_seconds"
        told = re.search(rf"^{metric} (\S+)$", call(service, "/metrics").body.decode(), re.MULTILINE)
        assert told is not None
        assert abs(float(told[1]) - expires.timestamp()) < 1
