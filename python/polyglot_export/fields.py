"""Records that a caller fills in: their fields are checked when a record is made, whoever makes it.

A record is a frozen dataclass. The annotation of a field is its type, and its ``metadata`` has the bounds, under the
names that pydantic knows (``min_length`` of 1, ``max_length`` of a list, ``ge``, ``le``), or a function ``read`` that
takes the place of both. The check below reads them, and so does ``request/schema.py``, which describes the HTTP
interface. Names are camelCase outside and snake_case in Python; a caller may use either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from enum import Enum
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from polyglot_export.errors import SpecError

__all__ = [
    "Record",
    "camel",
    "is_number",
    "left_out",
    "member_names",
    "read_record",
    "read_text",
    "within",
    "write_record",
    "wrong",
]

R = TypeVar("R", bound="Record")
Read = Callable[[object], Any]
"""Takes what a caller gave and returns the value of the field, or raises a :class:`SpecError` without a field."""

NAMES = 1_000
"""Of fields whose spelling outside is remembered; all records together have fewer."""
_SIMPLE = frozenset({str, int, bool})
TRUE = frozenset({"true", "yes", "on", "t", "y", "1"})
FALSE = frozenset({"false", "no", "off", "f", "n", "0"})
"""Words for a boolean where there is only text, as on the command line; PostgreSQL reads the same ones."""


@lru_cache(maxsize=NAMES)
def camel(name: str) -> str:
    """``order_by`` as it is written outside: ``orderBy``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class Record:
    """Base of the records. Lists become tuples and words become members of their enumeration when one is made.

    Raises:
        SpecError: A field is wrong; ``field`` is its name outside.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "alias_generator": camel}
    """For the JSON Schema of a record, which pydantic writes."""

    def __post_init__(self) -> None:
        self._complete()
        kind: Any = type(self)
        for name, read in _readers(kind):
            given = getattr(self, name)
            try:
                value = read(given)
            except SpecError as error:
                raise _inside(camel(name), error) from None
            if value is not given:
                object.__setattr__(self, name, value)
        self._check()

    def _complete(self) -> None:
        """Fill in fields whose default depends on another one."""

    def _check(self) -> None:
        """Check what concerns more than one field; each of them is right by itself."""

    @classmethod
    def _expand(cls, given: object) -> object:
        """The members of a record that was written in a short form."""
        return given

    @classmethod
    def members(cls) -> Mapping[str, str]:
        """The names outside, each with the name in Python."""
        return _members(cast("Any", cls))


class within:  # noqa: N801 - it is used like a function
    """Name the field that holds what the block reads: ``delimiter`` becomes ``options.delimiter``.

    Args:
        field: The name outside; empty for the whole of the request.
    """

    __slots__ = ("_field",)

    def __init__(self, field: str) -> None:
        self._field = field

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, SpecError):
            raise _inside(self._field, error) from None


def _inside(field: str, error: SpecError) -> SpecError:
    """The same error, of what is in a field."""
    path = ".".join(part for part in (field, error.field) if part)
    return SpecError(path or None, error.reason)


def left_out(**metadata: Any) -> dict[str, Any]:
    """Metadata of a field whose default depends on other fields: the schema shows none unless one is given here."""
    shown = metadata.pop("shown", None)

    def extra(schema: dict[str, Any]) -> None:
        schema.pop("default", None)
        if shown is not None:
            schema["default"] = shown

    return {**metadata, "json_schema_extra": extra}


def wrong(reason: str, given: object = None) -> SpecError:
    """The error for a value, which is shown where it is short enough to be one."""
    shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
    return SpecError(None, f"{reason}{shown}")


def is_number(given: object) -> bool:
    """Whether a value is a number; ``True`` is none."""
    return isinstance(given, int | float) and not isinstance(given, bool)


def member_names(record: type[Record]) -> str:
    """The members of a record as a caller writes them, for the message of an error."""
    return ", ".join(record.members())


def read_record(record: type[R], given: object) -> R:
    """A record from the members that a caller gave.

    Args:
        record: The class.
        given: A mapping; names are those outside or those of Python. A record is taken as it is.

    Raises:
        SpecError: An unknown, missing or wrong member; the sentence says what is allowed.
    """
    if isinstance(given, record):
        return given
    expanded = record._expand(given)  # noqa: SLF001 - the base class's own hook
    if not isinstance(expanded, Mapping):
        raise wrong(f"must be an object with the members {member_names(record)}", given)
    names = record.members()
    arguments: dict[str, object] = {}
    for key, value in expanded.items():
        name: object = names.get(key, key)
        if not isinstance(name, str) or name not in names.values():
            raise SpecError(None, f"unknown member {key!r}; allowed are {member_names(record)}")
        if name in arguments:
            raise SpecError(camel(name), "is given twice")
        arguments[name] = value
    kind: Any = record
    for each in fields(kind):
        if each.name not in arguments and each.default is MISSING and each.default_factory is MISSING:
            allowed = _allowed(_hints(kind)[each.name])
            raise SpecError(camel(each.name), f"is missing; it must be {allowed}")
    return record(**arguments)


def write_record(record: Record) -> dict[str, Any]:
    """The members of a record under their names outside, as :func:`read_record` reads them: defaults are written,
    absent members are not.
    """
    values = ((outside, getattr(record, name)) for outside, name in _members(cast("Any", type(record))).items())
    return {outside: _plain(value) for outside, value in values if value is not None}


def _plain(value: Any) -> Any:
    # Most are, and a manifest of many tables has tens of thousands.
    if type(value) in _SIMPLE:
        return value
    if isinstance(value, Record):
        return write_record(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


@cache
def _hints(record: Any) -> dict[str, Any]:
    return get_type_hints(record)


@cache
def _members(record: Any) -> Mapping[str, str]:
    """The names of the fields outside, each with the name in Python."""
    return {camel(each.name): each.name for each in fields(record)}


@cache
def _readers(record: Any) -> tuple[tuple[str, Read], ...]:
    """The fields of a record, each with what reads it."""
    hints = _hints(record)
    return tuple(
        (each.name, each.metadata["read"] if "read" in each.metadata else _bounded(_reader(hints[each.name]), each))
        for each in fields(record)
    )


def _bounded(read: Read, field: Field[Any]) -> Read:
    """The reader of a field together with the bounds in its metadata."""
    bounds = field.metadata
    if not bounds.keys() & {"min_length", "max_length", "ge", "le"}:
        return read

    def bounded(given: object) -> Any:
        if "max_length" in bounds and isinstance(given, list | tuple) and len(given) > bounds["max_length"]:
            # Before its items become records.
            raise SpecError(None, f"must have at most {bounds['max_length']} items (got {len(given)})")
        value = read(given)
        if value is None:
            return value
        if "min_length" in bounds and not value:
            raise wrong("must have at least 1 character" if isinstance(value, str) else "must not be empty", given)
        if "ge" in bounds and value < bounds["ge"]:
            raise wrong(f"must be greater than or equal to {bounds['ge']}", given)
        if "le" in bounds and value > bounds["le"]:
            raise wrong(f"must be less than or equal to {bounds['le']}", given)
        return value

    return bounded


def _reader(hint: Any) -> Read:
    """What reads a value of an annotated type."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _union(hint)
    if origin is Literal:
        return _words(hint, {each: each for each in get_args(hint)})
    if origin is tuple:
        return _list(hint, _reader(get_args(hint)[0]))
    if issubclass(hint, Enum):
        return _words(hint, {**{each.value: each for each in hint}, **{each: each for each in hint}})
    if issubclass(hint, Record):
        return lambda given: read_record(hint, given)
    simple: dict[Any, Read] = {str: read_text, bool: _flag, int: _integer}
    return simple[hint]


