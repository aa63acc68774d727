"""What of a configuration cannot run: asked by ``polyglot check``, at the start of the service and after a reload."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import psycopg

from polyglot_export.access.check import Finding, check_exposure
from polyglot_export.access.configured import ConfiguredDatasets
from polyglot_export.access.rights import Rights
from polyglot_export.admission.sizes import Needs
from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.stores import store
from polyglot_export.errors import Cancelled, ConnectionFailed, ConnectionLost, PolyglotError
from polyglot_export.execution.opening import open_moment
from polyglot_export.execution.run import RunSettings
from polyglot_export.formats.registry import Format
from polyglot_export.planning.planner import plan
from polyglot_export.planning.reservation import Shape
from polyglot_export.postgres.connect import connect
from polyglot_export.request.parse import parse_spec
from polyglot_export.service.admission.opening import ExportTerms
from polyglot_export.service.background.thread import unwaited
from polyglot_export.service.config.destinations import DestinationEntry
from polyglot_export.service.config.file import Configuration
from polyglot_export.service.logs import event
from polyglot_export.text.sizes import size_text

__all__ = ["ConfigurationCheck", "check_configuration"]

_log = logging.getLogger(__name__)

PLANNING_SECONDS = 10.0
"""Limit of connecting, and of planning a dataset to see whether it can be; a locked table is given up then."""
RETRY_SECONDS = 5.0
"""How long the check of a starting service waits before it asks a database anew that was out of reach."""


@dataclass(frozen=True, slots=True)
class _Grants:
    terms: ExportTerms
    capacity: int
    """Bytes of memory for exports."""
    default_dataset: str | None
    """The one that a request means which names none, where it was set."""


class ConfigurationCheck:
    """The latest findings about the configuration that is in force."""

    def __init__(
        self, terms: ExportTerms, capacity: int, default_dataset: str | None, *, anybody: Callable[[], bool]
    ) -> None:
        """Set up.

        Args:
            terms: What every export is granted.
            capacity: Bytes of memory for exports.
            default_dataset: The default dataset, if one was set.
            anybody: Whether anybody may ask.
        """
        self._anybody = anybody
        self._grants = _Grants(terms, capacity, default_dataset)
        self._latest = 0
        self.problems: tuple[Finding, ...] = ()
        """What cannot run."""
        self.nothing_runs = False
        """Whether no export at all can run."""
        self._closed = True

    @property
    def dsn(self) -> str | None:
        """Of the service's own login."""
        return self._grants.terms.dsn

    async def run(self, configuration: Configuration) -> None:
        """Check a configuration and log a line for everything in it; a database that is out of reach is waited for.

        While nothing at all can run it is checked again: a table may be made, or a lock be gone, without a word to us.
        A later call takes the place of one that still waits.
        """
        self._latest += 1
        turn = self._latest
        known: list[Finding] | None = None
        while turn == self._latest:
            try:
                findings = await unwaited(
                    lambda: list(check_configuration(configuration, self._grants.terms, *self._limits())),
                    "polyglot-check",
                )
            except (ConnectionFailed, ConnectionLost):
                # The health check says so.
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except PolyglotError as error:
                event(_log, logging.WARNING, "configuration not checked", reason=error.message)
                return
            if turn == self._latest and findings != known:
                self._closed = not self._anybody()
                # The callers of an app may have logins and roles of their own, which nobody knows before they ask.
                self._keep(findings, of_app=self._closed and not configuration.guarded)
                known = findings
            if not self.nothing_runs:
                return
            await asyncio.sleep(RETRY_SECONDS)

    def cannot_run(self) -> tuple[str, ...]:
        """What cannot run, for anybody who asks: where keys are configured only of which kind, without names."""
        told = (
            each.about if self._closed or each.name is None else f"{each.about} {each.name}" for each in self.problems
        )
        return tuple(dict.fromkeys(told))

    def _limits(self) -> tuple[int, str | None]:
        return self._grants.capacity, self._grants.default_dataset

    def _keep(self, findings: list[Finding], *, of_app: bool) -> None:
        self.problems = tuple(finding for finding in findings if finding.problem is not None)
        datasets = [finding for finding in findings if finding.about == "dataset"]
        self.nothing_runs = any(finding.about == "memory" for finding in self.problems) or (
            not of_app and bool(datasets) and all(finding.problem is not None for finding in datasets)
        )
        for finding in findings:
            if finding.problem is None:
                event(_log, logging.INFO, "checked", what=finding.about, name=finding.name, found=finding.note or None)
            else:
                event(
                    _log, logging.WARNING, "cannot run", what=finding.about, name=finding.name, reason=finding.problem
                )


