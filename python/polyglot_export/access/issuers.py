"""The ``[issuers.…]`` tables of a configuration: who signs the tokens of callers, and what their claims become.

A table has every field of a key's; texts in them may take a part from a claim, such as ``{claim.tenant}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from polyglot_export.access.rights import Rights
from polyglot_export.access.row_condition import RowCondition
from polyglot_export.access.tables import read_tables
from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, camel, read_record, read_text, within

__all__ = ["Algorithm", "ClaimRefused", "Issuer", "load_issuers"]

MAX_CLAIM = 1_024
"""Characters of a claim that becomes a part of what a caller may do."""
MAX_NAMES = 1_000
"""Items of a claim that is a list."""
_TEMPLATE = re.compile(r"\{claim\.([^{}]+)\}")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Algorithm(StrEnum):
    """Signatures that a token may have (RFC 7518, section 3.1; RFC 8037; RFC 9864): those with a public key, and never
    none.
    """

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EDDSA = "EdDSA"
    ED25519 = "Ed25519"
    """The same by its later name (RFC 9864)."""


class ClaimRefused(Exception):
    """A claim cannot become what it is to become; the sentence is for the audit log."""


def _texts(given: object) -> tuple[str, ...]:
    texts = (given,) if isinstance(given, str) else given
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(each, str) and each for each in texts):
        raise SpecError(None, "must be a text, or a list of texts, and not empty")
    return tuple(texts)


def _location(given: object) -> str:
    text = read_text(given)
    parts = urlsplit(text)
    if parts.scheme == "https" and parts.hostname:
        return text
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return text
    if "://" in text:
        raise SpecError(
            None, f"must be the path of a file, or an https:// URL (http:// on this machine) (got {text!r})"
        )
    if not text:
        raise SpecError(None, "must be the path of a file, or an https:// URL")
    return str(Path(text))


def _rights(given: object) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise SpecError(None, "must be members of a key's table")
    return dict(given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer(Record):
    """One ``[issuers.NAME]`` table of a configuration."""

    issuer: str = field(metadata={"min_length": 1})
    """What the claim ``iss`` of its tokens is, letter by letter."""
    audience: tuple[str, ...] = field(metadata={"read": _texts})
    """One or several names of this service, of which the claim ``aud`` must have one."""
    jwks: str = field(metadata={"read": _location})
    """Where its public keys are, as a JSON Web Key Set (RFC 7517): an ``https://`` URL, or a file."""
    algorithms: tuple[Algorithm, ...] = field(
        default=(Algorithm.RS256, Algorithm.ES256, Algorithm.EDDSA, Algorithm.ED25519), metadata={"min_length": 1}
    )
    """The only signatures that are taken."""
    subject: str = field(default="sub", metadata={"min_length": 1})
    """The claim that says who the caller is. Exports belong to this name."""
    rights: Mapping[str, Any] = field(default_factory=dict, metadata={"read": _rights})
    """What the holder of a token may do, as a key's table has it, with ``{claim.NAME}`` in its texts."""

    @classmethod
    def _expand(cls, given: object) -> object:
        if not isinstance(given, Mapping):
            return given
        names = {name for each in fields(Rights) for name in (each.name, camel(each.name))}
        own = {name: value for name, value in given.items() if name not in names}
        if "rights" in own:
            raise SpecError("rights", "write its members into the table itself, as in that of a key")
        return {**own, "rights": {name: value for name, value in given.items() if name in names}}

    def _check(self) -> None:
        with within(""):
            _refuse_templates(self.rights)
            self.known_rights()

    def known_rights(self) -> Rights:
        """What of the rights can be checked without a token: all but texts that come from claims.

        Raises:
            SpecError: Something is wrong with any token.
        """
        return read_record(Rights, _without_templates(self.rights))

    def rights_of(self, claims: Mapping[str, Any]) -> Rights:
        """What the holder of a token may do.

        Args:
            claims: Of the token, which has been verified.

        Raises:
            ClaimRefused: A claim is missing, or is nothing that can stand where it is to stand.
        """
        try:
            return read_record(Rights, _filled(self.rights, lambda name: _claim(claims, name)))
        except SpecError as error:
            raise ClaimRefused(f"its claims make rights that are none: {error}") from None


