"""Texts that mean to be SQL: quotes, comments, escapes, statements, and their combinations."""

from __future__ import annotations

from itertools import product

__all__ = ["INJECTIONS"]

_OPENERS = (
    "",
    "'",
    "''",
    '"',
    "\\'",
    "\\",
    "$$",
    "$a$",
    "E'",
    "U&'",
    ")",
    "')",
    "%s",
    "%(value)s",
    ":value",
    "%",
    "{",
    "}",
    "/*",
    "--",
    "\u02bc",
    "\uff07",
)
_STATEMENTS = (
    "; drop table orders; --",
    " or 1=1 --",
    " union select null, null --",
    "||(select version())||",
    "; copy orders to program 'id' --",
    " and pg_sleep(1) is null --",
    "\n; delete from orders; /*",
    "::text; truncate orders",
    ") to program 'id' --",
    "$$; drop table orders; $$",
    "; set role postgres; --",
    "'; select pg_terminate_backend(pg_backend_pid()); --",
    "\\'; drop table orders; --",
    " AS v FROM pg_shadow --",
    "%'; drop table orders; --%",
    "\t\r\nSELECT 1",
    "{NULL}",
    '","x","',
    "\\\\'||1||'",
    "x' as text) as q; --",
    "\u2028\u202e'--",
    "\x01\x7f",
    "é'🙂--",
)

INJECTIONS: tuple[str, ...] = tuple(
    dict.fromkeys(f"{opener}{statement}" for opener, statement in product(_OPENERS, _STATEMENTS))
)