def check_configuration(
    configuration: Configuration, terms: ExportTerms, capacity: int, default_dataset: str | None
) -> Iterator[Finding]:
    """Everything that a configuration names, with what is wrong with it.

    Args:
        configuration: What is offered, and to whom.
        terms: What every export is granted.
        capacity: Bytes of memory for exports.
        default_dataset: The dataset that a request means which names none, where it was set.

    Raises:
        ConnectionFailed: The database cannot be reached.
        ConnectionLost: It went away meanwhile.
    """
    yield _memory(capacity, terms)
    for name, entry in configuration.destinations.items():
        yield _destination(name, entry)
    for name, webhook in configuration.webhooks.items():
        yield Finding("webhook", name, None, "https" if webhook.url.scheme == "https" else "http, not encrypted")
    with _connected(terms.dsn) as connection:
        yield Finding("database", None, None, f"PostgreSQL {connection.info.parameter_status('server_version')}")
        for finding in check_exposure(connection, configuration.exposure, configuration.keys):
            if finding.about != "dataset":
                yield finding
                continue
            planned = finding if finding.problem is not None else _planned(finding, configuration, terms, capacity)
            yield planned if planned.problem is None else _for_callers(planned, configuration, terms, capacity)
    exposure = configuration.exposure
    if (
        default_dataset is not None
        and isinstance(exposure, ConfiguredDatasets)
        and default_dataset not in exposure.datasets
    ):
        names = ", ".join(exposure.datasets) or "none"
        yield Finding("default dataset", default_dataset, f"there is no such dataset; configured are {names}")


def _connected(dsn: str | None) -> psycopg.Connection:
    with _time_limit() as token:
        try:
            return connect(dsn, application_name="polyglot check", token=token)
        except Cancelled:
            raise ConnectionFailed(f"the database did not answer within {PLANNING_SECONDS:g} seconds") from None


@contextmanager
def _time_limit() -> Iterator[CancelToken]:
    """A token that is cancelled when the block takes too long."""
    token = CancelToken()
    timer = threading.Timer(PLANNING_SECONDS, token.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield token
    finally:
        timer.cancel()


def _memory(capacity: int, terms: ExportTerms) -> Finding:
    least = _least(Shape("csv"), terms, capacity)
    if least > capacity:
        reason = (
            f"no export fits: there are {size_text(capacity)} for exports, and the smallest takes {size_text(least)};"
            " raise POLYGLOT_MEMORY_LIMIT"
        )
        return Finding("memory", None, reason)
    return Finding("memory", None, None, f"{size_text(capacity)} for exports")


def _destination(name: str, entry: DestinationEntry) -> Finding:
    place = store(entry.url)
    try:
        place.check()
    except PolyglotError as error:
        return Finding("destination", name, error.message)
    return Finding("destination", name, None, place.url)


def _least(shape: Shape, terms: ExportTerms, capacity: int) -> int:
    needs = Needs([(shape, 1)], workers=terms.workers, row_bytes=terms.row_bytes, capacity=capacity)
    return needs.least.bytes


def _for_callers(finding: Finding, configuration: Configuration, terms: ExportTerms, capacity: int) -> Finding:
    """A dataset that the service's own login cannot export: a caller with a login or a role of its own may."""
    for rights in configuration.holders().values():
        if rights.datasets is not None and finding.name not in rights.datasets:
            continue
        if rights.database is None and rights.role is None:
            continue
        note = replace(finding, problem=None, note="with the rights of its callers")
        try:
            planned = _planned(note, configuration, replace(terms, dsn=rights.dsn(terms.dsn)), capacity, rights)
        except PolyglotError:
            # Another server, perhaps, that is out of reach now.
            continue
        if planned.problem is None:
            return planned
    unknown = any({"role", "database"} & issuer.rights.keys() for issuer in configuration.issuers.values())
    return replace(finding, problem=None, note="with rights that come with a token") if unknown else finding


def _planned(
    finding: Finding,
    configuration: Configuration,
    terms: ExportTerms,
    capacity: int,
    rights: Rights | None = None,
) -> Finding:
    """A dataset that the catalogue knows, planned as an export would be: are its rights and its memory enough?"""
    # One of the formats that take a name twice.
    spec = parse_spec({"format": "csv", "dataset": finding.name})
    rights = rights or Rights()
    run = RunSettings(
        workers=1,
        row_bytes=terms.row_bytes,
        application_name="polyglot check",
        role=rights.role,
        settings=rights.settings,
        guarded=True,
    )
    try:
        with (
            _time_limit() as token,
            open_moment(spec, dsn=terms.dsn, exposure=configuration.exposure, run=run, token=token) as moment,
        ):
            shape = Shape.of(plan(moment, spec, run.limits()))
    except (ConnectionFailed, ConnectionLost):
        raise
    except Cancelled:
        reason = f"it could not be planned within {PLANNING_SECONDS:g} s; another session may hold a lock"
        return replace(finding, problem=reason)
    except PolyglotError as error:
        return replace(finding, problem=error.message)
    small = [each.value for each in Format if _least(replace(shape, format=each.value), terms, capacity) > capacity]
    if len(small) == len(Format):
        return replace(finding, problem=f"no format fits into the {size_text(capacity)} for exports")
    return replace(finding, note=f"{finding.note}; no memory for {', '.join(small)}") if small else finding
