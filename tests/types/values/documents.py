r"""json, jsonb and what is made of them: nesting, keys that repeat, numbers no double holds, ``\u0000`` and lone
surrogates.
"""

from __future__ import annotations

from tests.types.values.sql import Sql, Value

DEPTH = 1_000
"""Far below the server's stack (``max_stack_depth``) and far above what anybody writes."""

_BOTH: tuple[Value, ...] = (
    "null", "true", "0", "-0", "-0.0", "1.500", "1e400", "-1E-2", "123456789012345678901234567890.10", '""', '"a"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
    '"\\u00e9\\ud83d\\ude00"', '"😀\u2028"', '"\x7f"', "{}", "[]", "[[], {}, [null]]", '{"a": 1, "b": [1, 2, {"c": null}]}', '{"a": 1, "a": 2, "": 3}',
    '{"item": [1]}', '"<&>"', ' [ 1 ,\n\t{"a" :\r\n2} ] ', '"\\u0001\\u001f"', Sql(f"(repeat('[', {DEPTH}) || repeat(']', {DEPTH}))::json"),
    Sql("(repeat('{\"a\":', 200) || '1' || repeat('}', 200))::json"),
)  # fmt: skip
_JSONB = tuple(Sql(value.text + "::jsonb") if isinstance(value, Sql) else value for value in _BOTH)

VALUES: dict[str, tuple[Value, ...]] = {
    "json": (*_BOTH, '"\\u0000"', '["\\ud800", "\\udc00\\ud800"]', '{"\\u0000": 1}', "\n1\r"),
    "jsonb": _JSONB,
    "jsonpath": ("$", "strict $.a[*] ? (@ > 1)", '$."a b"', '$[0 to last].keyvalue() ? (@.key like_regex "^x" flag "i")'),
    "hstore": ("", "a=>1", '"a b"=>"c,d", "é"=>NULL, q=>"\\"\\\\"', 'a=>"t", b=>"-1.5", c=>"1e5"'),
}  # fmt: skip
