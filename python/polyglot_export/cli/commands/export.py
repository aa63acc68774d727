"""``polyglot export``: a table, view or query into a file, an object or standard output."""

from __future__ import annotations

import gc
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import click

from polyglot_export.cli.connections import database
from polyglot_export.cli.errors import suggesting
from polyglot_export.cli.options import Command, debug_option
from polyglot_export.cli.quick import import_psycopg
from polyglot_export.cli.selection import WORDING, Running, Selection, Splitting, export_options
from polyglot_export.cli.signals import Interrupted
from polyglot_export.cli.talk import leave_quietly, say, show, tell
from polyglot_export.destinations.naming import COMPRESSIONS, FORMATS, Target, choose
from polyglot_export.destinations.registry import destination, kind_of
from polyglot_export.destinations.stdout import SPOKEN, STDOUT
from polyglot_export.errors import SpecError, TargetFailed

if TYPE_CHECKING:
    from polyglot_export._core import Sha256
    from polyglot_export.cancel import CancelToken
    from polyglot_export.execution.export import Export
    from polyglot_export.execution.run import ExportResult
    from polyglot_export.manifest.single import SingleManifest
    from polyglot_export.planning.plan import Plan
    from polyglot_export.request.spec import ExportSpec

__all__ = ["HELP_POSITION", "export_command"]

HELP_POSITION = 1
SMALL_PAGES = 128
"""Pages of tables, of 8 kB each, whose chunks are written once …"""
SMALL_ROWS = 1_000
"""… and rows, where the server decides what it reads. Of these it has only an estimate, and nothing but time depends on
it."""


HELP = f"""Export a table, a view or a query.

The format is that of the file name ({", ".join(FORMATS)}, with {" or ".join(COMPRESSIONS)} behind it), or the one of
--format. What is exported is one moment of the database, whole: an export that fails leaves no file and does not touch
the one that is there.

Exit codes: 0 done (or the reader of the pipe had enough), 1 failed, 2 wrong use. Ctrl-C and SIGTERM end the command as
signals do (130, 143).

\b
polyglot export orders -o orders.parquet
polyglot export orders -o s3://lake/orders.parquet
polyglot export sales.orders -o orders.csv.gz --columns id,value=amount --where 'id <= 1000'
polyglot export --query 'select state, count(*) from orders group by 1' -f ndjson | jq .
polyglot export --query @report.sql -o 'reports/{{date}}.csv' --expand --mkdir
"""  # noqa: S608 - it is a text for people
"""click reads the backspace as: do not join these lines."""


