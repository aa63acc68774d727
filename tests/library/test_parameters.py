"""Every parameter of libpq is obeyed by leader and workers, or refused by its name; psycopg, which is libpq, is asked
the same.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import psycopg
import pytest
import trustme
from psycopg import pq
from psycopg.conninfo import make_conninfo

from polyglot_export import ConnectionFailed, _core, export
from polyglot_export.planning.plan import Plan
from polyglot_export.postgres.libpq import HONOURED, REFUSED, accepted_methods, accepted_tls_versions
from tests.fixtures.debian import DebianServer
from tests.library.helpers import exported

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "connection.md"
KEY_PASSWORD = "k3y pass"
VERSION = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


def parameters() -> set[str]:
    """Those of the libpq that psycopg brings."""
    return {option.keyword.decode() for option in pq.Conninfo.get_defaults()}


def exports(dsn: str, query: str = "SELECT 1 AS a") -> bool:
    """Whether leader and workers get in. If not, the reason is one sentence without a secret."""
    try:
        return exported(dsn, query=query) != b""
    except ConnectionFailed as error:
        reason = error.message
    assert "\n" not in reason
    assert KEY_PASSWORD not in reason
    return False


def libpq(dsn: str) -> bool:
    """Whether libpq gets in, asked directly: psycopg looks hosts up by itself."""
    connection = pq.PGconn.connect(dsn.encode())
    try:
        return connection.status == pq.ConnStatus.OK
    finally:
        connection.finish()


def test_every_parameter_is_known_and_on_the_page() -> None:
    known = HONOURED | REFUSED.keys()
    assert parameters() <= known
    rows = dict(re.findall(r"^\| `(\w+)` \| (obeyed|refused) \|", PAGE.read_text(), re.MULTILINE))
    assert rows.keys() == known
    assert {name for name, word in rows.items() if word == "refused"} == REFUSED.keys()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_the_workers_cannot_obey_is_refused(dsn: str, name: str) -> None:
    if name not in parameters():
        pytest.fail(f"libpq does not know {name}")
    values = {"replication": "database", "min_protocol_version": "3.2", "gssencmode": "require", "gssdelegation": "1"}
    with pytest.raises(ConnectionFailed, match=rf"\b{name}\b") as raised:
        exported(make_conninfo(dsn, **{name: values.get(name, "a-value")}), query="SELECT 1 AS a")
    assert "a-value" not in raised.value.message
    assert raised.value.field == "dsn"


def test_a_service_file_is_read_for_them_too(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = tmp_path / "services.conf"
    service.write_text("[guarded]\nsslkeylogfile=/dev/null\n")
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    with pytest.raises(ConnectionFailed, match="sslkeylogfile"):
        exported(make_conninfo(dsn, service="guarded"), query="SELECT 1 AS a")


def test_values_that_ask_for_nothing_are_taken(dsn: str) -> None:
    harmless = {name: min(values) for name, (values, _) in REFUSED.items() if values and name != "gssencmode"}
    assert exported(make_conninfo(dsn, **harmless, gssencmode="disable"), query="SELECT 1 AS a") == b"a\n1\n"


def test_an_abstract_socket(debian_server: DebianServer) -> None:
    host = debian_server.abstract_host
    keyed = make_conninfo(debian_server.dsn(), host=host)
    url = debian_server.socket_dsn().replace("host=" + str(debian_server.directory).replace("/", "%2F"), f"host={host}")
    assert f"host={host}" in url
    for dsn in (keyed, url, make_conninfo(keyed, host=f"/no/such/folder,{host}", port=f"1,{debian_server.port}")):
        assert libpq(dsn)
        assert exported(dsn, query="SELECT inet_client_addr() IS NULL AS local") == b"local\nt\n"
    with pytest.raises(ConnectionFailed, match="@nobody"):
        exported(make_conninfo(keyed, host="@nobody"), query="SELECT 1 AS a")


KEYS = {
    "pkcs8": ["pkcs8", "-topk8", "-nocrypt"],
    "pkcs8-aes256": ["pkcs8", "-topk8", "-v2", "aes-256-cbc"],
    "pkcs8-aes128-sha1": ["pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1"],
    "pkcs8-3des": ["pkcs8", "-topk8", "-v2", "des3"],
    "pkcs8-scrypt": ["pkcs8", "-topk8", "-scrypt"],
    "traditional": ["rsa", "-traditional"],
    "traditional-aes128": ["rsa", "-traditional", "-aes128"],
    "traditional-aes192": ["rsa", "-traditional", "-aes192"],
    "traditional-aes256": ["rsa", "-traditional", "-aes256"],
    "traditional-3des": ["rsa", "-traditional", "-des3"],
    "der": ["rsa", "-outform", "DER"],
    "der-traditional": ["rsa", "-traditional", "-outform", "DER"],
    "der-pkcs8": ["pkcs8", "-topk8", "-nocrypt", "-outform", "DER"],
}
"""How OpenSSL is asked to write a key."""


@pytest.fixture(scope="module")
def rsa(debian_server: DebianServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of ``cert_user`` with an RSA key: the traditional form has its own kind for that."""
    folder = tmp_path_factory.mktemp("keys")
    certificate, key = folder / "client.crt", folder / "client.key"
    issued = debian_server.authority.issue_cert("client.example", common_name="cert_user", key_type=trustme.KeyType.RSA)
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    return certificate, key


