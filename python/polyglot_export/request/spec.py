"""What the caller wants: one validated model for library, command line and HTTP, with no database needed.

Field names on the wire are camelCase (``orderBy``); in Python they are snake_case (``order_by``); both are accepted.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel

from polyglot_export.compressions import Compression
from polyglot_export.errors import SpecError
from polyglot_export.formats.names import Format
from polyglot_export.formats.registry import FormatOptions, options_model
from polyglot_export.request.words import FilterOp

__all__ = ["ColumnChoice", "Compression", "ExportSpec", "FilterOp", "FilterTerm", "Format", "OrderTerm", "parse_spec"]

Name = Annotated[str, StringConstraints(min_length=1)]
Scalar = bool | Decimal | str
"""JSON numbers are read as decimals: a double would round them."""


def _scalar(value: object) -> Scalar:
    """One value of a filter, exact: pydantic alone would take the number 1 for ``true``."""
    match value:
        case bool():
            return value
        case int():
            return Decimal(value)
        case float() | Decimal():
            number = value if isinstance(value, Decimal) else Decimal(repr(value))
            if not number.is_finite():
                raise ValueError("a number must be finite; give NaN and Infinity as strings")
            return number
        case str():
            if "\0" in value:
                raise ValueError("must not hold the character U+0000, which no PostgreSQL text can hold")
            return value
        case None:
            raise ValueError("must not be null; use isNull or isNotNull")
        case _:
            raise ValueError("must be a string, a number or a boolean, or a list of these for in and between")


class Model(BaseModel):
    """Unknown members are refused; names are camelCase outside and snake_case inside."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


class ColumnChoice(Model):
    """One column of the export and its name in the file."""

    source: Name
    target: Name

    @model_validator(mode="before")
    @classmethod
    def _target_defaults_to_source(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"source": value, "target": value}
        if isinstance(value, dict) and "source" in value and "target" not in value:
            return {**value, "target": value["source"]}
        return value


class FilterTerm(Model):
    """One of the ``and``-ed terms of a filter. The planner checks operator and value against the column's type."""

    column: Name
    op: FilterOp
    value: Scalar | list[Scalar] | None = None

    @field_validator("value", mode="before")
    @classmethod
    def _exact(cls, value: object) -> object:
        if value is None:
            return None
        return [_scalar(item) for item in value] if isinstance(value, list | tuple) else _scalar(value)

    @model_validator(mode="after")
    def _value_fits_operator(self) -> FilterTerm:
        match self.op:
            case FilterOp.IS_NULL | FilterOp.IS_NOT_NULL:
                if self.value is not None:
                    raise ValueError(f"operator {self.op} takes no value")
            case FilterOp.IN:
                if not isinstance(self.value, list):
                    raise ValueError("operator in takes a list of values")  # noqa: TRY004 - pydantic collects ValueError
            case FilterOp.BETWEEN:
                if not isinstance(self.value, list) or len(self.value) != 2:
                    raise ValueError("operator between takes a list of two values")
            case _:
                if self.value is None:
                    raise ValueError(f"operator {self.op} takes a value that is not null; use isNull or isNotNull")
                if isinstance(self.value, list):
                    raise ValueError(f"operator {self.op} takes one value, not a list")  # noqa: TRY004
        return self


class OrderTerm(Model):
    """One sort key."""

    column: Name
    direction: Literal["asc", "desc"] = "asc"


class ExportSpec(Model):
    """An export, complete: what, in which format, and how.

    ``dataset`` is a table, view or configured name (``schema.table`` or ``table``); ``query`` is SQL and is taken only
    from library and command line, never over HTTP.
    """

    format: Format
    dataset: Name | None = None
    query: Name | None = None
    columns: Annotated[tuple[ColumnChoice, ...], Field(min_length=1)] | None = None
    filter: tuple[FilterTerm, ...] = ()
    order_by: tuple[OrderTerm, ...] = ()
    limit: Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)] | None = None
    compression: Compression | None = None
    compression_as: Literal["encoding", "file"] = "encoding"
    """Over HTTP: an encoding of the file, or a compressed file. Library and command line have no use for it."""
    delivery: Literal["stream", "file"] = "stream"
    """Over HTTP: a stream, or a file that is prepared first. Library and command line have no use for it."""
    options: FormatOptions

    @model_validator(mode="before")
    @classmethod
    def _options_follow_format(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        options = value.get("options")
        if options is None:
            options = {}
        if isinstance(options, dict) and value.get("format") in list(Format):
            value = {**value, "options": _options(options_model(str(value["format"])), options)}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> ExportSpec:
        if type(self.options) is not options_model(self.format):
            raise ValueError(f"options are not those of format {self.format}")
        if self.query is not None and self.dataset is not None:
            raise ValueError("dataset and query exclude each other")
        if self.compression is not None and self.format is Format.PARQUET:
            raise ValueError(
                "compression is for text formats; for parquet set options.compression, the codec inside the file"
            )
        if self.columns is not None:
            seen: set[str] = set()
            for column in self.columns:
                if column.target in seen:
                    raise ValueError(f"columns: two columns have the target {column.target!r}; targets must differ")
                seen.add(column.target)
        return self


def parse_spec(data: dict[str, Any]) -> ExportSpec:
    """Validate a spec that came from outside.

    Args:
        data: The members of an :class:`ExportSpec`, camelCase or snake_case.

    Raises:
        SpecError: One sentence that names the first wrong field, what was wrong and what is allowed.
    """
    try:
        return ExportSpec.model_validate(data)
    except ValidationError as error:
        raise spec_error(error) from None


def spec_error(error: ValidationError, model: type[BaseModel] = ExportSpec, within: str = "") -> SpecError:
    """The first complaint of pydantic as one sentence.

    Args:
        error: What pydantic raised.
        model: The model that was validated; its members are what is allowed.
        within: The field that holds the model, for the name of the field.
    """
    first = error.errors(include_url=False)[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, SpecError):
        return cause
    parts = [str(part) for part in first["loc"] if not _is_noise(part)]
    message = str(first["msg"]).removeprefix("Value error, ")
    given = first.get("input")
    shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
    if first["type"] == "extra_forbidden":
        allowed = ", ".join(_members(_MEMBER_MODELS.get(parts[0], model) if len(parts) > 1 else model))
        message, shown = f"unknown member {parts.pop()!r}; allowed are {allowed}", ""
    elif first["type"] == "too_short":
        message = "must not be empty"
    field = ".".join(([within] if within else []) + parts)
    return SpecError(field or None, f"{message}{shown}")


_MEMBER_MODELS: dict[str, type[BaseModel]] = {
    "columns": ColumnChoice,
    "filter": FilterTerm,
    "orderBy": OrderTerm,
    "order_by": OrderTerm,
}


def _members(model: type[BaseModel]) -> list[str]:
    """The members of a model as they are written outside."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _options(model: type[BaseModel], value: Any) -> Any:
    """The options of a format; a complaint names ``options`` and lists the options that this format has."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise spec_error(error, model, "options") from None


def _is_noise(part: int | str) -> bool:
    """Pydantic adds the names of union branches to a location; a caller did not write those."""
    if not isinstance(part, str):
        return False
    return (
        part in {"bool", "decimal", "str"}
        or part.endswith("Options")
        or part.startswith(("list[", "tuple[", "literal[", "function-"))
    )
