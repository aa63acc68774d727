"""Callers with tokens of an identity provider: what is taken, what is refused, and what their claims become."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from polyglot_export.access.issuers import load_issuers
from polyglot_export.errors import SpecError
from polyglot_export.fields import write_record
from polyglot_export.service.config.file import load_configuration
from polyglot_export.service.tokens import key_sets
from polyglot_export.service.tokens.key_sets import KeySet
from polyglot_export.service.tokens.verify import MAX_TOKEN, TokenRefused, Tokens
from tests.fixtures.issuer import AUDIENCE, ISSUER, TestIssuer, test_issuer
from tests.fixtures.process import Service, serve
from tests.service.client import Answer, assert_problem, call, post, wait_for

NOW = time.time()
pytestmark = pytest.mark.anyio


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    """One identity provider."""
    with test_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def service(issuer: TestIssuer, module_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that takes its tokens; the claim ``tenant`` goes into a setting that a policy reads."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (id int, tenant text, total numeric)")
        connection.execute("INSERT INTO orders SELECT n, 't' || n %% 3, n FROM generate_series(1, 90) AS n", [])
        connection.execute(
            "CREATE VIEW own_orders AS SELECT * FROM orders WHERE tenant = current_setting('app.tenant')"
        )
    folder = tmp_path_factory.mktemp("tokens")
    config = folder / "polyglot.toml"
    config.write_text(
        f"""
[datasets.own]
table = "public.own_orders"
[datasets.orders]
table = "public.orders"
[issuers.company]
issuer = "{ISSUER}"
audience = ["other", "{AUDIENCE}"]
jwks = "{issuer.url}"
datasets = "{{claim.datasets}}"
settings = {{ "app.tenant" = "{{claim.org.tenant}}" }}
rows = {{ orders = {{ tenant = "{{claim.org.tenant}}" }} }}
scopes = ["read", "export", "cancel"]
"""
    )
    with serve(module_dsn, config=config, default_dataset="own", spool_dir=folder / "spool") as running:
        yield running


def claims(tenant: object = "t1", *datasets: str) -> dict[str, Any]:
    return {"org": {"tenant": tenant}, "datasets": list(datasets or ("own", "orders"))}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("dataset", ["own", "orders"])
def test_the_claims_decide_which_rows_are_read(
    issuer: TestIssuer, service: Service, module_dsn: str, algorithm: str, dataset: str
) -> None:
    for tenant in ("t0", "t1"):
        headers = bearer(issuer.token(algorithm, **claims(tenant)))
        made = post(service, {"format": "csv", "dataset": dataset, "columns": ["id"]}, headers=headers)
        assert made.status == 201, made
        assert made.json()["owner"] == "company:ann"
        got = call(service, f"/exports/{made.json()['exportId']}/download", headers=headers)
        with psycopg.connect(module_dsn) as connection:
            rows = connection.execute("SELECT id FROM orders WHERE tenant = %s ORDER BY id", [tenant]).fetchall()
        assert sorted(got.body.split()[1:]) == sorted(str(row[0]).encode() for row in rows)


def test_a_prepared_file_is_of_the_rights_that_made_it(issuer: TestIssuer, service: Service) -> None:
    headers = bearer(issuer.token(**claims("t1")))
    made = post(service, {"format": "csv", "delivery": "file"}, headers=headers).json()["exportId"]
    wait_for(lambda: call(service, f"/exports/{made}", headers=headers).json()["status"] == "completed")
    assert call(service, f"/exports/{made}/download", headers=headers).status == 200
    # The same person with another tenant now, and another one of the same tenant.
    moved = bearer(issuer.token(**claims("t2")))
    assert call(service, f"/exports/{made}/download", headers=moved).status == 403
    other = bearer(issuer.token(sub="bob", **claims("t1")))
    assert call(service, f"/exports/{made}/download", headers=other).status == 404
    without = bearer(issuer.token(**claims("t1", "orders")))
    assert call(service, f"/exports/{made}/download", headers=without).status == 403


def test_the_scopes_of_an_issuer_hold(issuer: TestIssuer, service: Service) -> None:
    assert_problem(
        call(service, "/metrics", headers=bearer(issuer.token(**claims()))), 403, "forbidden", "needs the scope metrics"
    )


def altered(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def other_claims(token: str) -> str:
    """A token with the signature of another one."""
    head, payload, signature = token.split(".")
    members = json.loads(base64.urlsafe_b64decode(payload + "=="))
    members["sub"] = "root"
    return ".".join((head, encoded(json.dumps(members)), signature))


def encoded(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_the_public_key(issuer: TestIssuer) -> str:
    """HS256 with the public key of the issuer as its secret: what it is verified with if the token's word is taken."""
    head = encoded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rsa"}))
    payload = issuer.token(**claims()).split(".")[1]
    secret = issuer.keys["RS256"].as_bytes("PEM", private=False)
    return f"{head}.{payload}.{encoded(hmac.digest(secret, f'{head}.{payload}'.encode(), hashlib.sha256))}"


