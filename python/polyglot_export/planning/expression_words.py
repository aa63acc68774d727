"""What an expression calls, read from the words in which EXPLAIN writes it.

PostgreSQL's ruleutils.c writes each function as ``name(…)``, operators between blanks, every cast of an argument or an
operand as ``(…)::type``, and keywords in capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from polyglot_export.sources.lexemes import Kind, lexemes

__all__ = ["Cast", "Words", "expression_words", "tokens"]

_NAME = re.compile(r'[^\W\d][\w$]*|"(?:[^"]|"")+"')
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_CAST = "::"
_TIME_ZONE = ("at", "time", "zone")


class Cast(NamedTuple):
    """``operand::type``, wherever it stands."""

    operand: tuple[str, ...]
    """The tokens of what is cast, without the parentheses around it; empty where it is a constant."""
    type: str
    """The expression from the type on."""

    @property
    def type_name(self) -> str:
        """The first words of the type, for people."""
        found = re.match(r'[\w"]+(?: \. [\w"]+)?(?: (?:with|without) time zone| precision| varying)?', self.type)
        return (found[0] if found else self.type).replace(" . ", ".")

    @property
    def column(self) -> str | None:
        """The name of the column that is cast; ``None`` for anything else."""
        names = self.operand[::2]
        plain = len(self.operand) in (1, 3) and all(map(_NAME.fullmatch, names)) and set(self.operand[1::2]) <= {"."}
        return unquoted(names[-1]) if plain else None

    @property
    def function(self) -> str | None:
        """The name of the function whose value is cast; ``timezone`` for AT TIME ZONE. ``None`` for anything else."""
        if len(self.operand) > 2 and _NAME.fullmatch(self.operand[0]) and self.operand[1] == "(":
            return unquoted(self.operand[0]) if _closing(self.operand, 1) == len(self.operand) - 1 else None
        outside = tuple(token.lower() for token in _outside(self.operand))
        zoned = any(outside[at : at + len(_TIME_ZONE)] == _TIME_ZONE for at in range(len(outside)))
        return "timezone" if zoned else None


class Words(NamedTuple):
    """What expressions call."""

    functions: frozenset[str]
    """Every name before a parenthesis, without its schema; keywords and types are among them."""
    operators: frozenset[str]
    casts: tuple[Cast, ...]
    keywords: frozenset[str]
    """Every other word that is not quoted, in small letters; names of columns are among them."""


def expression_words(expressions: Iterable[str]) -> Words:
    """What the expressions call."""
    functions: set[str] = set()
    operators: set[str] = set()
    keywords: set[str] = set()
    casts: list[Cast] = []
    for expression in expressions:
        found = tokens(expression)
        for at, token in enumerate(found):
            following = found[at + 1] if at + 1 < len(found) else ""
            if _NAME.fullmatch(token):
                functions |= {unquoted(token)} if following == "(" else set()
                keywords |= {token.lower()} if token[0] != '"' else set()
            elif _OPERATOR.fullmatch(token):
                operators.add(token)
            elif token == _CAST:
                casts.append(Cast(_operand(found[:at]), " ".join(found[at + 1 :])))
    return Words(frozenset(functions), frozenset(operators), tuple(casts), frozenset(keywords))


def tokens(text: str) -> list[str]:
    """Its lexemes without blanks; the characters of an operator or a number are one token."""
    found: list[str] = []
    end = 0
    for lexeme in lexemes(text):
        if lexeme.kind is Kind.BLANK:
            continue
        token = text[lexeme.start : lexeme.end]
        if found and lexeme.start == end and _one_token(found[-1], token):
            found[-1] += token
        else:
            found.append(token)
        end = lexeme.end
    return found


def unquoted(name: str) -> str:
    """A name as the catalogue has it."""
    return name[1:-1].replace('""', '"') if name[0] == '"' else name.lower()


def _one_token(before: str, token: str) -> bool:
    both = before + token
    return bool(_OPERATOR.fullmatch(both)) or bool(re.fullmatch(r"\d[\d.]*(?:e[-+]?\d*)?", both))


def _operand(before: Sequence[str]) -> tuple[str, ...]:
    last = before[-1] if before else ""
    if last == ")":
        operand = tuple(before[_opening(before) + 1 : -1])
        # A special form such as AT TIME ZONE has its own beside those of the cast.
        while operand[:1] == ("(",) and _closing(operand, 0) == len(operand) - 1:
            operand = operand[1:-1]
        return operand
    if last[:1] == "'" or last[:1].isdigit() or last.lower() in ("null", "true", "false"):
        return ()
    return ("", last)


def _outside(operand: Sequence[str]) -> list[str]:
    depth = 0
    found = []
    for token in operand:
        depth -= token in (")", "]")
        if depth == 0:
            found.append(token)
        depth += token in ("(", "[")
    return found


def _closing(operand: Sequence[str], opening: int) -> int:
    depth = 0
    for at in range(opening, len(operand)):
        depth += (operand[at] == "(") - (operand[at] == ")")
        if depth == 0:
            return at
    return len(operand)


def _opening(before: Sequence[str]) -> int:
    depth = 0
    for at in range(len(before) - 1, -1, -1):
        depth += (before[at] == ")") - (before[at] == "(")
        if depth == 0:
            return at
    return 0
