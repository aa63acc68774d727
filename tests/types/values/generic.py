"""Text that is tried on every type that nobody listed: what the type's input function takes becomes a sample."""

from __future__ import annotations

__all__ = ["CANDIDATES", "WITHOUT_VALUES"]

CANDIDATES = (
    "", "0", "1", "-1", "1.5", "t", "x", "a b", "NaN", "infinity", "-infinity", "2000-01-01", "2000-01-01 12:00:00.5", "12:00:00", "1 day", "{}", "{NULL}",
    "{1,2}", "[]", '{"a": 1}', "()", "(,)", "(1,2)", "(1,2),(3,4)", "[1,2)", "empty", "10.0.0.1", "::1", "08:00:2b:01:02:03", "a=>1", "a.b", "<a/>", "1:1:",
    "0/0", "\\x00ff", "00000000-0000-0000-0000-000000000000", "é😀", "pg_class", "a & b", "978-0-393-04002-9", "[2000-01-01,2000-02-01)", "{[1,2)}",
    "[1.5,2]", "{[1.5,2)}", "YES",
)  # fmt: skip
"""Also for domains and for ranges and multiranges of types that somebody makes."""

WITHOUT_VALUES = frozenset(
    {"pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "gtsvector", "ghstore", "ltree_gist", "intbig_gkey"}
)
"""Types that only live inside indexes: their input function refuses everything, so that a column of them holds
NULLs."""