def unsigned(issuer: TestIssuer) -> str:
    return f"{encoded(json.dumps({'alg': 'none', 'typ': 'JWT'}))}.{issuer.token(**claims()).split('.')[1]}."


def twice(issuer: TestIssuer) -> str:
    head = encoded('{"alg":"RS256","alg":"none","kid":"rsa"}')
    return ".".join((head, *issuer.token(**claims()).split(".")[1:]))


def headed(issuer: TestIssuer, **members: object) -> str:
    """A token whose header is another one than was signed."""
    head = encoded(json.dumps({"alg": "RS256", "typ": "JWT", **members}))
    return ".".join((head, *issuer.token(**claims()).split(".")[1:]))


STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})
ELSEWHERE = ECKey.generate_key("P-256", {"kid": "nobody's"})

REFUSED: dict[str, tuple[Any, str]] = {
    "another audience": (lambda i: i.token(aud="another", **claims()), "for another audience"),
    "no audience": (lambda i: i.token(aud=None, **claims()), "for another audience"),
    "another issuer": (lambda i: i.token(iss="https://evil.example.com", **claims()), "issuer is not configured"),
    "no issuer": (lambda i: i.token(iss=None, **claims()), "issuer is not configured"),
    "expired": (lambda i: i.token(exp=int(NOW) - 3600, **claims()), "has expired"),
    "no end": (lambda i: i.token(exp=None, **claims()), "no end"),
    "not yet": (lambda i: i.token(nbf=int(NOW) + 3600, **claims()), "not hold yet"),
    "made in the future": (lambda i: i.token(iat=int(NOW) + 3600, **claims()), "not hold yet"),
    "a time that is none": (lambda i: i.token(exp="soon", **claims()), "'exp' is no time"),
    "alg none": (unsigned, "algorithm 'none' is not allowed"),
    "HS256 with the public key": (with_the_public_key, "algorithm 'HS256' is not allowed"),
    "an algorithm that is not configured": (
        lambda i: i.token("PS256", key=i.keys["RS256"], **claims()),
        "algorithm 'PS256' is not allowed",
    ),
    "unknown kid": (lambda i: i.token("ES256", key=ELSEWHERE, **claims()), "no key of the issuer has the name"),
    "no kid, and two keys": (lambda i: i.token("RS256", key=STRANGER, header={"kid": None}, **claims()), "signature"),
    "kid of another kind": (lambda i: i.token("ES256", header={"kid": "rsa"}, **claims()), "no key of the issuer"),
    "a kid that is no text": (lambda i: headed(i, kid=["rsa"]), "is no text"),
    "a stranger's key": (lambda i: i.token(key=STRANGER, **claims()), "signature is not that"),
    "the key in the header": (
        lambda i: i.token(key=STRANGER, header={"jwk": STRANGER.as_dict(private=False)}, **claims()),
        "signature is not that",
    ),
    "critical members": (lambda i: i.token(header={"crit": ["b64"], "b64": True}, **claims()), "critical"),
    "another type": (lambda i: i.token(header={"typ": "logout+jwt"}, **claims()), "another type"),
    "altered signature": (lambda i: altered(i.token(**claims())), "signature is not that"),
    "altered claims": (lambda i: other_claims(i.token(**claims())), "signature is not that"),
    "a member twice": (twice, "a member twice"),
    "no JSON": (lambda _: "a.b.c", "no JSON"),
    "deep JSON": (lambda _: f"{encoded('[' * 3000)}.e30.e30", "no JSON"),
    "a megabyte": (lambda i: i.token(filler="x" * (1 << 20), **claims()), "more than 8,192 bytes"),
    "no subject": (lambda i: i.token(sub=None, **claims()), "'sub' is no text"),
    "a subject with a line break": (lambda i: i.token(sub="ann\nbob", **claims()), "'sub' is no text"),
    "no tenant": (lambda i: i.token(datasets=["own"]), "'org.tenant' is missing"),
    "an empty tenant": (lambda i: i.token(**claims("")), "'org.tenant' is no text"),
    "a tenant that is null": (lambda i: i.token(**claims(None)), "'org.tenant' is no text"),
    "a tenant that is an object": (lambda i: i.token(**claims({"a": 1})), "'org.tenant' is no text"),
    "a tenant that is true": (lambda i: i.token(**claims(True)), "'org.tenant' is no text"),
    "a tenant with U+0000": (lambda i: i.token(**claims("t1\0")), "cannot be printed"),
    "a dataset that is not offered": (lambda i: i.token(**claims("t1", "secrets")), "is not offered"),
    "datasets that are a number": (lambda i: i.token(datasets=3, org={"tenant": "t1"}), "must be a list"),
}