def _union(hint: Any) -> Read:
    """A value of one of several types; a list is never read as something else than a list."""
    parts = [each for each in get_args(hint) if each is not NoneType]
    optional = len(parts) < len(get_args(hint))
    if len(parts) == 1:
        only = _reader(parts[0])
        return (lambda given: None if given is None else only(given)) if optional else only
    lists = [_reader(each) for each in parts if get_origin(each) is tuple]
    others = [_reader(each) for each in parts if get_origin(each) is not tuple]

    def read(given: object) -> Any:
        if given is None and optional:
            return None
        if isinstance(given, list | tuple) and lists:
            return lists[0](given)
        for each in others:
            try:
                return each(given)
            except SpecError:
                continue
        raise wrong(f"must be {_allowed(hint)}", given)

    return read


def _list(hint: Any, item: Read) -> Read:
    def read(given: object) -> tuple[Any, ...]:
        if not isinstance(given, list | tuple):
            raise wrong(f"must be {_allowed(hint)}", given)
        values = []
        for index, each in enumerate(given):
            with within(str(index)):
                values.append(item(each))
        return tuple(values)

    return read


def _words(hint: Any, known: Mapping[object, object]) -> Read:
    def read(given: object) -> Any:
        if isinstance(given, str) and given in known:
            return known[given]
        raise wrong(f"must be {_allowed(hint)}", given)

    return read


def read_text(given: object) -> str:
    """A text that can be written in UTF-8.

    Raises:
        SpecError: It is none.
    """
    if not isinstance(given, str):
        raise wrong("must be a string", given)
    try:
        given.encode()
    except UnicodeEncodeError:
        raise SpecError(None, "must be text; half of a surrogate pair is none") from None
    return given


def _flag(given: object) -> bool:
    if isinstance(given, str):
        word = given.lower()
        if word in TRUE or word in FALSE:
            return word in TRUE
    elif isinstance(given, int) and given in (0, 1):
        return bool(given)
    raise wrong("must be true or false", given)


def _integer(given: object) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        raise wrong("must be a whole number", given)
    return given


def _allowed(hint: Any) -> str:
    """What may be given, in words."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_allowed(each) for each in get_args(hint) if each is not NoneType)
    if get_origin(hint) is tuple:
        return "a list"
    words = get_args(hint) if get_origin(hint) is Literal else ()
    if isinstance(hint, type) and issubclass(hint, Enum):
        words = tuple(each.value for each in hint)
    if words:
        *first, last = (repr(str(each)) for each in words)
        return f"{', '.join(first)} or {last}" if first else last
    simple = {str: "a string", bool: "true or false", int: "a whole number"}
    return simple.get(hint, "an object")
