"""What a file is called: safe for every file system and every client."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyglot_export.request.parse import parse_spec
from polyglot_export.service.http.file_headers import file_headers, file_name

CSV = parse_spec({"format": "csv"})


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("orders", "orders.csv"),
        ("sales.orders", "sales.orders.csv"),
        ("../../etc/passwd", "_.._etc_passwd.csv"),
        ('a"b', "a_b.csv"),
        ("a\r\nSet-Cookie: x", "a__Set-Cookie_ x.csv"),
        ("Bestellungen für Käse", "Bestellungen für Käse.csv"),
        ("...", "export.csv"),
    ],
)
def test_names(stem: str, name: str) -> None:
    assert file_name(CSV, stem) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_header_is_one_header(stem: str) -> None:
    value = file_headers(CSV, stem)["Content-Disposition"]
    assert value.isascii()
    assert value.isprintable()
    assert value.count('"') == 2
    _, _, encoded = value.partition("filename*=UTF-8''")
    assert unquote(encoded) == file_name(CSV, stem)
    assert "/" not in unquote(encoded)