def refused_over_http(service: Service, token: str) -> Answer:
    """A token that is too long for a head is refused before it is looked at."""
    return call(service, "/datasets", headers=bearer(token))


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_not_told_why(issuer: TestIssuer, service: Service, case: str) -> None:
    answer = refused_over_http(service, REFUSED[case][0](issuer))
    if case == "a megabyte":
        assert answer.status == 431
        return
    assert_problem(answer, 401, "unauthorized")
    assert answer.json()["error"] == "the token is not valid"
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def tokens_of(issuer: TestIssuer, clock: Any = time.time) -> Tokens:
    table = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "jwks": issuer.url,
        "datasets": "{claim.datasets}",
        "settings": {"app.tenant": "{claim.org.tenant}"},
    }
    return Tokens(load_issuers({"issuers": {"company": table}}), clock)


@pytest.mark.parametrize("case", [case for case in REFUSED if case != "a dataset that is not offered"])
async def test_each_refusal_has_its_reason(issuer: TestIssuer, case: str) -> None:
    make, reason = REFUSED[case]
    with pytest.raises(TokenRefused, match=reason.replace("(", r"\(")):
        await tokens_of(issuer).verify(make(issuer))


async def test_a_token_that_is_as_long_as_it_may_be_is_taken(issuer: TestIssuer) -> None:
    token = issuer.token(filler="x" * 5_000, **claims())
    assert 6_000 < len(token) <= MAX_TOKEN
    assert (await tokens_of(issuer).verify(token)).name == "company:ann"


async def test_clocks_may_differ_by_a_minute(issuer: TestIssuer) -> None:
    at = int(time.time())
    await tokens_of(issuer).verify(issuer.token(exp=at - 30, iat=at - 60, **claims()))
    await tokens_of(issuer).verify(issuer.token(nbf=at + 30, iat=at + 30, **claims()))


async def test_a_token_that_was_verified_ends_all_the_same(issuer: TestIssuer) -> None:
    clock = [time.time()]
    tokens = tokens_of(issuer, lambda: clock[0])
    token = issuer.token(**claims())
    first = await tokens.verify(token)
    assert await tokens.verify(token) is first
    clock[0] += 300 + 59
    assert await tokens.verify(token) is first
    clock[0] += 2
    with pytest.raises(TokenRefused, match="has expired"):
        await tokens.verify(token)


async def test_keys_are_rotated_while_the_service_runs() -> None:
    with test_issuer() as issuer:
        tokens = tokens_of(issuer)
        await tokens.verify(issuer.token(**claims()))
        old = issuer.keys["RS256"]
        issuer.keys["RS256"] = RSAKey.generate_key(2048, {"kid": "rsa-2"})
        clock = [0.0]
        for _, _, keys in tokens._issuers.values():
            keys._clock = lambda: clock[0]
            keys._read_at = keys._looked_at = 0.0
        # A moment ago the set was read: a kid that nobody knows does not make the issuer be asked at each token.
        asked = issuer.asked
        for _ in range(5):
            with pytest.raises(TokenRefused, match="no key of the issuer"):
                await tokens.verify(issuer.token(**claims()))
        assert issuer.asked == asked
        clock[0] = key_sets.LEAST_SECONDS + 1
        await tokens.verify(issuer.token(**claims()))
        assert issuer.asked == asked + 1
        with pytest.raises(TokenRefused, match="no key of the issuer"):
            await tokens.verify(issuer.token(key=old, sub="eve", **claims()))


