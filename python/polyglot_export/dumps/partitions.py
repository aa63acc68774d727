"""What ``TABLE:COLUMN[:PART]`` means among the relations of a dump: each of the names may have colons itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

from polyglot_export.dumps.request import DumpRequest, is_named
from polyglot_export.errors import SpecError
from polyglot_export.planning.locate import Located
from polyglot_export.planning.moment import Moment
from polyglot_export.planning.partition import reads_column

__all__ = ["with_partitions"]

FIELD: Final = "partition_by"


class _Reading(NamedTuple):
    """A cut of the text behind a name of a relation."""

    name: str
    by: str
    has_column: bool
    """Whether the relation has what stands behind the cut."""


def with_partitions(request: DumpRequest, moment: Moment) -> DumpRequest:
    """The request with each of its ``partition_texts`` as a relation and a column in ``partition_by``, where a caller
    who knows both has put them.

    Args:
        request: What is dumped.
        moment: Whose sources are its relations.

    Raises:
        SpecError: A text means nothing, or two things.
    """
    if not request.partition_texts:
        return request
    found = dict(request.partition_by)
    for text in request.partition_texts:
        name, by = _meant(text, moment.sources)
        if name in found:
            raise SpecError(FIELD, f"names {name} twice")
        found[name] = by
    return replace(request, partition_by=found, partition_texts=())


def _meant(text: str, sources: tuple[Located, ...]) -> tuple[str, str]:
    readings = list(_readings(text, sources))
    if not readings:
        raise SpecError(FIELD, "names no relation of this dump", given=text)
    right = [each for each in readings if each.has_column]
    if len(right) > 1:
        meanings = " or ".join(f"{each.by!r} of {each.name!r}" for each in right)
        raise SpecError(FIELD, f"may mean {meanings}: use --query with a name that has no colon", given=text)
    # Where there is no such column, that is told of the relation with the longest name.
    name, by, _ = right[0] if right else readings[-1]
    return name, by


def _readings(text: str, sources: tuple[Located, ...]) -> Iterator[_Reading]:
    """All of them, that of the longest name last."""
    for at, character in enumerate(text):
        if character != ":":
            continue
        name, by = text[:at], text[at + 1 :]
        called = [each for each in sources if _is_called(each, name)]
        if called and by:
            yield _Reading(name, by, any(reads_column(each, by) for each in called))


def _is_called(source: Located, name: str) -> bool:
    return is_named(name, source.title, source.title if source.relation is None else source.relation.name)
