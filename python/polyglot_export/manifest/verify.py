"""Checks a set of files: everything that its manifest says, by reading every file anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait

from polyglot_export import _core
from polyglot_export.cancel import CancelToken
from polyglot_export.destinations.store import Store
from polyglot_export.errors import Cancelled, ManifestError, SpecError, TargetFailed
from polyglot_export.fields import is_number, read_record, within
from polyglot_export.limits import default_workers
from polyglot_export.manifest.document import MANIFEST, Manifest, PartEntry
from polyglot_export.manifest.location import claim_number, locate, read_manifest
from polyglot_export.manifest.reading import Content, read_content
from polyglot_export.manifest.report import (
    Fault,
    FaultKind,
    OnVerifyProgress,
    Unchecked,
    VerifyProgress,
    VerifyReport,
)

__all__ = ["check_workers", "verify_set"]

PROGRESS_SECONDS = 0.1
"""How often progress is told."""

EXTRA_FILES = 1_000
"""Files that the manifest does not name and that are told one by one. A folder that is not the set's may hold any
number."""

Finding = Fault | Unchecked
Compare = Callable[[Manifest], Iterator[Finding]]
"""Compares what the manifest says with something else."""


def check_workers(workers: int | None) -> int:
    """How many files are read at a time.

    Raises:
        SpecError: It is no such number.
    """
    if workers is None:
        return default_workers()
    if not is_number(workers) or workers % 1 or workers < 1:
        raise SpecError("workers", f"must be a whole number of at least 1 (got {workers!r})")
    return int(workers)


def verify_set(
    destination: str,
    *,
    workers: int | None = None,
    compare: Compare | None = None,
    on_progress: OnVerifyProgress | None = None,
    token: CancelToken | None = None,
) -> VerifyReport:
    """Check a set of files.

    Memory:
        Two pieces of ``limits.VERIFY_READ_BYTES`` for each file that is read at a time, a page of Parquet, and the
        manifest.

    Args:
        destination: The folder or URL of the set, or its manifest.
        workers: Files that are read at a time.
        compare: What to compare the manifest with after the files were read.
        on_progress: Called in this thread, now and then.
        token: Ends the check.

    Raises:
        SpecError: There is no store of this kind, or ``workers`` is no number.
        ManifestError: There is no manifest, or it cannot be read.
        TargetFailed: The store does not answer.
        Cancelled: By the token.
    """
    started = time.monotonic()
    count = check_workers(workers)
    place, path = locate(destination)
    manifest = read_manifest(place, path)
    run = _Run(place, manifest)
    found = [*_manifest_faults(manifest, path), *_extra(place, manifest, path)]
    forget = token.on_cancel(run.cancel) if token is not None else None
    try:
        run.all_files(count, on_progress)
    finally:
        if forget is not None:
            forget()
    found += [finding for _, finding in sorted(run.findings.items(), key=lambda item: item[0])]
    if compare is not None:
        found += compare(manifest)
    told = run.progress()
    return VerifyReport(
        place.url,
        manifest,
        files=told.files,
        bytes=told.bytes,
        rows=told.rows,
        seconds=time.monotonic() - started,
        faults=tuple(each for each in found if isinstance(each, Fault)),
        unchecked=tuple(each for each in found if isinstance(each, Unchecked)),
        remarks=_remarks(manifest),
    )


def _manifest_faults(manifest: Manifest, path: str) -> Iterator[Finding]:
    """What can be told without the files."""
    if not manifest.intact:
        yield Fault(FaultKind.CHANGED, path, "its digest is that of other content")
    if not manifest.complete:
        yield from (
            Fault(FaultKind.MISSING, _name(each.schema, each.name), f"not in the set: {each.reason}")
            for each in manifest.missing
        )
        if not manifest.missing:
            yield Fault(FaultKind.MISSING, path, "the set is not complete")
    for relation in manifest.relations:
        rows = sum(part.rows for part in relation.parts)
        if rows != relation.rows:
            reason = f"its files have {rows:,} rows, and the manifest says {relation.rows:,} in all"
            yield Fault(FaultKind.COUNT, relation.full_name, reason)


def _remarks(manifest: Manifest) -> tuple[str, ...]:
    if not manifest.complete:
        return ()
    return tuple(f"{_name(each.schema, each.name)} was left out: {each.reason}" for each in manifest.missing)


def _name(schema: str | None, name: str) -> str:
    return name if schema is None else f"{schema}.{name}"


def _extra(place: Store, manifest: Manifest, path: str) -> Iterator[Finding]:
    """Files that no manifest names, in the folders that are the set's own. A manifest of another name may lie among
    files that are none of its business.
    """
    known = {part.path for relation in manifest.relations for part in relation.parts} | {path}
    if path.rpartition("/")[2] == MANIFEST:
        folders = [path.removesuffix(MANIFEST).rstrip("/")]
    else:
        folders = sorted({relation.folder for relation in manifest.relations if relation.folder})
    extra = (file.path for folder in folders for file in place.files(folder) if file.path not in known)
    for count, name in enumerate(name for name in extra if claim_number(name.rpartition("/")[2]) is None):
        if count == EXTRA_FILES:
            yield Fault(FaultKind.EXTRA, place.url, f"the manifest does not name more files than these {count:,}")
            return
        yield Fault(FaultKind.EXTRA, name, "the manifest does not name it")


class _Run:
    """The files of one set, checked by several threads."""

    def __init__(self, place: Store, manifest: Manifest) -> None:
        self.findings: dict[int, Finding] = {}
        self._place = place
        self._token = CancelToken()
        self._new_counter = _counter_of(manifest)
        self._lock = threading.Lock()
        self._parts = enumerate(part for relation in manifest.relations for part in relation.parts)
        self._files_total = sum(len(relation.parts) for relation in manifest.relations)
        self._bytes_total = sum(part.bytes for relation in manifest.relations for part in relation.parts)
        self._files = self._bytes = self._rows = 0

    def all_files(self, workers: int, on_progress: OnVerifyProgress | None) -> None:
        """Check every file; an error or an interrupt ends all threads before it leaves."""
        count = max(1, min(workers, self._files_total))
        with (
            ThreadPoolExecutor(2 * count, "polyglot-read") as helpers,
            ThreadPoolExecutor(count, "polyglot-verify") as threads,
        ):
            try:
                running = {threads.submit(self._work, helpers) for _ in range(count)}
                while running:
                    running = self._wait(running)
                    if on_progress is not None:
                        on_progress(self.progress())
            except BaseException:
                self.cancel()
                raise
        if self._token.cancelled:
            raise Cancelled("the check was cancelled")

    def cancel(self) -> None:
        """Let all threads end with the piece that they are at."""
        self._token.cancel()

    def progress(self) -> VerifyProgress:
        """How far it is."""
        with self._lock:
            return VerifyProgress(self._files, self._files_total, self._bytes, self._bytes_total, self._rows)

    @staticmethod
    def _wait(running: set[Future[None]]) -> set[Future[None]]:
        done, rest = wait(running, timeout=PROGRESS_SECONDS)
        for each in done:
            each.result()
        return rest

    def _work(self, helpers: Executor) -> None:
        while not self._token.cancelled:
            with self._lock:
                number, part = next(self._parts, (0, None))
            if part is None:
                return
            try:
                finding = self._check(part, helpers)
            except TargetFailed as error:
                finding = Unchecked(part.path, error.message)
            if finding is not None:
                with self._lock:
                    self.findings[number] = finding

    def _check(self, part: PartEntry, helpers: Executor) -> Finding | None:
        size = self._place.size(part.path)
        if size is None:
            return Fault(FaultKind.MISSING, part.path, "it is not there")
        wrong = _wrong_size(part, size)
        if wrong is not None:
            return wrong
        content = read_content(
            self._place,
            part.path,
            size,
            self._new_counter(),
            helpers=helpers,
            token=self._token,
            on_bytes=self._read,
        )
        with self._lock:
            self._files += 1
            self._rows += content.rows or 0
        return _compare(part, content)

    def _read(self, size: int) -> None:
        with self._lock:
            self._bytes += size


def _counter_of(manifest: Manifest) -> Callable[[], _core.RowCounter]:
    """What counts the rows of a file of the set.

    Raises:
        ManifestError: The options of the format are none.
    """
    written = manifest.options
    record = written.format.record
    try:
        with within("options.formatOptions"):
            options = read_record(record.options, written.format_options)
    except SpecError as error:
        raise ManifestError(f"this is no manifest: {error.message}") from None
    reading = record.reading(options)
    return lambda: _core.RowCounter(reading, written.compression)


def _wrong_size(part: PartEntry, size: int) -> Fault | None:
    if size == part.bytes:
        return None
    kind = FaultKind.SHORT if size < part.bytes else FaultKind.LONG
    return Fault(kind, part.path, f"it has {size:,} bytes, and the manifest says {part.bytes:,}")


def _compare(part: PartEntry, content: Content) -> Finding | None:
    """What the file holds with what the manifest says; other bytes say all, whatever they count to."""
    wrong = _wrong_size(part, content.bytes)
    if wrong is not None:
        return wrong
    if content.sha256 != part.sha256:
        return Fault(FaultKind.CHANGED, part.path, "its bytes are not those that were written (SHA-256 differs)")
    if content.rows is None:
        return Fault(FaultKind.COUNT, part.path, f"its rows cannot be counted: {content.malformed}")
    if content.rows != part.rows:
        reason = f"it has {content.rows:,} rows, and the manifest says {part.rows:,}"
        return Fault(FaultKind.COUNT, part.path, reason)
    return None
