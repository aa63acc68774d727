"""XML files read back: strictly, with nothing of the encoder's, and into what the server says in JSON."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from lxml import etree

from polyglot_export import Export

NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_ESCAPE = re.compile("_x([0-9A-F]{4}|[0-9A-F]{6})_")

Json = Any
"""None, bool, str, :class:`Number`, list, or :class:`Members`."""


@dataclass(frozen=True)
class Number:
    """A number by its digits: 1.50 is not 1.5."""

    digits: str


@dataclass(frozen=True)
class Members:
    """An object with its keys in order; type json may have one twice."""

    pairs: tuple[tuple[str, Json], ...]


def read_all(export: Export) -> bytes:
    """The whole file of an export that must succeed."""
    with export:
        return b"".join(export)


def records(document: bytes) -> list[etree._Element]:
    """The records of a file that three strict parsers read: lxml, expat, and libxml2's own program."""
    expat.ParserCreate("UTF-8").Parse(document, True)
    checked = subprocess.run(["xmllint", "--noout", "--huge", "-"], input=document, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()
    assert checked.stderr == b""
    root = etree.fromstring(document, etree.XMLParser(huge_tree=True, resolve_entities=False))
    return list(root)


def name_of(element: etree._Element) -> str:
    """What the name of an element stands for."""
    name = str(element.tag)
    return "" if name == "_" else _ESCAPE.sub(lambda match: chr(int(match[1], 16)), name)


def is_null(element: etree._Element) -> bool:
    """Whether the element is a NULL, which then holds nothing."""
    null = element.get(NIL) == "true"
    assert not null or (element.text is None and len(element) == 0)
    return null


def leaf(element: etree._Element) -> str | None:
    """The text of an element that must not have children."""
    assert len(element) == 0, etree.tostring(element)
    return None if is_null(element) else element.text or ""


def typed(element: etree._Element) -> Json:
    """The value of an element written with ``jsonTypes: all``."""
    if is_null(element):
        return None
    kind = element.get("type")
    match kind:
        case "object":
            return Members(tuple((name_of(child), typed(child)) for child in element))
        case "array":
            assert all(child.tag == "item" for child in element)
            return [typed(child) for child in element]
        case "string":
            return leaf(element)
        case "number":
            return Number(leaf(element) or "")
        case "boolean":
            return {"true": True, "false": False}[leaf(element) or ""]
    raise AssertionError(f"type {kind!r} in {etree.tostring(element)!r}")


def marked(element: etree._Element) -> Json:
    """The value of an element written with ``jsonTypes: containers``, where the type of a scalar is not kept."""
    if is_null(element):
        return None
    kind = element.get("type")
    match kind:
        case "object":
            return Members(tuple((name_of(child), marked(child)) for child in element))
        case "array":
            return [marked(child) for child in element]
        case "string" | None:
            text = leaf(element)
            assert (text == "") == (kind == "string"), "empty strings are marked, and no others"
            return text
    raise AssertionError(f"type {kind!r} in {etree.tostring(element)!r}")


def from_json(text: str) -> Json:
    """The server's JSON in the same terms."""
    return json.loads(
        text,
        object_pairs_hook=lambda pairs: Members(tuple(pairs)),
        parse_int=Number,
        parse_float=Number,
    )


def without_scalar_types(value: Json) -> Json:
    """A value as :func:`marked` can know it."""
    match value:
        case True | False:
            return str(value).lower()
        case Number(digits):
            return digits
        case Members(pairs):
            return Members(tuple((key, without_scalar_types(item)) for key, item in pairs))
        case list():
            return [without_scalar_types(item) for item in value]
    return value


def column(found: Sequence[etree._Element], name: str) -> list[etree._Element]:
    """The elements of one column, one a record."""
    elements = []
    for record in found:
        matching = [child for child in record if name_of(child) == name]
        assert len(matching) == 1, etree.tostring(record)
        elements += matching
    return elements
