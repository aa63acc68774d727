"""Certificates of clients: who is let in by one, and how that ends."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from polyglot_export.access.certificates import read_certificate
from polyglot_export.access.keys import hash_key, load_keys, new_key
from polyglot_export.access.schema import ExposedTables
from polyglot_export.service.callers import Callers
from polyglot_export.service.errors import Unauthorized
from tests.fixtures.certificates import Authority, Pair
from tests.fixtures.process import Service, serve
from tests.service.client import PATIENCE, Answer, RawDownload, assert_problem, call, create, wait_for
from tests.service.raw import GET

KEY = new_key()
ENTRIES = f"""
[keys.reports]
certificates = ["CN=reports,O=Example \\\\, Inc."]
datasets = ["small"]
[keys.spiffe]
certificates = ["URI:spiffe://example.com/billing", "DNS:BILLING.example.com", "email:billing@example.com"]
[keys.bearer]
hash = "{hash_key(KEY)}"
datasets = ["records"]
[keys.ended]
certificates = ["CN=ended"]
expires = 2020-01-01
[keys.both]
certificates = ["CN=twofold"]
[keys.also]
certificates = ["DNS:twofold.example.com"]
"""
DATASETS = '[datasets.small]\ntable = "public.small"\n[datasets.records]\ntable = "public.records"\n'
SUBJECT = r"CN=reports,O=Example \, Inc."
NONE: list[str] = []
ASK = GET.replace(b"/health/live", b"/datasets")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pair(authority: Authority) -> Pair:
    return authority.server()


class Site:
    """A service and the files that it reads again."""

    def __init__(self, service: Service, authority: Authority, config: Path, client_ca: Path, pair: Pair) -> None:
        self.service, self.authority, self.config, self.client_ca, self.pair = (
            service, authority, config, client_ca, pair,
        )  # fmt: skip

    def shown(self, client: Pair | None) -> Service:
        """The service as a client with this certificate sees it."""
        context = self.authority.context(client)
        return Service(self.service.url, self.service.port, self.service.process, self.service.output, context)

    def datasets(self, client: Pair | None, headers: dict[str, str] | None = None) -> list[str]:
        """What a client may read."""
        answer = self.ask(client, headers)
        assert answer.status == 200, answer
        return [each["name"] for each in answer.json()["datasets"]]

    def ask(self, client: Pair | None, headers: dict[str, str] | None = None) -> Answer:
        """What a client is answered."""
        return call(self.shown(client), "/datasets", headers=headers)

    def reload(self, word: str = "configuration reloaded") -> str:
        """Send the signal, and wait until the log tells what came of it; gives that line."""
        before = self.service.log().count(word)
        self.service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.service.log().count(word) > before)
        return next(line for line in reversed(self.service.log().splitlines()) if word in line)

    def connect(self, client: Pair) -> ssl.SSLSocket:
        """A connection that has been let in."""
        raw = socket.create_connection(("127.0.0.1", self.service.port), timeout=PATIENCE)
        tls = self.authority.context(client).wrap_socket(raw, server_hostname="localhost")
        assert status_of(tls) == 200
        return tls


def status_of(tls: ssl.SSLSocket) -> int:
    tls.sendall(ASK)
    answer = b""
    while not answer.endswith(b"}"):
        piece = tls.recv(65536)
        assert piece, "the connection has ended"
        answer += piece
    return int(answer.split()[1])


@pytest.fixture
def opened(records: str, authority: Authority, pair: Pair, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Starts services whose files may be changed."""
    with contextlib.ExitStack() as stack:

        def start(**env: str) -> Site:
            config, client_ca = tmp_path / "polyglot.toml", tmp_path / "clients.pem"
            own = Pair(tmp_path / "tls.crt", tmp_path / "tls.key")
            own.cert.write_bytes(pair.cert.read_bytes())
            own.key.write_bytes(pair.key.read_bytes())
            config.write_text(DATASETS + ENTRIES)
            client_ca.write_bytes(authority.root_file.read_bytes())
            variables = {**own.env, "POLYGLOT_TLS_CLIENT_CA": str(client_ca), **env}
            context = authority.context(authority.client("CN=probe"))
            service = stack.enter_context(serve(records, config=config, context=context, env=variables))
            return Site(service, authority, config, client_ca, own)

        yield start


