"""What pydantic finds wrong with a setting or a parameter, in words that are about the value and not about a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polyglot_export.errors import SpecError

__all__ = ["reason_of"]

_REASONS = {
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_type": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "path_type": "must be a path",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "extra_forbidden": "is not known",
}
"""By the type of the error (pydantic's documentation, "Validation Errors")."""


def reason_of(error: Mapping[str, Any]) -> str:
    """Why a value was refused, without the name of its field.

    Args:
        error: One of the errors that pydantic lists.
    """
    context: Mapping[str, Any] = error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, SpecError):
        return cause.reason
    if cause is not None:
        return str(cause)
    template = _REASONS.get(error["type"], "is not a value that is taken here")
    return template.format(**{name: _plain(value) for name, value in context.items()})


def _plain(bound: object) -> object:
    """The bound of a number as people write it: 0, not 0.0."""
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound
