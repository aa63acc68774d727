"""What a caller may do, however it was identified: by a configured key, or by the app that the service is a part of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.exposure import Exposure
from polyglot_export.access.limits import UNLIMITED, Limits
from polyglot_export.access.own_login import dsn_of, missing_variable, read_database
from polyglot_export.access.row_condition import RowCondition
from polyglot_export.access.scopes import USUAL, Scope
from polyglot_export.errors import SpecError
from polyglot_export.fields import Record, read_record, read_text, within, write_record
from polyglot_export.postgres.caller import CallerSettings, read_caller_settings
from polyglot_export.request.spec import ExportSpec, FilterTerm

__all__ = ["Rights", "dump_rights", "read_columns", "read_rights"]

MAX_MASK = 10_000
"""Characters of a mask."""


def read_columns(given: object) -> Mapping[str, tuple[str, ...]]:
    """Columns by dataset.

    Raises:
        SpecError: It is something else.
    """
    if not isinstance(given, Mapping):
        raise SpecError(None, "must be a table with one list of columns for each dataset")
    return {str(dataset): _names(str(dataset), names) for dataset, names in given.items()}


def _names(dataset: str, given: object) -> tuple[str, ...]:
    with within(dataset):
        if isinstance(given, list | tuple) and given and all(isinstance(name, str) and name for name in given):
            return tuple(given)
        raise SpecError(None, "must be a list of names that is not empty")


def _rows(given: object) -> Mapping[str, tuple[FilterTerm | RowCondition, ...]]:
    if not isinstance(given, Mapping):
        raise SpecError(None, "must be a table with one filter for each dataset")
    return {str(dataset): _terms(str(dataset), terms) for dataset, terms in given.items()}


def _terms(dataset: str, given: object) -> tuple[FilterTerm | RowCondition, ...]:
    """A filter: its terms, what columns must be equal to, or a condition in SQL."""
    with within(dataset):
        terms: tuple[FilterTerm | RowCondition, ...]
        if isinstance(given, str):
            terms = (read_record(RowCondition, {"sql": given}),)
        elif RowCondition.is_meant(given):
            terms = (read_record(RowCondition, given),)
        elif isinstance(given, Mapping):
            terms = tuple(_equal(column, value) for column, value in given.items())
        elif isinstance(given, list | tuple):
            terms = tuple(_term(term) for term in given)
            if sum(isinstance(term, RowCondition) for term in terms) > 1:
                raise SpecError(None, "must have at most one condition in SQL; join them by AND")
        else:
            raise SpecError(
                None, 'must be columns with their values, such as {"tenant": 3}, a list of filter terms, or SQL'
            )
        if not terms:
            # Whoever means all rows says nothing about the dataset.
            raise SpecError(None, "must not be empty; leave the dataset out where all its rows may be read")
        return terms


def _term(given: object) -> FilterTerm | RowCondition:
    return read_record(RowCondition, given) if RowCondition.is_meant(given) else read_record(FilterTerm, given)


def _equal(column: object, value: object) -> FilterTerm:
    name = read_text(column)
    with within(name):
        if value is None:
            # An id that is missing would otherwise show the rows that belong to nobody.
            raise SpecError(None, "must not be None; give a term with the operator isNull where that is meant")
        op = "in" if isinstance(value, list | tuple) else "="
        return read_record(FilterTerm, {"column": name, "op": op, "value": value})


def _mask(given: object) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(given, Mapping):
        raise SpecError(None, "must be a table with one table of masks for each dataset")
    return {str(dataset): _masks(str(dataset), masks) for dataset, masks in given.items()}


def _masks(dataset: str, given: object) -> Mapping[str, str]:
    with within(dataset):
        if not isinstance(given, Mapping) or not given:
            raise SpecError(None, 'must be columns with SQL expressions, such as {email = "md5(email)"}')
        for column, expression in given.items():
            with within(str(column)):
                text = read_text(expression)
                if not text.strip() or "\0" in text or len(text) > MAX_MASK:
                    raise SpecError(None, f"must be an SQL expression of 1 to {MAX_MASK:,} characters")
        return dict(given)


def _role(given: object) -> str | None:
    try:
        return read_caller_settings(given, None).role
    except SpecError as error:
        raise SpecError(None, error.reason) from None


def _settings(given: object) -> Mapping[str, str]:
    try:
        return dict(read_caller_settings(None, given).settings)
    except SpecError as error:
        _, _, name = (error.field or "").partition(".")
        raise SpecError(name or None, error.reason) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights(Record):
    """What a caller may read, and where it may have it sent to."""

    datasets: tuple[str, ...] | None = None
    """The only datasets; without it every one that is offered."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict, metadata={"read": read_columns})
    """By dataset, the only columns that it may read."""
    rows: Mapping[str, tuple[FilterTerm | RowCondition, ...]] = field(default_factory=dict, metadata={"read": _rows})
    """By dataset, what every row fulfils that it may read: terms that are joined by AND, with those of the request
    too, or a condition in SQL. They may be about columns that it may not read."""
    mask: Mapping[str, Mapping[str, str]] = field(default_factory=dict, metadata={"read": _mask})
    """By dataset and column, the SQL expression that it reads in place of the column, such as ``left(email, 2)``.
    Its filters and its order see the masked value too."""
    database: str | None = field(default=None, metadata={"read": read_database})
    """The login of the database with which it reads, whose grants and policies hold: a connection string without a
    password, or ``env:NAME`` for one that the variable ``NAME`` has; without it the login of the service."""
    role: str | None = field(default=None, metadata={"read": _role})
    """The role of the database with whose rights it reads; without it the login's own."""
    settings: Mapping[str, str] = field(default_factory=dict, metadata={"read": _settings})
    """What is set for it in the database before anything is read, by name, for policies to look at."""
    destinations: tuple[str, ...] = ()
    """Where it may have exports delivered to."""
    webhooks: tuple[str, ...] = ()
    """The webhooks that its exports may name; none unless they are listed, since they take data elsewhere."""
    scopes: tuple[Scope, ...] = USUAL
    """The kinds of calls that it may make."""
    limits: Limits = UNLIMITED
    """How much it may have: ``{ exports = 4, bytes_per_day = "50GB" }``. Without it only the fair share of all callers
    holds."""

    @property
    def in_database(self) -> CallerSettings:
        """Role and settings, as leader and workers take them. What may have the role must not be able to do more."""
        return CallerSettings(self.role, tuple(self.settings.items()), guarded=self.role is not None)

    @property
    def narrowing(self) -> bool:
        """Whether it may read a part only of what the service's login reads."""
        return bool(self.rows or self.mask or self.settings or self.role or self.database)

    def dsn(self, otherwise: str | None) -> str | None:
        """The connection string of its login.

        Args:
            otherwise: That of the service, for who has no login of its own.

        Raises:
            InternalError: The variable that has it is not set.
        """
        return dsn_of(self.database, otherwise)

    def narrow(self, exposure: Exposure) -> Exposure:
        """The part of an exposure that may be read; all of one that names no datasets."""
        if not isinstance(exposure, ConfiguredDatasets):
            return exposure
        return ConfiguredDatasets(
            {
                # Only those are made anew that change: there may be thousands, and each request asks.
                name: replace(dataset, columns=self.columns[name]) if name in self.columns else dataset
                for name, dataset in exposure.datasets.items()
                if self.datasets is None or name in self.datasets
            },
            self.rows,
            self.mask,
        )

    def check(self, exposure: ConfiguredDatasets, *, variables: bool = True) -> None:
        """Whether they name only what is offered: a filter for a name that is misspelt would filter nothing.

        Args:
            exposure: All that is offered.
            variables: Whether the variables that they name must be set, as they must for the service.

        Raises:
            SpecError: They do not; the field says where.
        """
        for member in ("datasets", "columns", "rows", "mask"):
            for name in getattr(self, member) or ():
                if name not in exposure.datasets:
                    offered = ", ".join(exposure.datasets) or "none"
                    raise SpecError(member, f"there is no dataset {name!r}; the configuration offers {offered}")
        for name, columns in self.columns.items():
            offered_columns = exposure.datasets[name].columns
            unknown = [each for each in columns if offered_columns is not None and each not in offered_columns]
            if unknown:
                raise SpecError(f"columns.{name}", f"the dataset does not offer the column {unknown[0]!r}")
        missing = missing_variable(self.database) if variables else None
        if missing is not None:
            raise SpecError("database", f"the variable {missing} is not set")

    def cover(self, made: Rights, spec: ExportSpec) -> bool:
        """Whether who has these rights may read the file that an export has made under others: the same login,
        role and settings, no filter and no mask that is not in the file's. (Datasets and columns: ``Exposure.covers``.)
        """
        if (self.database, self.role, dict(self.settings)) != (made.database, made.role, dict(made.settings)):
            return False
        names = [each.dataset or "" for each in spec.each()]
        return all(
            set(self.rows.get(name, ())) <= set(made.rows.get(name, ()))
            and self.mask.get(name, {}).items() <= made.mask.get(name, {}).items()
            for name in names
        )


def dump_rights(rights: Rights) -> dict[str, Any]:
    """Rights as data for JSON, with the names that they have outside; numbers of filters stay decimals."""
    members = write_record(rights)
    members["rows"] = {name: [_dumped(term) for term in terms] for name, terms in rights.rows.items()}
    return members


def _dumped(term: FilterTerm | RowCondition) -> dict[str, Any]:
    return term.dumped() if isinstance(term, RowCondition) else write_record(term)


def read_rights(given: object) -> Rights:
    """What :func:`dump_rights` wrote.

    Raises:
        SpecError: It is something else.
    """
    return read_record(Rights, given)