@pytest.mark.parametrize("form", KEYS)
def test_a_key_in_every_form(debian_server: DebianServer, rsa: tuple[Path, Path], tmp_path: Path, form: str) -> None:
    certificate, key = rsa
    written = tmp_path / "written.key"
    encrypted = not any(word in KEYS[form] for word in ("-nocrypt", "DER")) and form != "traditional"
    secret = ["-passout", f"pass:{KEY_PASSWORD}"] if encrypted else []
    subprocess.run(
        [_openssl(), *KEYS[form], "-in", str(key), "-out", str(written), *secret], check=True, capture_output=True
    )
    written.chmod(0o600)
    for password, expected in ((KEY_PASSWORD, True), ("wrong", not encrypted)):
        dsn = debian_server.login_dsn(
            *("cert_user",), sslmode="require", sslcert=str(certificate), sslkey=str(written), sslpassword=password
        )
        assert libpq(dsn) is expected, password
        assert exports(dsn) is expected, password


def test_a_worker_says_what_is_wrong_with_a_key(
    debian_server: DebianServer, rsa: tuple[Path, Path], tmp_path: Path
) -> None:
    """The leader refuses such a key first, so the core is asked alone."""
    certificate, key = rsa
    dsn = debian_server.login_dsn("cert_user", sslmode="require", sslcert=str(certificate), sslkey=str(key))
    written = tmp_path / "written.key"
    make = [_openssl(), "rsa", "-traditional", "-aes256", "-in", str(key), "-out", str(written)]
    subprocess.run([*make, "-passout", f"pass:{KEY_PASSWORD}"], check=True, capture_output=True)
    unknown = tmp_path / "unknown.key"
    unknown.write_text(written.read_text().replace("AES-256-CBC", "SEED-CBC"))
    empty = tmp_path / "empty.key"
    empty.write_text("no key")
    with export(dsn, query="SELECT 1 AS a") as running:

        def refusal(**changes: object) -> str:
            connection = dataclasses.replace(running.plan.connection, **changes)  # type: ignore[arg-type]
            return _refusal(dataclasses.replace(running.plan, connection=connection))

        assert "no sslpassword was given" in refusal(sslkey=str(written))
        assert "sslpassword is wrong" in refusal(sslkey=str(written), sslpassword="wrong")
        assert "SEED-CBC, which is not supported" in refusal(sslkey=str(unknown), sslpassword=KEY_PASSWORD)
        assert "holds no key in PEM or DER form" in refusal(sslkey=str(empty))
        assert "cannot be read" in refusal(sslkey=str(tmp_path / "missing"))


def _refusal(plan: Plan) -> str:
    stream = _core.ChunkStream(plan)
    try:
        with pytest.raises(ConnectionFailed) as raised:
            stream.next_chunk()
    finally:
        stream.close()
    return raised.value.message


