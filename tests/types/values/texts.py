"""Text: everything that a format gives a meaning to, and everything that a reader may stumble over."""

from __future__ import annotations

from tests.types.values.sql import Sql, Value

CONTROL = "".join(chr(code) for code in range(1, 32))
"""All control characters but U+0000, which no text of PostgreSQL can hold."""

TEXTS: tuple[Value, ...] = (
    "", " ", "  x  ", "x", "\\.", "\\N", "\\", "\\\\x", '"', '""', "'", "a\"b'c", ",", "a,b;c\td|e", "\n", "\r", "\r\n", "a\r\nb\n", "\t", "\x08\x0c\x0b",
    CONTROL, "\x7f", "\x80\x9f", "NULL", "null", "N/A", "{}", "[]", "{NULL}", "(,)", "<&>]]>", "&amp;", "=1+1", "+1", "-1", "@x", "'=1", "%s%1$s%%",
    "$1", "/", "0", "1e5", "t", "true", "NaN", "-Infinity",
    "Zoë", "Zoe\u0308", "\u0301", "日本語", "עברית", "\u202eabc\u202c", "\u200b\u200d\ufeff", "\ufeff", "\ufffe\uffff", "\u2028\u2029",
    "😀", "👩‍👩‍👧‍👦", "🇩🇪", "\U0010ffff", "\U00010000", "\ud7ff\ue000", "ß" * 31,
    "a" * 31 + '"', "a" * 32 + '"', "a" * 33 + "\n", "x" * 63,
)  # fmt: skip
"""Boundaries at 32 bytes, since scans look at blocks of 32."""

_NAMES = tuple(value for value in TEXTS if isinstance(value, str) and len(value.encode()) < 64)

VALUES: dict[str, tuple[Value, ...]] = {
    "text": TEXTS,
    "varchar": TEXTS,
    "bpchar": TEXTS,
    "name": _NAMES,
    "refcursor": TEXTS[:20],
    "citext": TEXTS,
    "char": ("", "a", '"', ",", "\\", "\n", "\r", "\t", "'", " ", "\x01", "\x7f", "=", *(Sql(f'({code})::int::"char"') for code in (-128, -1, -30, 127))),
    "bytea": ("", "\\x00", "\\xff00ff", "\\x5c2e", "\\x" + "".join(f"{byte:02x}" for byte in range(256)), Sql("decode(repeat('00ff', 5000), 'hex')")),
    "xml": ("", "x", "<a/>", '<a b="1">&amp;é\n</a>', '<?xml version="1.0"?><a/>', '<?xml version="1.0" encoding="latin1"?><a>é</a>', "a\r\nb", "😀"),
    "tsvector": ("", "'a':1A,2 'b c':3", "'''' '\\\\' 'é'", "a:16383"),
    "tsquery": ("", "a & !b | c", "'a b':*AB <-> 'é'", "'\\\\' & ''''"),
    "ltree": ("", "a", "Top.Science_1.é"),
    "lquery": ("*", "a.*{2,3}.!b|c@*%", "*.x"),
    "ltxtquery": ("a & !b", "a@* | b%"),
    "lo": ("0", "4294967295"),
}  # fmt: skip