@click.command("export", cls=Command, help=HELP)
@export_options
@debug_option
def export_command(
    *,
    selection: Selection,
    splitting: Splitting,
    running: Running,
    dsn: str | None,
    format_name: str | None,
    compression: str | None,
    option: tuple[str, ...],
    output: str,
    mkdir: bool,
    expand: bool,
    manifest: str | None,
    fingerprints: bool,
    dry_run: bool,
    sha256: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    # Until the first chunk nothing becomes garbage; looking for some would take a twentieth of the start.
    gc.disable()
    if expand:
        output, manifest = _expanded(selection, output, manifest)
    target = choose(output or STDOUT, format_name, compression, WORDING)
    to_terminal = target.path == STDOUT and sys.stdout is not None and sys.stdout.isatty()
    if to_terminal and not output and not dry_run:
        raise _not_unasked(target)
    if mkdir and target.path == STDOUT:
        raise SpecError("mkdir", "makes the folders of a file: give -o FILE")
    spec = selection.spec(target.format, target.compression, option, **splitting.members())
    how = _Run(dsn, running, manifest, fingerprints, mkdir, sha256, as_json, quiet, to_terminal)
    if dry_run:
        _dry_run(spec, target, how)
    else:
        _run(spec, target, how)


class _Run(NamedTuple):
    dsn: str | None
    running: Running
    manifest: str | None
    fingerprints: bool
    mkdir: bool
    sha256: bool
    as_json: bool
    quiet: bool
    to_terminal: bool


def _expanded(selection: Selection, output: str, manifest: str | None) -> tuple[str, str | None]:
    """The names of output and manifest with the values of their placeholders, of one moment."""
    from datetime import datetime

    from polyglot_export.cli.naming import expanded

    now = datetime.now().astimezone()
    named = None if manifest is None else expanded(manifest, selection.source, field="manifest", now=now)
    return expanded(output, selection.source, field="output", now=now), named


def _not_unasked(target: Target) -> SpecError:
    """The error for rows that nobody has asked to see on a terminal: of a large table they would not end."""
    if target.is_binary:
        what = target.compression or target.format
        return SpecError(None, f"{what} is not for a terminal: give -o FILE, or -o - to insist")
    return SpecError(
        None, "rows go to a terminal only when told to: give -o FILE, or -o - to insist; polyglot show has the first"
    )


def _dry_run(spec: ExportSpec, target: Target, how: _Run) -> None:
    import_psycopg()
    from polyglot_export.cli.report import as_json, place_text, plan_members
    from polyglot_export.execution.opening import explain
    from polyglot_export.planning.describe import plan_facts
    from polyglot_export.planning.reservation import reservation

    _sheet(target, how)
    where = place_text(target, mkdir=how.mkdir)
    held = kind_of(target.path).capabilities.memory_bytes
    with suggesting(database(how.dsn), spec.dataset):
        plan = explain(spec, dsn=database(how.dsn), run=how.running.settings(application_name="polyglot explain"))
    if how.as_json:
        show(as_json(plan_members(plan, target, reservation(plan, held))))
    else:
        show("\n".join(plan_facts(plan, held, ("output", where))))


def _run(spec: ExportSpec, target: Target, how: _Run) -> None:
    import_psycopg()
    from polyglot_export.cli.progress import losses_line, meter_for
    from polyglot_export.cli.transfer import ReaderLeft, transfer
    from polyglot_export.execution.opening import open_export
    from polyglot_export.limits import CHUNK_BYTES, FILE_CHUNK_BYTES

    place = destination(target.path)
    run = how.running.settings(chunk_bytes=CHUNK_BYTES if place.capabilities.streaming else FILE_CHUNK_BYTES)
    sheet = _sheet(target, how)
    hasher = _hasher(how, sheet)
    plans: list[Plan] = []

    def opener(token: CancelToken) -> Export:
        opened = open_export(spec, dsn=database(how.dsn), run=run, token=token)
        plans.append(opened.plan)
        if sheet is not None:
            sheet.describe(opened)
        _keep_memory(opened.plan)
        gc.freeze()
        gc.enable()
        return opened

    try:
        with suggesting(database(how.dsn), spec.dataset), _folders(target, how), sheet or nullcontext():
            meter = meter_for(quiet=how.quiet, to_terminal=how.to_terminal)
            result = transfer(opener, place, meter, hasher)
            if sheet is not None:
                sheet.write(result)
    except ReaderLeft:
        leave_quietly()
    except TargetFailed as error:
        if isinstance(error.__cause__, FileNotFoundError) and "file" in place.schemes and not how.mkdir:
            error.hint = "--mkdir makes the folders of the file"
        raise
    except Interrupted as interrupted:
        atomic = place.capabilities.atomic
        interrupted.remark = f"; {target.path} was not written" if atomic else "; the output is not complete"
        raise
    finally:
        if place.remains is not None:
            say(f"{target.path}: {place.remains}")
    lost = losses_line(result.losses)
    if lost is not None:
        say(lost)
    _tell(result, plans[-1], target, how, None if hasher is None else hasher.hexdigest())


def _keep_memory(plan: Plan) -> None:
    """Let the process keep what the export frees, unless it ends before it could use that again."""
    sizes = ((plan.pages, SMALL_PAGES), (plan.estimated_rows, SMALL_ROWS))
    size, small = next((each for each in sizes if each[0] is not None), (None, 0))
    if size is None or size > small:
        from polyglot_export.execution import allocator

        allocator.keep()


def _tell(result: ExportResult, plan: Plan, target: Target, how: _Run, sha256: str | None) -> None:
    """Say what the export came to: nothing, a line, or an object."""
    if how.as_json:
        from polyglot_export.cli.report import as_json, result_members

        told = as_json(result_members(result, plan, target, sha256))
        if target.path == STDOUT:
            tell(told)
        else:
            show(told)
    elif not how.quiet:
        from polyglot_export.cli.progress import summary_line

        summary = summary_line(result, SPOKEN if target.path == STDOUT else target.path)
        say(f"{summary}; sha256 {sha256}" if how.sha256 else summary)


def _hasher(how: _Run, sheet: SingleManifest | None) -> Sha256 | None:
    """What hashes the bytes: the manifest does so anyway, and without it only who asks for a digest pays."""
    if sheet is not None or not how.sha256:
        return None if sheet is None else sheet.hasher
    from polyglot_export._core import Sha256

    return Sha256()


def _folders(target: Target, how: _Run) -> AbstractContextManager[None]:
    if not how.mkdir:
        return nullcontext()
    from polyglot_export.cli.naming import made_folders

    return made_folders(target.path)


def _sheet(target: Target, how: _Run) -> SingleManifest | None:
    if how.manifest is None:
        if how.fingerprints:
            raise SpecError("fingerprints", "stand in a manifest: give --manifest FILE too")
        return None
    from polyglot_export.manifest.single import SingleManifest

    return SingleManifest(target.path, how.manifest, fingerprints=how.fingerprints)
