"""Tables of keys as text in TOML, with everything else in the file as its owner wrote it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polyglot_export.access.configured import load_datasets
from polyglot_export.access.keys import Key, Keys, load_keys
from polyglot_export.errors import InternalError, SpecError
from polyglot_export.fields import within

if TYPE_CHECKING:
    from tomlkit.items import Table

__all__ = ["NewKey", "added", "expired", "read_keys", "rotated"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
"""What TOML takes as a name without quotes (TOML 1.0, "Keys")."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a new table has."""

    name: str
    hash: str
    datasets: Sequence[str] | None = ()
    """The only ones that it reads; ``None`` for all."""
    scopes: Sequence[str] = ()
    """The only calls that it makes; none for the usual ones."""
    expires: datetime | None = None

    def text(self) -> str:
        """The table in TOML."""
        lines = [f"[keys.{_name(self.name)}]", f"hash = {_text(self.hash)}"]
        if self.datasets is not None:
            lines.append(f"datasets = [{', '.join(map(_text, self.datasets))}]")
        if self.scopes:
            lines.append(f"scopes = [{', '.join(map(_text, self.scopes))}]")
        if self.expires is not None:
            lines.append(f"expires = {self.expires.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}")
        return "\n".join(lines)


def read_keys(text: str) -> Keys:
    """The keys of a file.

    Raises:
        SpecError: It is no TOML, or a key in it is wrong.
    """
    document = _parsed(text)
    keys = load_keys(document)
    if document.keys() & {"datasets", "keys"}:
        datasets = load_datasets(document)
        for name, key in keys.items():
            with within(f"keys.{name}"):
                # Those of the service are not set where its administrator works.
                key.check(datasets, variables=False)
    return keys


def added(text: str, new: NewKey) -> str:
    """The file with one key more, behind everything else.

    Raises:
        SpecError: There is a key of that name, or the table is wrong.
    """
    if new.name in _parsed(text).get("keys", {}):
        raise SpecError(f"keys.{new.name}", f"is there already; polyglot keys rotate {new.name} gives it a new key")
    gap = "" if not text else "\n" if text.endswith("\n") else "\n\n"
    changed = f"{text}{gap}{new.text()}\n"
    read_keys(changed)
    return changed


def rotated(text: str, name: str, hash_: str, until: datetime | None, at: datetime) -> str:
    """The file with another hash for a key. Those before it hold on for a while; those that have ended are left out.

    Args:
        text: The file.
        name: Of the key.
        hash_: Of the new one.
        until: When those before it end; ``None`` for at once.
        at: Now.

    Raises:
        SpecError: There is no such key.
    """
    key = _found(read_keys(text), name)
    before = [each for each in key.every_hash if each.expires is None or each.expires > at]
    kept = (
        [] if until is None else [{"hash": each.hash, "expires": min(until, each.expires or until)} for each in before]
    )

    def change(table: Table) -> None:
        import tomlkit

        table["hash"] = hash_
        if kept:
            hashes = tomlkit.array()
            for each in kept:
                inline = tomlkit.inline_table()
                inline.update(each)
                hashes.append(inline)
            table["hashes"] = hashes
        else:
            table.pop("hashes", None)

    members = {"hash": hash_, "hashes": kept}
    return _changed(text, name, change, members if kept else {**members, "hashes": None})


def expired(text: str, name: str, at: datetime) -> str:
    """The file with an end for a key.

    Raises:
        SpecError: There is no such key, or it would end before it begins.
    """
    _found(read_keys(text), name)
    return _changed(text, name, lambda table: table.update({"expires": at}), {"expires": at})


def _changed(text: str, name: str, change: Callable[[Table], None], members: Mapping[str, Any]) -> str:
    """The file with a change in the table of a key.

    Raises:
        InternalError: The result would be another one than was meant.
    """
    import tomlkit

    document = tomlkit.parse(text)
    tables: Any = document["keys"]
    change(tables[name])
    changed = tomlkit.dumps(document)
    meant = _parsed(text)
    table = {**meant["keys"][name], **members}
    meant["keys"][name] = {member: value for member, value in table.items() if value is not None}
    # Whatever the library makes of a file that is written in an unusual way, nothing else in it may change.
    if _parsed(changed) != meant:
        raise InternalError(f"the table keys.{name} cannot be changed in this file; change it by hand")
    read_keys(changed)
    return changed


def _found(keys: Keys, name: str) -> Key:
    if name not in keys:
        raise SpecError(None, f"there is no key {name!r}; the file has {', '.join(sorted(keys)) or 'none'}")
    return keys[name]


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(None, f"is not TOML: {error}") from None


def _name(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    # TOML's basic strings are escaped as JSON's are (TOML 1.0, "String"), but for this one character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
