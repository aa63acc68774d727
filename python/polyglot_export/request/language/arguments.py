"""The small languages of the command line: ``--columns``, ``--order-by``, ``--split-by``, ``--where`` and
``--option``.

Names are written bare or in double quotes, where ``""`` stands for one quote, as in SQL. Unlike in SQL a bare name
keeps its case, so quotes are needed only around spaces, commas and signs. Values are bare or in single quotes and stay
text: the planner casts them to the column's type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from polyglot_export.errors import SpecError
from polyglot_export.fields import within
from polyglot_export.formats.registry import Format
from polyglot_export.request.language.scanner import Scanner
from polyglot_export.request.sql_text import SqlText, read_sql_text
from polyglot_export.text.near import did_you_mean

__all__ = [
    "parse_columns",
    "parse_names",
    "parse_options",
    "parse_order",
    "parse_split",
    "parse_split_values",
    "parse_where",
]

Data = dict[str, object]
"""A member of a spec, as ``parse_spec`` reads it."""

OPERATOR = r"(?:<=|>=|<>|!=|=|<|>)(?![=<>~!])|(?:is\s+not\s+null|is\s+null|isnotnull|isnull|between|like|in)(?!\w)"
OPERATORS = "=, !=, <, <=, >, >=, in (…), between … and …, like, is null, is not null"


def parse_columns(texts: Iterable[str]) -> list[Data]:
    """Read ``id,value=amount`` (``source=target``); several ``--columns`` add up.

    Raises:
        SpecError: A name is missing or not closed.
    """
    return [choice for text in texts for choice in _columns(Scanner("columns", text))]


def parse_names(field: str, texts: Iterable[str]) -> list[str]:
    """Read ``note,"net, gross"``; several texts add up.

    Args:
        field: What the names fill.
        texts: As they were written.

    Raises:
        SpecError: A name is missing or not closed.
    """
    return [name for text in texts for name in _names(Scanner(field, text))]


def parse_order(texts: Iterable[str]) -> list[Data]:
    """Read ``created_at:desc,id``; several ``--order-by`` add up, the first sorts first.

    Raises:
        SpecError: A name is missing, or the direction is neither ``asc`` nor ``desc``.
    """
    return [term for text in texts for term in _sort_keys(Scanner("orderBy", text))]


def parse_split(text: str) -> Data:
    """Read ``id`` or ``id:8``: a column, and into how many parts its values are cut.

    Raises:
        SpecError: The name is missing, or the number is none.
    """
    scanner = Scanner("splitBy", text)
    split: Data = {"column": scanner.name(":")}
    if scanner.accept(":"):
        number = scanner.accept(r"\d{1,10}(?!\S)")
        if number is None:
            raise scanner.wrong(
                "behind the colon stands how many parts, as 8; a name with a colon goes in double quotes"
            )
        split["parts"] = int(number)
    scanner.expect_end()
    return split


def parse_split_values(text: str) -> str | SqlText:
    """Read ``state`` or ``"sales tax"``, a column; anything else is an expression in SQL.

    Raises:
        SpecError: Nothing is written.
    """
    given = text.strip()
    if re.fullmatch(r"[^\W\d][\w$]*", given):
        return given
    if re.fullmatch(r'"(?:[^"]|"")+"', given):
        return given[1:-1].replace('""', '"')
    with within("splitValues"):
        return read_sql_text(text)


def parse_where(text: str) -> Data:
    """Read one term, ``column operator value``.

    Raises:
        SpecError: No column, an unknown operator, or a value that does not fit the operator.
    """
    scanner = Scanner("filter", text)
    column = scanner.name(' \t\r\n"=<>!()')
    operator = scanner.accept(OPERATOR)
    if operator is None:
        raise scanner.wrong(f"after the column comes one of the operators {OPERATORS}")
    term: Data = {"column": column, "op": _OPERATOR_NAMES.get("".join(operator.lower().split()), operator.lower())}
    match term["op"]:
        case "isNull" | "isNotNull":
            pass
        case "in":
            term["value"] = _list(scanner)
        case "between":
            term["value"] = _bounds(scanner)
        case _:
            if scanner.accept(r"null\s*\Z"):
                raise scanner.wrong(
                    "nothing compares with null: write is null or is not null, or quote the text: 'null'"
                )
            term["value"] = _last(scanner)
    if scanner.accept(_CONNECTIVE):
        raise scanner.wrong(_ONE_TERM)
    scanner.expect_end()
    return term


_CONNECTIVE = r"(?:and|or)(?!\w)"
_SECOND_TERM = re.compile(rf'\s(?:and|or)\s+(?:"[^"]+"|[\w.]+)\s*(?:{OPERATOR})', re.IGNORECASE)
_ONE_TERM = (
    "takes one term; give a second --where (where= takes a list) for terms that must all hold, and a query for or"
)
_OPERATOR_NAMES = {"<>": "!=", "isnull": "isNull", "isnotnull": "isNotNull"}


def parse_options(texts: Iterable[str], format_name: str) -> Data:
    """Read ``key=value`` pairs for the options of a format.

    Raises:
        SpecError: Not a pair, an option that this format does not have (the allowed ones are listed), or one given
        twice.
    """
    known = Format(format_name).record.options.members()
    outside = {name: alias for alias, name in known.items()}
    options: Data = {}
    for text in texts:
        key, equals, value = text.partition("=")
        name = outside.get(key.strip(), key.strip())
        if not equals:
            raise SpecError("options", "write key=value", given=text)
        if name not in known:
            allowed = ", ".join(known)
            reason = f"{format_name} has no such option; allowed are {allowed}"
            raise SpecError("options", reason, given=text, hint=did_you_mean(name, known))
        if name in options:
            raise SpecError("options", f"{name} is given twice", given=text)
        options[name] = _names(Scanner("options.forceQuote", value)) if name == "forceQuote" and value != "*" else value
    return options


def _columns(scanner: Scanner) -> Iterator[Data]:
    while True:
        source = scanner.name(",=")
        target = scanner.name(",=") if scanner.accept("=") else source
        yield {"source": source, "target": target}
        if not _another(scanner):
            return


def _sort_keys(scanner: Scanner) -> Iterator[Data]:
    while True:
        column = scanner.name(",:")
        direction = "asc"
        if scanner.accept(":"):
            direction = scanner.until(",").lower()
            if direction not in {"asc", "desc"}:
                raise scanner.wrong(
                    f"the direction of {column!r} is asc or desc; a name with a colon goes in double quotes"
                )
        yield {"column": column, "direction": direction}
        if not _another(scanner):
            return


def _names(scanner: Scanner) -> list[str]:
    names = [scanner.name(",")]
    while _another(scanner):
        names.append(scanner.name(","))
    return names


def _another(scanner: Scanner) -> bool:
    """True at a comma; anything else than a comma or the end is refused."""
    if scanner.accept(","):
        return True
    scanner.expect_end()
    return False


def _list(scanner: Scanner) -> list[str]:
    if not scanner.accept(r"\("):
        raise scanner.wrong("in takes a list: in (1, 2, 'three')")
    values: list[str] = []
    if scanner.accept(r"\)"):
        return values
    while True:
        values.append(scanner.value(r"[,)]"))
        if scanner.accept(r"\)"):
            return values
        if not scanner.accept(","):
            raise scanner.wrong("the list has no ) at its end")


def _bounds(scanner: Scanner) -> list[str]:
    low = scanner.value(r"\sand\s")
    if not scanner.accept(r"and\s"):
        raise scanner.wrong("between takes two values: between 1 and 10")
    return [low, _last(scanner)]


def _last(scanner: Scanner) -> str:
    """The value that ends a term. Bare text that goes on like a second term is refused, since it would be compared as
    text and find no row.
    """
    quoted = scanner.accept(r"(?=')") is not None
    value = scanner.value(r"\Z")
    if not quoted and _SECOND_TERM.search(value):
        raise scanner.wrong(f"{_ONE_TERM}; text that has such words goes in single quotes")
    return value
