"""Reading the tables of a configuration, such as all of ``[datasets.…]``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, read_record, within

__all__ = ["read_tables"]

R = TypeVar("R", bound=Record)


def read_tables(document: Mapping[str, Any], name: str, record: type[R]) -> dict[str, R]:
    """The entries of a table of tables; none where it is not there.

    Args:
        document: The whole configuration, parsed.
        name: Of the table.
        record: What each entry is.

    Raises:
        SpecError: An entry is wrong; the field says which one, such as ``datasets.orders.columns``.
    """
    with within(name):
        entries = document.get(name, {})
        if not isinstance(entries, Mapping):
            raise SpecError(None, f"must be tables such as [{name}.NAME]")
        if "" in entries:
            raise SpecError(None, "an entry must have a name")
        return {key: _read(key, entry, record) for key, entry in entries.items()}


def _read(name: str, entry: object, record: type[R]) -> R:
    with within(name):
        return read_record(record, entry)