@pytest.fixture(scope="module")
def site(records: str, authority: Authority, pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One whose files stay as they are."""
    folder = tmp_path_factory.mktemp("site")
    config = folder / "polyglot.toml"
    config.write_text(DATASETS + ENTRIES)
    env = {**pair.env, "POLYGLOT_TLS_CLIENT_CA": str(authority.root_file)}
    log = folder / "audit.log"
    with serve(records, config=config, context=authority.context(), env=env, audit_log=log) as service:
        yield Site(service, authority, config, authority.root_file, pair)


def test_the_subject_says_who_asks(site: Site) -> None:
    assert site.datasets(site.authority.client(SUBJECT)) == ["small"]


@pytest.mark.parametrize(
    "names",
    [
        {"uris": ["spiffe://example.com/billing"]},
        {"names": ["billing.EXAMPLE.com"]},
        {"emails": ["billing@example.com"]},
        {"names": ["other.example.com", "billing.example.com"]},
    ],
    ids=["URI", "DNS", "email", "one of several"],
)
def test_an_alternative_name_says_who_asks(site: Site, names: dict[str, list[str]]) -> None:
    client = site.authority.client(
        "", uris=names.get("uris", NONE), names=names.get("names", NONE), emails=names.get("emails", NONE)
    )
    assert sorted(site.datasets(client)) == ["records", "small"]


@pytest.mark.parametrize(
    "subject",
    [
        "CN=stranger",
        "CN=reports",
        "O=Example,CN=reports",
        r"CN=REPORTS,O=Example \, Inc.",
        r"CN=reports,O=Example \, Inc.,C=DE",
        r"CN=reports\,O=Example \, Inc.",
        "CN=ended",
        "",
    ],
)
def test_other_certificates_are_like_none(site: Site, subject: str) -> None:
    answer = site.ask(site.authority.client(subject, names=["a.example.com"]))
    assert_problem(answer, 401, "unauthorized", "the certificate is of nobody who may ask")
    told = json.loads((site.config.parent / "audit.log").read_text().splitlines()[-1])
    assert (told["event"], told["status"]) == ("request.refused", 401)
    assert told["reason"].startswith("the certificate (")
    assert "DNS:a.example.com" in told["reason"], "more than its holder is told"
    assert call(site.shown(site.authority.client("CN=stranger")), "/health/live").status == 200


def test_one_that_fits_two_entries_is_refused(site: Site) -> None:
    client = site.authority.client("CN=twofold", names=["twofold.example.com"])
    assert_problem(site.ask(client), 401, "unauthorized")
    assert site.datasets(site.authority.client("CN=twofold"))


def test_a_key_says_who_asks_whatever_certificate_there_is(site: Site) -> None:
    client = site.authority.client(SUBJECT)
    assert site.datasets(client, {"Authorization": f"Bearer {KEY}"}) == ["records"]
    assert site.datasets(None, {"Authorization": f"Bearer {KEY}"}) == ["records"]
    for wrong in ("Bearer wrong", "Basic YTpi", "Bearer"):
        assert_problem(site.ask(client, {"Authorization": wrong}), 401, "unauthorized")
    assert_problem(site.ask(None), 401, "unauthorized", "send a key")


def test_the_description_has_it(site: Site) -> None:
    described = call(site.shown(None), "/openapi.json").json()
    assert described["components"]["securitySchemes"]["certificate"] == {"type": "mutualTLS"}
    assert described["security"] == [{"key": []}, {"certificate": []}, {}]


@pytest.mark.anyio
async def test_a_certificate_ends_with_its_time_on_open_connections_too(authority: Authority) -> None:
    keys = load_keys({"keys": {"a": {"certificates": ["CN=a"]}}})
    callers = Callers(keys, ExposedTables.public())
    pem = authority.client("CN=a").cert.read_text()
    known = read_certificate(ssl.PEM_cert_to_DER_cert(pem))
    assert (await callers.identify(None, known)).name == "a"
    later = replace(known, expires=dt.datetime.now(dt.UTC))
    with pytest.raises(Unauthorized) as refused:
        await callers.identify(None, later)
    assert refused.value.audit_reason == "the certificate (CN=a) has expired"
    assert read_certificate(b"no certificate").names == frozenset()


def refused(site: Site, client: Pair) -> None:
    """TLS itself does not let it in; in TLS 1.3 the client learns it when it reads."""
    with pytest.raises(OSError, match=r"(?i)alert|reset|EOF"):
        site.ask(client)


def test_who_cannot_be_verified_is_refused_by_tls(site: Site, tmp_path: Path) -> None:
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    refused(site, site.authority.client(SUBJECT, expires=yesterday))
    refused(site, site.authority.client(SUBJECT, usage=ExtendedKeyUsageOID.SERVER_AUTH))
    refused(site, Authority(tmp_path).client(SUBJECT))
    assert site.ask(site.authority.client(SUBJECT)).status == 200


def test_a_resumed_session_is_of_the_same_caller(site: Site) -> None:
    """And one of another context is not."""
    context = site.authority.context(site.authority.client(SUBJECT))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session: ssl.SSLSession | None = None
    for expected in (False, True):
        with (
            socket.create_connection(("127.0.0.1", site.service.port), timeout=PATIENCE) as raw,
            context.wrap_socket(raw, server_hostname="localhost", session=session) as tls,
        ):
            assert status_of(tls) == 200
            assert tls.session_reused is expected
            session = tls.session


def test_required(opened: Callable[..., Site]) -> None:
    site = opened(POLYGLOT_TLS_CLIENT_AUTH="required")
    assert site.datasets(site.authority.client(SUBJECT)) == ["small"]
    assert_problem(site.ask(site.authority.client("CN=stranger")), 401, "unauthorized")
    with pytest.raises(OSError, match=r"(?i)alert|reset|EOF"):
        site.ask(None)


def test_what_a_reload_takes_away_ends(opened: Callable[..., Site], tmp_path: Path) -> None:
    """An entry, a serial number, an authority; on open connections too, except for what runs."""
    site = opened()
    client = site.authority.client(SUBJECT)
    with site.connect(client) as kept:
        site.config.write_text(DATASETS + ENTRIES.replace("CN=reports", "CN=nobody"))
        site.reload()
        assert status_of(kept) == 401
        site.config.write_text(DATASETS + ENTRIES)
        site.reload()
        assert status_of(kept) == 200

    billing = site.authority.client("", uris=["spiffe://example.com/billing"])
    export_id = create(site.shown(billing), dataset="records")
    with site.connect(client) as idle, RawDownload(site.shown(billing), export_id) as running:
        running.read_some(1 << 20)
        site.client_ca.write_bytes(site.authority.root_file.read_bytes() + site.authority.revocations(client))
        site.reload()
        assert idle.recv(1) == b"", "closed"
        refused(site, client)
        assert site.ask(billing).status == 200
        stranger = Authority(tmp_path)
        site.client_ca.write_bytes(stranger.root_file.read_bytes())
        site.reload()
        refused(site, billing)
        assert running.read_to_end().endswith(b"\r\n0\r\n\r\n"), "what runs goes on"


def test_a_new_certificate_is_used_by_new_connections(opened: Callable[..., Site]) -> None:
    site = opened()
    client = site.authority.client(SUBJECT)
    with site.connect(client) as kept:
        before = kept.getpeercert(binary_form=True)
        renewed = site.authority.server()
        site.pair.cert.write_bytes(renewed.cert.read_bytes())
        line = site.reload("configuration not reloaded")
        assert "POLYGLOT_TLS_KEY" in line
        assert "is not the key of the first certificate" in line
        with site.connect(client) as new:
            assert new.getpeercert(binary_form=True) == before, "the pair before stays"
        site.pair.key.write_bytes(renewed.key.read_bytes())
        site.config.write_text("wrong = 1\n")
        assert "unknown table" in site.reload("configuration not reloaded")
        with site.connect(client) as new:
            assert new.getpeercert(binary_form=True) == before, "all or nothing"
        site.config.write_text(DATASETS + ENTRIES)
        site.reload()
        with site.connect(client) as new:
            assert new.getpeercert(binary_form=True) != before
        assert status_of(kept) == 200, "what is open goes on"

    expired = site.authority.server(expires=dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    site.pair.cert.write_bytes(expired.cert.read_bytes())
    site.pair.key.write_bytes(expired.key.read_bytes())
    assert "expired on" in site.reload("configuration not reloaded")
    assert site.ask(client).status == 200
    site.pair.key.unlink()
    assert "cannot be read: No such file" in site.reload("configuration not reloaded")
    assert site.ask(client).status == 200


def test_a_reload_that_would_ask_nobody_is_refused(
    records: str, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(DATASETS)
    with serve(records, config=config, context=authority.context(), env=pair.env) as service:
        site = Site(service, authority, config, authority.root_file, pair)
        config.write_text(DATASETS + ENTRIES)
        line = site.reload("configuration not reloaded")
        assert "keys.reports.certificates" in line
        assert site.ask(None).status == 200
