"""No secret and no value of a filter comes into the audit log, whatever happens."""

from __future__ import annotations

import base64
import secrets
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from polyglot_export.access.keys import new_key
from tests.fixtures.issuer import AUDIENCE, ISSUER, TestIssuer, test_issuer
from tests.fixtures.process import Service, serve
from tests.service.audited import KEY, READER, audited, bearer, lines, of
from tests.service.client import call, post, wait_for

PIECE = 12
"""Characters of a secret that must not be there either."""


@pytest.fixture(scope="module")
def issuer() -> Iterator[TestIssuer]:
    """An identity provider."""
    with test_issuer() as running:
        yield running


def pieces(secret: str) -> set[str]:
    """All that would give a secret away, or the half of it."""
    written = (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), secret.encode().hex())
    return {text[at : at + PIECE] for text in written for at in range(max(len(text) - PIECE, 0) + 1)}


def finished(service: Service, made: str) -> bool:
    return bool(call(service, f"/exports/{made}", headers=bearer(KEY)).json()["status"] in ("completed", "failed"))


def test_nothing_that_is_secret_is_told(records: str, tmp_path: Path, issuer: TestIssuer) -> None:
    log = tmp_path / "audit.log"
    signing = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    typed, guess, value = new_key(), new_key(), "Value-Of-A-Filter-" + secrets.token_urlsafe(12)
    token, altered = issuer.token(sub="ann"), issuer.token(aud="another")

    def more_than(before: int) -> bool:
        return len(of(log, "configuration.refused")) > before

    more = (
        f'webhooks = ["hook"]\n[issuers.company]\nissuer = "{ISSUER}"\naudience = "{AUDIENCE}"\njwks = "{issuer.url}"\n'
        f'[webhooks.hook]\nurl = "https://hooks.example.com/in?token={typed}"\nsecret = "{signing}"\n'
    )
    with audited(records, tmp_path, log, more) as service:
        term = {"column": "name", "op": "=", "value": value}
        listed = {"column": "name", "op": "in", "value": [value, value[::-1]]}
        for headers in (bearer(KEY), bearer(token)):
            spec = {"format": "csv", "filter": [term, listed]}
            made = post(service, spec, headers=headers | {"Idempotency-Key": value}).json()["exportId"]
            assert call(service, f"/exports/{made}/download?key={typed}", headers=headers).status == 200
            assert call(service, f"/exports/{made}", method="DELETE", headers=headers).status == 204
        prepared = post(service, {"format": "csv", "delivery": "file", "filter": [term]}, headers=bearer(KEY)).json()
        wait_for(lambda: finished(service, prepared["exportId"]))
        assert call(service, f"/exports/{prepared['exportId']}/download", headers=bearer(KEY)).status == 200
        hooked = {"format": "csv", "delivery": "file", "webhook": "hook"}
        assert post(service, hooked, headers=bearer(READER)).status == 403
        basic = base64.b64encode(f"user:{guess}".encode()).decode()
        for wrong in (
            f"Bearer {guess}",
            f"bearer  {guess}",
            guess,
            f"Basic {basic}",
            f"Bearer {altered}",
            f"Bearer {token[:-9]}",
        ):
            answer = call(service, f"/exports?access_token={guess}", headers={"Authorization": wrong})
            assert answer.status == 401
        # A key in place of its hash, and a secret that is none.
        config = tmp_path / "polyglot.toml"
        text = config.read_text()
        for broken in (
            f'[keys.slip]\nhash = "{typed}"\n',
            f'[webhooks.slip]\nurl = "https://x.example"\nsecret = "{typed}"\n',
            f"[keys.slip]\n{typed}\n",
        ):
            before = len(of(log, "configuration.refused"))
            config.write_text(text + broken)
            service.process.send_signal(signal.SIGHUP)
            wait_for(partial(more_than, before))
        config.write_text(text)
    assert len(lines(log)) > 20
    told = log.read_text()
    password = urlsplit(records).password
    assert password
    for name, secret in {
        "key": KEY,
        "second key": READER,
        "key of a slip": typed,
        "guess": guess,
        "token": token.rpartition(".")[2],
        "altered token": altered.rpartition(".")[2],
        "claims": token.split(".")[1],
        "secret of a webhook": signing.removeprefix("whsec_"),
        "password of the database": password,
        "value": value,
    }.items():
        found = [piece for piece in pieces(secret) if piece in told]
        assert not found, name


def test_what_the_guards_refuse_is_told(records: str, tmp_path: Path) -> None:
    """Without keys: another name of this machine, and a page of another site."""
    log = tmp_path / "audit.log"
    with serve(records, default_dataset="records", env={"POLYGLOT_AUDIT_LOG": str(log)}) as service:
        assert call(service, "/datasets", headers={"Host": "rebound.example"}).status == 403
        assert call(service, "/datasets", headers={"Sec-Fetch-Site": "cross-site"}).status == 403
        made = post(service, {"format": "csv"}).json()["exportId"]
    first, second = of(log, "request.refused")
    assert (first["status"], first["address"], first["path"]) == (403, "127.0.0.1", "/datasets")
    assert "rebound.example" in first["reason"]
    assert "a page of another site" in second["reason"]
    (created,) = of(log, "export.created")
    assert (created["exportId"], "caller" in created) == (made, False)
