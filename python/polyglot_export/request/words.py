"""The words of a spec."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FilterOp"]


class FilterOp(StrEnum):
    """The comparisons a filter term may make."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    BETWEEN = "between"
    LIKE = "like"
    IS_NULL = "isNull"
    IS_NOT_NULL = "isNotNull"
