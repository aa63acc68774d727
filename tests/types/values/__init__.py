"""Sample values of PostgreSQL's types, a module a family.

A value is text as a user types it into a column of that type, or :class:`Sql`, an expression. Nothing here says what
comes out of an export: that is asked of the server. Types without an entry get what :data:`generic.CANDIDATES` holds.
"""

from __future__ import annotations

from tests.types.values import documents, numbers, others, texts, times
from tests.types.values.sql import Sql, Value, literal

__all__ = ["VALUES", "Sql", "Value", "literal"]

VALUES: dict[str, tuple[Value, ...]] = {
    **numbers.VALUES,
    **texts.VALUES,
    **times.VALUES,
    **documents.VALUES,
    **others.VALUES,
}
"""By ``pg_type.typname``."""
