"""The text of a SELECT on one relation, so that another relation, and a condition, can be put into it; all other words
stay as they are.

Only one form is looked for: SELECT, one FROM with a name behind it, and at most one WHERE, outside of parentheses. What
may follow them (GROUP BY, ORDER BY, LIMIT, UNION, FOR UPDATE …) is not looked for, since with a condition in its place
such a text is none that the server takes: ``WHERE (a GROUP BY b) AND …`` and ``FROM t LIMIT 1 WHERE …`` are syntax
errors. Whether what the server does take means the same is seen from its plan (``planning/one_table.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from polyglot_export.sources.lexemes import Kind, lexemes

__all__ = ["OneSelect", "one_select"]

_NAME = re.compile(r'[^\W\d][\w$]*|"(?:[^"]|"")+"')


class OneSelect(NamedTuple):
    """A SELECT in pieces: together they are its text."""

    head: str
    """Up to FROM."""
    name: str
    """Of the relation, as it is written."""
    alias: str
    """What follows the name up to WHERE."""
    where: str | None
    """What follows WHERE."""

    def of_pages(self, table: str, condition: str) -> str:
        """The same of a part of a table.

        Args:
            table: Its qualified name, quoted. It is read without those that inherit from it, since INHERIT does not
                wait for the locks of an export, and by this name, since a table that another schema gets meanwhile may
                take the place of one that is named alone.
            condition: What chooses the part.
        """
        # The condition that was written ends where the text does, maybe in a comment.
        where = "" if self.where is None else f"(\n{self.where}\n) AND "
        return f"{self.head} ONLY {table}{self.alias}\n WHERE {where}{condition}"

    def of_rows(self, select: str) -> str:
        """The same of the rows of a SELECT."""
        called = self.alias if _words(self.alias) else f" AS {_last_name(self.name)}"
        where = "" if self.where is None else f"\n WHERE {self.where}"
        return f"{self.head} (\n{select}\n){called}{where}"


class _Word(NamedTuple):
    text: str
    start: int
    end: int

    def is_(self, keyword: str) -> bool:
        return self.text.lower() == keyword


def one_select(text: str) -> OneSelect | None:
    """Take a statement apart, as the server has parsed it; ``None`` where it has not the form that is looked for."""
    words = _words(text)
    froms = [at for at, word in enumerate(words) if word.is_("from") and not (at and words[at - 1].is_("distinct"))]
    wheres = [word for word in words if word.is_("where")]
    # Behind WITH, a name may stand for something else than a relation.
    if not words or not words[0].is_("select") or len(froms) != 1 or len(wheres) > 1:
        return None
    behind = words[froms[0] + 1 :]
    if behind and behind[0].is_("only"):
        del behind[0]
    name = list(_qualified(behind))
    if not name:
        return None
    end = wheres[0].start if wheres else len(text)
    return OneSelect(
        text[: words[froms[0]].end],
        text[name[0].start : name[-1].end],
        text[name[-1].end : end],
        text[wheres[0].end :] if wheres else None,
    )


def _qualified(words: list[_Word]) -> Iterator[_Word]:
    """The words of the name at their beginning: names with dots between them."""
    if not words or not _NAME.fullmatch(words[0].text):
        return
    yield words[0]
    for dot, name in zip(words[1::2], words[2::2], strict=False):
        if dot.text != "." or not _NAME.fullmatch(name.text):
            return
        yield name


def _last_name(name: str) -> str:
    return _words(name)[-1].text


def _words(text: str) -> list[_Word]:
    """The lexemes outside of parentheses."""
    depth = 0
    found = []
    for lexeme in lexemes(text):
        word = _Word(text[lexeme.start : lexeme.end], lexeme.start, lexeme.end)
        depth -= word.text in (")", "]")
        if depth == 0 and lexeme.kind is not Kind.BLANK:
            found.append(word)
        depth += word.text in ("(", "[")
    return found
