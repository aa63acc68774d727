"""Whether all statements of a plan have meant the same.

Each worker looks up for itself what the names in its statement stand for, whenever it begins one. Locks keep relations
as they are; nothing locks a function, nor keeps another relation from being found first, or a child from being added.
So at the end the catalogue is read in the snapshot of the moment and in one of that time: what differs may have given
some of the statements another meaning. That a row was written anew shows too where everything is as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from psycopg import sql

from polyglot_export.errors import SourceChanged
from polyglot_export.planning.locate import Located
from polyglot_export.planning.plan import Resolved
from polyglot_export.planning.segments import Cut
from polyglot_export.postgres.catalogue.meanings import Meaning, callables, children, definitions, labels, namesakes
from polyglot_export.postgres.leader import Leader, Row
from polyglot_export.postgres.names import is_text
from polyglot_export.request.sql_text import SqlText

if TYPE_CHECKING:
    from polyglot_export.request.spec import ExportSpec

__all__ = ["AskAnew", "resolved_anew", "see_same_meaning"]

AskAnew = Callable[[Sequence[sql.Composable]], list[list[Row]]]
"""Asks the same server in a snapshot of now."""

_WORD = re.compile(r"[^\W\d][\w$]*")
_QUOTED = re.compile(r'"((?:[^"]|"")+)"')
_SYMBOL = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_UNWRITTEN = frozenset(("=", "<>", "<", "<=", ">", ">=", "~~", "!~~", "~~*", "!~~*", "~"))
"""Operators that IN, CASE, NULLIF, BETWEEN, LIKE and their like call."""
_CALL = re.compile(
    r'(?<![\w$."])(?!"?pg_catalog"?\.|(?:OPERATOR|CAST)\()(?:(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)\.)?'
    r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)\('
)
"""A call of what may not be PostgreSQL's, in a statement that we have written."""
_CAST_TO_OTHERS = re.compile(r'::"(?!pg_catalog"\.)')
"""A bound of a type of users, in a statement that we have written: its text may come to be another value."""


class _Names(NamedTuple):
    """What texts may call. All words are taken for names of functions: ``r.f`` is a call as well."""

    words: frozenset[str] = frozenset()
    symbols: frozenset[str] = _UNWRITTEN

    def with_those_of(self, texts: Iterable[str]) -> _Names:
        """These, and those of further texts."""
        words, symbols = set(self.words), set(self.symbols)
        for text in texts:
            words |= {each for word in _WORD.findall(text) for each in (word, word.lower())}
            words |= {name.replace('""', '"') for name in _QUOTED.findall(text)}
            for symbol in _SYMBOL.findall(text):
                # Where signs stand together (``=-1``) only the server knows which belong to which.
                symbols |= {part for at in range(len(symbol)) for part in (symbol[: at + 1], symbol[at:])}
        # A name that is not UTF-8 cannot be asked for.
        return _Names(frozenset(filter(is_text, words)), frozenset(symbols))


def resolved_anew(found: Located, segments: Cut, spec: ExportSpec) -> Resolved | None:
    """One of several statements whose names may come to mean something else; ``None`` where all names in
    them are full ones of what is held and of PostgreSQL's own.

    Args:
        found: What is read.
        segments: How it is read, by several statements.
        spec: What the caller wants.
    """
    text = segments.scans[0].before + segments.scans[0].after
    of_names = found.can_grow or _CAST_TO_OTHERS.search(text) is not None
    if _is_ours(found, spec) and not (segments.whole and of_names) and _CALL.search(text) is None:
        return None
    return Resolved(text, relations=segments.whole)


def _is_ours(found: Located, spec: ExportSpec) -> bool:
    """Whether all of the statement was written by us."""
    if found.relation is None or found.relation.kind == "v" or found.condition is not None or found.masked:
        return False
    return not isinstance(spec.split_values, SqlText)


def see_same_meaning(leader: Leader, held: Collection[int], statements: Collection[Resolved], anew: AskAnew) -> None:
    """See that statements which each worker resolved by itself have meant what they mean in the moment.

    Args:
        leader: In the transaction of the moment.
        held: The OIDs of the relations that the moment holds.
        statements: One of each plan.
        anew: Asked once, after all questions to the leader.

    Raises:
        SourceChanged: A function, operator or cast that they may call, a relation that they may have found, or what
            inherits from one, was made, changed or dropped since; or changed and changed back.
    """
    texts = [each.text for each in statements]
    functions, names = _called(leader, [*texts, *definitions(leader, held)])
    relations = _about_relations(leader, held) if any(each.relations for each in statements) else []
    then = [*functions, *_meanings(leader.catalogue_at_once(relations) if relations else [])]
    now = _meanings(anew([callables(leader.version, *names), *relations]))
    changed = _first_changed(then, now)
    if changed is not None:
        raise SourceChanged(_reason(changed))


def _about_relations(leader: Leader, held: Collection[int]) -> list[sql.Composable]:
    ((path, since),) = leader.run("SELECT pg_catalog.current_schemas(false), pg_catalog.transaction_timestamp()::text")
    return [namesakes(held, path), children(held, since), labels()]


def _called(leader: Leader, texts: Iterable[str]) -> tuple[list[Meaning], _Names]:
    """The functions that texts may call, and those that these may call, and so on; with all of their names."""
    names = _Names().with_those_of(texts)
    while True:
        functions = _meanings([leader.catalogue(callables(leader.version, *names))])
        further = names.with_those_of(each.text for each in functions)
        if further == names:
            return functions, names
        names = further


def _meanings(answers: Iterable[list[Row]]) -> list[Meaning]:
    return [Meaning(*row) for rows in answers for row in rows]


def _first_changed(then: Iterable[Meaning], now: Iterable[Meaning]) -> Meaning | None:
    before = {(each.kind, each.key): each for each in then}
    for each in now:
        known = before.pop((each.kind, each.key), None)
        if each.by_being if known is None else each.by_version and each.version != known.version:
            return each
    return next((each for each in before.values() if each.by_being), None)


def _reason(changed: Meaning) -> str:
    if changed.kind == "children":
        return (
            f"a partition or child table was added to {changed.title}, or taken from it, while its moment was being"
            " read; start again"
        )
    return (
        f"the {changed.kind} {changed.title} was made, changed or dropped while its moment was being read, so that some"
        " rows may be read with another one; start again"
    )