async def test_an_issuer_that_is_away_is_trusted_for_a_day() -> None:
    with test_issuer() as issuer:
        clock = [0.0]
        keys = KeySet(issuer.url, lambda: clock[0])
        assert await keys.find("rsa", lambda _: True) is not None
        issuer.away = True
        clock[0] = key_sets.STALE_SECONDS - 1
        assert await keys.find("rsa", lambda _: True) is not None
        assert issuer.asked == 2
        clock[0] = key_sets.STALE_SECONDS + 1
        with pytest.raises(key_sets.KeysAway):
            await keys.find("rsa", lambda _: True)


@pytest.mark.parametrize(
    "made",
    [
        b"",
        b"[]",
        b'{"keys": []}',
        b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "rsa"}]}',
        json.dumps({"keys": [OctKey.generate_key(256, {"kid": "rsa"}).as_dict()]}).encode(),
        json.dumps({"keys": [RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=True)]}).encode(),
        json.dumps({"keys": [{**STRANGER.as_dict(private=False), "use": "enc"}]}).encode(),
        b"x" * (key_sets.MAX_BYTES + 1),
    ],
    ids=["empty", "list", "no keys", "small RSA", "symmetric", "private", "for encryption", "too large"],
)
async def test_a_key_set_that_is_no_good_has_no_keys(tmp_path: Path, made: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(made)
    with pytest.raises(key_sets.KeysAway):
        await KeySet(str(path)).find("rsa", lambda _: True)


async def test_a_key_set_may_be_a_file(issuer: TestIssuer, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(issuer.published())
    assert await KeySet(str(path)).find("okp", lambda _: True) is not None


def test_a_term_of_a_filter_may_take_its_value_from_a_claim() -> None:
    term = {"column": "tenant", "op": "=", "value": "{claim.tenant}"}
    table = {"issuer": ISSUER, "audience": AUDIENCE, "jwks": "keys.json", "rows": {"orders": [term]}}
    issuer = load_issuers({"issuers": {"company": table}})["company"]
    assert [write_record(each)["value"] for each in issuer.rights_of({"tenant": "t1"}).rows["orders"]] == ["t1"]


TABLE = f'issuer = "{ISSUER}"\naudience = "polyglot"\njwks = "keys.json"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"[issuers.a]\n{TABLE}algorithms = ['HS256']", "issuers.a.algorithms.0: must be 'RS256'"),
        (f"[issuers.a]\n{TABLE}algorithms = ['none']", "issuers.a.algorithms.0: must be 'RS256'"),
        (f"[issuers.a]\n{TABLE}algorithms = []", "issuers.a.algorithms: must not be empty"),
        (
            "[issuers.a]\nissuer = 'x'\naudience = 'y'\njwks = 'http://id.example.com/'",
            "must be the path of a file, or",
        ),
        ("[issuers.a]\nissuer = 'x'\naudience = []\njwks = 'k'", "issuers.a.audience: must be a text, or a list"),
        (f"[issuers.a]\n{TABLE}datasets = ['none']", "issuers.a.datasets: there is no dataset 'none'"),
        (f"[issuers.a]\n{TABLE}wrong = 1", "issuers.a: unknown member 'wrong'"),
        (f"[issuers.a]\n{TABLE}[issuers.b]\n{TABLE}", "issuers.b.issuer: is that of issuers.a too"),
        (f"[issuers.a]\n{TABLE}[keys.'a:b']\nhash = 'sha256:{'0' * 64}'", "begins as the callers of issuers.a do"),
        (f"[issuers.a]\n{TABLE}role = 'none'", "issuers.a.role: must be the name of a database role"),
    ],
    ids=["HS256", "none", "no algorithm", "http", "no audience", "dataset", "member", "twice", "name", "role"],
)
def test_a_table_that_is_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    config = tmp_path / "polyglot.toml"
    config.write_text(text)
    with pytest.raises(SpecError) as refused:
        load_configuration(config)
    assert reason in str(refused.value)