@pytest.mark.parametrize(
    ("login", "require_auth"),
    [
        ("postgres", "scram-sha-256"),
        ("postgres", "password,md5"),
        ("postgres", "!scram-sha-256"),
        ("postgres", "!password,!md5"),
        ("md5_user", "md5"),
        ("md5_user", "scram-sha-256"),
        ("clear_user", "password"),
        ("clear_user", "!password"),
        ("cert_user", "none"),
        ("cert_user", "scram-sha-256"),
    ],
)
def test_require_auth(debian_server: DebianServer, login: str, require_auth: str) -> None:
    own = {"sslcert": str(debian_server.client_cert), "sslkey": str(debian_server.client_key)}
    plain = debian_server.dsn() if login == "postgres" else debian_server.login_dsn(login)
    bare = make_conninfo(plain, sslmode="require", **(own if login == "cert_user" else {}))
    dsn = make_conninfo(bare, require_auth=require_auth)
    expected = libpq(dsn)
    assert exports(dsn) is expected
    # The leader would refuse first, so the core is asked alone too.
    with export(bare, query="SELECT 1 AS a") as running:
        connection = dataclasses.replace(running.plan.connection, require_auth=accepted_methods(require_auth))
        plan = dataclasses.replace(running.plan, connection=connection)
        if expected:
            stream = _core.ChunkStream(plan)
            assert stream.next_chunk() is not None
            stream.close()
        else:
            assert "require_auth" in _refusal(plan)


@pytest.mark.parametrize(("least", "most"), [("TLSv1", "TLSv1.2"), ("TLSv1.3", ""), ("tlsv1.2", "TLSv1.3")])
def test_versions_of_tls(debian_server: DebianServer, least: str, most: str) -> None:
    bounds = {"ssl_min_protocol_version": least, "ssl_max_protocol_version": most}
    dsn = make_conninfo(debian_server.dsn(), sslmode="require", **bounds)
    with psycopg.connect(dsn) as connection:
        row = connection.execute(VERSION).fetchone()
    assert row is not None
    assert exported(dsn, query=VERSION) == f"version\n{row[0]}\n".encode()


def test_a_version_of_tls_that_cannot_be_spoken() -> None:
    with pytest.raises(ConnectionFailed, match=r"TLSv1\.2 and TLSv1\.3 can"):
        accepted_tls_versions("TLSv1", "TLSv1.1")


def test_sslcertmode(debian_server: DebianServer) -> None:
    own = {"sslcert": str(debian_server.client_cert), "sslkey": str(debian_server.client_key), "sslmode": "require"}
    for mode in ("require", "allow", "disable"):
        dsn = debian_server.login_dsn("cert_user", **own, sslcertmode=mode)
        assert exports(dsn) is libpq(dsn) is (mode != "disable")
    over_socket = make_conninfo(debian_server.socket_dsn(), sslcertmode="require")
    assert exports(over_socket) is libpq(over_socket) is False


def test_a_list_of_revoked_certificates_in_libpq_s_folder(
    debian_server: DebianServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root.crl").write_text("")
    monkeypatch.setattr("polyglot_export.postgres.connect.LIBPQ_FOLDER", tmp_path)
    dsn = make_conninfo(debian_server.dsn(host="localhost"), sslrootcert=str(debian_server.ca_file))
    with pytest.raises(ConnectionFailed, match="sslcrl"):
        exported(make_conninfo(dsn, sslmode="verify-full"), query="SELECT 1 AS a")
    assert exports(make_conninfo(dsn, sslmode="disable"))


def test_keepalives_are_handed_on(dsn: str) -> None:
    given = {"keepalives_idle": 7, "keepalives_interval": 3, "keepalives_count": 2, "tcp_user_timeout": 4321}
    with export(make_conninfo(dsn, **given), query="SELECT 1 AS a") as running:
        connection = running.plan.connection
        assert (connection.keepalives, connection.keepalives_idle, connection.keepalives_interval) == (True, 7, 3)
        assert (connection.keepalives_count, connection.tcp_user_timeout) == (2, 4321)
        assert b"".join(running) == b"a\n1\n"
    with export(make_conninfo(dsn, keepalives=0, sslsni=0), query="SELECT 1 AS a") as running:
        assert (running.plan.connection.keepalives, running.plan.connection.sslsni) == (False, False)
        assert b"".join(running) == b"a\n1\n"


def _openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        pytest.exit("openssl is missing; tools/system-packages.sh installs it", returncode=3)
    return found
