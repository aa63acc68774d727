"""Who calls, as the app says it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from polyglot_export.access.rights import Rights, read_rights
from polyglot_export.errors import SpecError
from polyglot_export.fields import read_text, within

if TYPE_CHECKING:
    from polyglot_export.request.spec import FilterTerm

__all__ = ["Caller", "RowFilter"]

MAX_NAME = 200
"""Characters of a caller's name: it is a part of log lines and of keys in the store of the jobs."""

RowFilter: TypeAlias = "str | Mapping[str, object] | Sequence[Mapping[str, object] | FilterTerm]"
"""Columns with what they must be equal to (one value, or a list of which it is one), the terms of a filter, or a
condition in SQL: ``{"sql": "tenant = :tenant", "parameters": {"tenant": {"type": "int", "value": 3}}}``."""


class Caller:
    """Who calls, and what this one may do: what an app's function answers for a request.

    Attributes:
        name: Whose exports these are.
        rights: What it may do.
    """

    __slots__ = ("name", "rights")

    def __init__(
        self,
        *,
        name: str,
        datasets: Iterable[str] | Literal["all"],
        columns: Mapping[str, Iterable[str]] | None = None,
        rows: Mapping[str, RowFilter] | None = None,
        role: str | None = None,
        settings: Mapping[str, str | int] | None = None,
        database: str | None = None,
        mask: Mapping[str, Mapping[str, str]] | None = None,
        destinations: Iterable[str] = (),
        webhooks: Iterable[str] = (),
        limits: Mapping[str, int | str] | None = None,
    ) -> None:
        """Describe a caller.

        Args:
            name: Owns the exports that it makes; those of other names do not exist for it. The same person must always
                have the same one, such as the key of the app's table of users.
            datasets: The names of the configuration that it may read, or ``"all"``.
            columns: By dataset, the only columns that it may read; all that the dataset offers where it is left out.
            rows: By dataset, what every row fulfils that it may read: ``{"orders": {"tenant": 3}}``, or terms as a
                request has them. They are joined by AND with whatever a request asks for.
            role: The role of the database with whose rights it reads.
            settings: Of the database, for row policies: ``{"app.tenant": "3"}``.
            database: The login with which it reads: a connection string without a password, or ``env:NAME`` for one
                that the variable ``NAME`` has. That of the service where it is left out.
            mask: By dataset and column, the SQL expression that it reads in place of the column. Never put into it what
                a caller has sent.
            destinations: The configured ones to which it may have exports delivered.
            webhooks: The configured ones that its exports may name.
            limits: How much it may have, as a key's table has it: ``{"exports": 2, "bytes_per_day": "5GB"}``.

        Raises:
            SpecError: Something is of another kind than that.
        """
        with within("name"):
            self.name = read_text(name)
            if not 0 < len(name) <= MAX_NAME or not name.isprintable():
                raise SpecError(None, f"must have 1 to {MAX_NAME} characters that can be printed (got {name!r})")
        self.rights: Rights = read_rights(
            {
                "datasets": None if datasets == "all" else _listed("datasets", datasets),
                "columns": {name: _listed(f"columns.{name}", names) for name, names in (columns or {}).items()},
                "rows": rows or {},
                "role": role,
                "settings": settings or {},
                "database": database,
                "mask": mask or {},
                "destinations": _listed("destinations", destinations),
                "webhooks": _listed("webhooks", webhooks),
                "limits": limits if limits is not None else {},
            }
        )

    def __repr__(self) -> str:
        return f"Caller(name={self.name!r})"


def _listed(field: str, names: Iterable[str]) -> list[str]:
    """Names as a list; a single text is none, although Python would make one of its letters."""
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise SpecError(field, f"must be a list of names (got {names!r})")
    return list(names)
