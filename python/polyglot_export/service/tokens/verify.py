"""Tokens of callers: JSON Web Tokens (RFC 7519), read as RFC 8725 advises.

Whatever is wrong with a token, the caller is told that it is not valid and no more; the audit log has the reason.
"""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64decode

from polyglot_export.access.issuers import Algorithm, ClaimRefused, Issuer
from polyglot_export.access.rights import Rights
from polyglot_export.service.tokens.key_sets import IssuerKey, KeysAway, KeySet

__all__ = ["TokenRefused", "Tokens", "Verified"]

MAX_TOKEN = 8 << 10
"""Bytes, before anything of it is read."""
SKEW_SECONDS = 60.0
"""By which clocks may differ."""
MAX_SUBJECT = 180
"""Characters: it is a part of the name that owns exports."""
CACHED = 1_024
"""Tokens that are known to be right, so that a hundred requests verify one signature."""
TYPES = ("jwt", "at+jwt", "application/at+jwt", "application/jwt")
"""Of the header's ``typ`` (RFC 9068, section 2.1): what else is signed by the issuer is for something else."""
_CURVES = {Algorithm.ES256: "P-256", Algorithm.ES384: "P-384", Algorithm.ES512: "P-521"}


class TokenRefused(Exception):
    """Why, for the audit log."""


class Verified(NamedTuple):
    """A token that is right."""

    name: str
    """Of the caller: that of the issuer in the configuration, a colon, and the subject."""
    rights: Rights
    until: float
    """Seconds since 1970 at which it ends."""


class Tokens:
    """Verifies the tokens of the configured issuers."""

    def __init__(self, issuers: Mapping[str, Issuer], clock: Callable[[], float] = time.time) -> None:
        """Set up; nothing is fetched before the first token.

        Args:
            issuers: By their names in the configuration.
            clock: Seconds since 1970.
        """
        self._issuers = {issuer.issuer: (name, issuer, KeySet(issuer.jwks)) for name, issuer in issuers.items()}
        self._clock = clock
        self._known: OrderedDict[bytes, Verified] = OrderedDict()

    async def verify(self, token: str) -> Verified:
        """Who sent a token, and what they may do.

        Raises:
            TokenRefused: It is not valid.
        """
        if len(token) > MAX_TOKEN:
            raise TokenRefused(f"the token has more than {MAX_TOKEN:,} bytes")
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known.until:
            self._known.move_to_end(digest)
            return known
        verified = await self._verified(token)
        self._known[digest] = verified
        if len(self._known) > CACHED:
            self._known.popitem(last=False)
        return verified

    async def _verified(self, token: str) -> Verified:
        header, unproved = _parts(token)
        found = self._issuers.get(str(unproved.get("iss")))
        if found is None:
            raise TokenRefused("the issuer is not configured")
        name, issuer, keys = found
        algorithm = _algorithm(header, issuer)
        key = await _key(header, algorithm, keys)
        claims = _signed(token, key, algorithm)
        until = self._check_times(claims)
        _check_audience(claims, issuer)
        subject = _subject(claims, issuer)
        try:
            return Verified(f"{name}:{subject}", issuer.rights_of(claims), until)
        except ClaimRefused as error:
            raise TokenRefused(str(error)) from None

    def _check_times(self, claims: Mapping[str, Any]) -> float:
        """When the token ends.

        Raises:
            TokenRefused: It has ended, or does not hold yet.
        """
        at = self._clock()
        times = {each: _seconds(claims, each) for each in ("exp", "nbf", "iat")}
        end = times["exp"]
        if end is None:
            raise TokenRefused("the token has no end (exp)")
        if at >= end + SKEW_SECONDS:
            raise TokenRefused("the token has expired")
        if any(begin is not None and at < begin - SKEW_SECONDS for begin in (times["nbf"], times["iat"])):
            raise TokenRefused("the token does not hold yet")
        return end + SKEW_SECONDS


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, of which nothing is proved yet."""
    parts = token.split(".")
    if len(parts) != 3 or not token.isascii():
        raise TokenRefused("the token is no signed token in compact form")
    header, claims = (_object(part) for part in parts[:2])
    if "crit" in header:
        # RFC 7515, section 4.1.11: what must be understood and is not.
        raise TokenRefused("the header has critical members, of which none is known")
    if str(header.get("typ", "JWT")).lower() not in TYPES:
        raise TokenRefused("the token is of another type than JWT")
    return header, claims


def _object(part: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a member is given twice")
        return dict(pairs)

    try:
        found = json.loads(urlsafe_b64decode(part.encode()), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise TokenRefused("the token is no JSON, or has a member twice") from None
    if not isinstance(found, dict):
        raise TokenRefused("the token is no JSON object")
    return found


def _algorithm(header: Mapping[str, Any], issuer: Issuer) -> Algorithm:
    named = header.get("alg")
    for algorithm in issuer.algorithms:
        if named == algorithm.value:
            return algorithm
    raise TokenRefused(f"the algorithm {str(named)[:20]!r} is not allowed for this issuer")


async def _key(header: Mapping[str, Any], algorithm: Algorithm, keys: KeySet) -> IssuerKey:
    kid = header.get("kid")
    if kid is not None and not isinstance(kid, str):
        raise TokenRefused("the name of the key (kid) is no text")
    try:
        key = await keys.find(kid, lambda each: _fits(each, algorithm))
    except KeysAway:
        raise TokenRefused("the keys of the issuer cannot be read") from None
    if key is None:
        raise TokenRefused("no key of the issuer has the name (kid) and the kind that the token asks for")
    return key


def _fits(key: IssuerKey, algorithm: Algorithm) -> bool:
    """Whether a key is for an algorithm (RFC 8725, section 3.1)."""
    named = key.get("alg")
    if named is not None and named != algorithm.value:
        return False
    if isinstance(key, RSAKey):
        return algorithm.value.startswith(("RS", "PS"))
    if isinstance(key, ECKey):
        return key.curve_name == _CURVES.get(algorithm)
    if algorithm is Algorithm.EDDSA:
        return key.curve_name in ("Ed25519", "Ed448")
    return algorithm is Algorithm.ED25519 and key.curve_name == "Ed25519"


def _signed(token: str, key: IssuerKey, algorithm: Algorithm) -> dict[str, Any]:
    registry = jws.JWSRegistry(algorithms=[algorithm.value], strict_check_header=False)
    registry.max_header_length = registry.max_payload_length = registry.max_signature_length = MAX_TOKEN
    try:
        with warnings.catch_warnings():
            # EdDSA has been given a more exact name, which few issuers use yet.
            warnings.simplefilter("ignore", SecurityWarning)
            jws.deserialize_compact(token, key, registry=registry)
    except (JoseError, ValueError, TypeError):
        raise TokenRefused("the signature is not that of the issuer") from None
    return _parts(token)[1]


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e11:
        raise TokenRefused(f"the claim {name!r} is no time")
    return float(value)


def _check_audience(claims: Mapping[str, Any], issuer: Issuer) -> None:
    given = claims.get("aud")
    named = given if isinstance(given, list) else [given]
    if not any(isinstance(each, str) and each in issuer.audience for each in named):
        raise TokenRefused("the token is for another audience")


def _subject(claims: Mapping[str, Any], issuer: Issuer) -> str:
    value = claims.get(issuer.subject)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_SUBJECT or not value.isprintable():
        raise TokenRefused(
            f"the claim {issuer.subject!r} is no text of 1 to {MAX_SUBJECT} characters that can be printed"
        )
    return value