def load_issuers(document: Mapping[str, Any]) -> dict[str, Issuer]:
    """Read the ``[issuers.…]`` tables of a configuration.

    Args:
        document: The whole configuration, parsed; its other tables are not looked at.

    Raises:
        SpecError: An entry is wrong; the field says which one.
    """
    issuers = read_tables(document, "issuers", Issuer)
    known: dict[str, str] = {}
    for name, issuer in issuers.items():
        if issuer.issuer in known:
            raise SpecError(f"issuers.{name}.issuer", f"is that of issuers.{known[issuer.issuer]} too")
        known[issuer.issuer] = name
    return issuers


def _refuse_templates(rights: Mapping[str, Any]) -> None:
    """A claim is a value, and never SQL, nor a word of a connection string: whoever gets tokens made could write it.

    Raises:
        SpecError: One would become such a part.
    """
    with within("mask"):
        _without_template(rights.get("mask"))
    database = rights.get("database")
    with within("database"):
        if isinstance(database, str) and not re.match(r"env:[A-Za-z_]", database):
            _without_template(database)
    rows = rights.get("rows")
    for name, given in rows.items() if isinstance(rows, Mapping) else ():
        with within(f"rows.{name}"):
            for each in given if isinstance(given, list | tuple) else (given,):
                _check_condition(each)


def _check_condition(given: Any) -> None:
    if isinstance(given, str):
        _without_template(given)
    elif RowCondition.is_meant(given):
        parameters = given.get("parameters", {})
        of_types = [each.get("type") for each in parameters.values() if isinstance(each, Mapping)]
        _without_template([given["sql"], *parameters, *of_types])


def _without_template(given: Any) -> None:
    if isinstance(given, Mapping):
        _without_template([*given.keys(), *given.values()])
    elif isinstance(given, list | tuple):
        for each in given:
            _without_template(each)
    elif isinstance(given, str) and "{claim." in given:
        raise SpecError(None, "must not have a claim in it; give it as the value of a parameter")


def _filled(given: Any, claim: Callable[[str], Any]) -> Any:
    """Rights with the claims in their places. A text that is nothing but a template becomes the claim itself."""
    if isinstance(given, Mapping):
        return {name: _filled(value, claim) for name, value in given.items()}
    if isinstance(given, list | tuple):
        return [_filled(value, claim) for value in given]
    if not isinstance(given, str):
        return given
    whole = _TEMPLATE.fullmatch(given)
    if whole is not None:
        return claim(whole[1])
    return _TEMPLATE.sub(lambda found: _as_text(found[1], claim(found[1])), given)


def _without_templates(given: Any) -> Any:
    """The same without what has a template in it; members of which nothing is left are left out."""
    if isinstance(given, Mapping):
        kept = {name: (value, _without_templates(value)) for name, value in given.items() if not _is_template(value)}
        emptied = {name for name, (before, after) in kept.items() if before and after in ([], {})}
        return {name: after for name, (_, after) in kept.items() if name not in emptied}
    if isinstance(given, list | tuple):
        # Of a term of a filter nothing is left when its value is not known yet.
        return [_without_templates(value) for value in given if not _has_template(value)]
    return given


def _has_template(given: Any) -> bool:
    if isinstance(given, Mapping):
        return any(map(_has_template, given.values()))
    return any(map(_has_template, given)) if isinstance(given, list | tuple) else _is_template(given)


def _is_template(given: Any) -> bool:
    if isinstance(given, Mapping):
        return bool(given) and all(map(_is_template, given.values()))
    if isinstance(given, list | tuple):
        return bool(given) and all(map(_is_template, given))
    return isinstance(given, str) and _TEMPLATE.search(given) is not None


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by the path to it: names of claims may have dots themselves."""
    value = claims[name] if name in claims else _inner(claims, name)
    if isinstance(value, list):
        if not all(isinstance(each, str) for each in value) or len(value) > MAX_NAMES:
            raise ClaimRefused(f"the claim {name!r} is no list of at most {MAX_NAMES} texts")
        for each in value:
            _as_text(name, each)
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _as_text(name, value)


def _inner(claims: Mapping[str, Any], name: str) -> Any:
    value: Any = claims
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ClaimRefused(f"the claim {name!r} is missing")
        value = value[part]
    return value


def _as_text(name: str, value: Any) -> str:
    """A claim as a part of a text. An empty one would be a tenant of everybody, or of nobody."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CLAIM:
        raise ClaimRefused(f"the claim {name!r} is no text of 1 to {MAX_CLAIM} characters, and no whole number")
    if not value.isprintable():
        raise ClaimRefused(f"the claim {name!r} has characters that cannot be printed")
    return value
